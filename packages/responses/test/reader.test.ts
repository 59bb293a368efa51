import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Reader from "../src/internal/exchange/reader.ts"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import { ConnectionError, type ResponsesError } from "../src/ResponsesError.ts"

const lost = new ConnectionError({ reason: "Lost", delivery: "partial", description: "lost" })

const tooMuch = new ConnectionError({ reason: "Overrun", delivery: "partial", description: "too much waits" })

const event = (delta: string): ResponseEvent => ({ type: "response.output_text.delta", delta })

const nameOf = (event: ResponseEvent): string => event.type === "response.output_text.delta" ? event.delta : event.type

const throwing = "throw"

/** A response, its reader, and what the reader's caller sees, in order. */
const make = () => {
  const seen: Array<string> = []
  let hasEnded = false
  let error: ResponsesError | undefined
  const reader = new Reader.Reader({
    hasEnded: () => hasEnded,
    error: () => error,
    onCaughtUp: () => seen.push("caught up")
  })
  const take = (event: ResponseEvent) => {
    seen.push(nameOf(event))
    if (nameOf(event) === throwing) throw new Error("the callback threw")
  }
  const end = (failure?: ResponsesError) => {
    hasEnded = true
    error = failure
    reader.notify()
  }
  const told = (exit: Exit.Exit<void, ResponsesError>) => {
    if (Exit.isSuccess(exit)) return seen.push("done")
    const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
    if (failure !== undefined) return seen.push(`fails: ${failure === tooMuch ? "Overrun" : failure._tag}`)
    return seen.push(Cause.isInterruptedOnly(exit.cause) ? "interrupted" : `dies: ${String(Cause.squash(exit.cause))}`)
  }
  const run = (read: Effect.Effect<void, ResponsesError>) =>
    Effect.zipLeft(Effect.fork(Effect.onExit(read, (exit) => Effect.sync(() => told(exit)))), settle)
  return { reader, seen, take, end, run, fibers: [] as Array<Fiber.RuntimeFiber<void, ResponsesError>> }
}

const settle = Effect.repeatN(Effect.yieldNow(), 20)

type At = ReturnType<typeof make>

const happenings = {
  event: ({ reader }: At) =>
    Effect.sync(() => {
      reader.push(event("x"), 1)
      reader.notify()
    }),
  "an event that is too much": ({ reader }: At) =>
    Effect.sync(() => {
      reader.push(event("large"), Reader.highWaterMark)
      reader.notify()
    }),
  end: ({ end }: At) => Effect.sync(() => end()),
  failure: ({ end }: At) => Effect.sync(() => end(lost)),
  "events are run": ({ fibers, reader, run, take }: At) =>
    Effect.map(run(Stream.runForEach(reader.events, (event) => Effect.sync(() => take(event)))), (fiber) => {
      fibers.push(fiber)
    }),
  "forEach is run": ({ fibers, reader, run, take }: At) =>
    Effect.map(run(reader.forEach(take)), (fiber) => {
      fibers.push(fiber)
    }),
  "the callback throws": ({ reader }: At) =>
    Effect.sync(() => {
      reader.push(event(throwing), 1)
      reader.notify()
    }),
  "the reading fiber is interrupted": ({ fibers }: At) => Effect.forEach(fibers, Fiber.interrupt, { discard: true }),
  "more waits than there is room for": ({ reader }: At) =>
    Effect.zipRight(Effect.sync(() => reader.overflow(tooMuch)), settle),
  "the scope is closed": ({ reader }: At) => Effect.sync(() => reader.leave())
} satisfies Readonly<Record<string, (at: At) => Effect.Effect<void>>>

type Happening = keyof typeof happenings

const names = Object.keys(happenings) as ReadonlyArray<Happening>

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  "nobody reads": [],
  "nobody reads, and an event waits": ["event"],
  "nobody reads, and too much waits": ["an event that is too much"],
  "a Stream waits": ["events are run"],
  "a callback is called": ["forEach is run"],
  over: ["event", "more waits than there is room for"],
  "over, under a Stream": ["events are run", "more waits than there is room for"],
  gone: ["the scope is closed"],
  "over, and gone": ["event", "more waits than there is room for", "the scope is closed"],
  "nobody reads, and the response has ended": ["event", "end"],
  "nobody reads, and the response has failed": ["event", "failure"]
}

const twice = "dies: RuntimeException: The events of a response can be read once"
const late = "dies: RuntimeException: The events of a response were read after its scope was closed"

type Row = Readonly<Record<Happening, string>>

/** `same`: the outcome of all that is not named. */
const row = (same: string, more: Partial<Row>): Row => ({
  ...Object.fromEntries(names.map((name) => [name, same])) as Row,
  ...more
})

/** What waited is thrown away. */
const overrun = "takes no more, unread 0"

/** The end is the response's own: the reader only hands out what there is, then the end. */
const afterEnd = (told: string) =>
  row("unread 1", {
    event: "unread 2",
    "an event that is too much": "unread 1048577",
    "events are run": `x, ${told}, unread 0`,
    "forEach is run": `x, ${told}, callback, unread 0`,
    "the callback throws": "unread 2",
    "more waits than there is room for": overrun,
    "the scope is closed": "takes no more, unread 0"
  })

const expected: Readonly<Record<string, Row>> = {
  "nobody reads": row("unread 0", {
    event: "unread 1",
    "an event that is too much": "unread 1048576",
    "forEach is run": "callback, unread 0",
    "the callback throws": "unread 1",
    "more waits than there is room for": overrun,
    "the scope is closed": "takes no more, unread 0"
  }),
  "nobody reads, and an event waits": row("unread 1", {
    event: "unread 2",
    "an event that is too much": "unread 1048577",
    "events are run": "x, unread 0",
    "forEach is run": "x, callback, unread 0",
    "the callback throws": "unread 2",
    "more waits than there is room for": overrun,
    "the scope is closed": "takes no more, unread 0"
  }),
  "nobody reads, and too much waits": row("unread 1048576", {
    event: "unread 1048577",
    "an event that is too much": "unread 2097152",
    "events are run": "caught up, large, unread 0",
    "forEach is run": "caught up, large, callback, unread 0",
    "the callback throws": "unread 1048577",
    "more waits than there is room for": `caught up, ${overrun}`,
    "the scope is closed": "caught up, takes no more, unread 0"
  }),
  "a Stream waits": row("unread 0", {
    event: "x, unread 0",
    "an event that is too much": "caught up, large, unread 0",
    end: "done, unread 0",
    failure: "fails: ConnectionError, unread 0",
    "events are run": `${twice}, unread 0`,
    "forEach is run": `${twice}, unread 0`,
    "the callback throws": "throw, dies: Error: the callback threw, unread 0",
    "the reading fiber is interrupted": "interrupted, unread 0",
    "more waits than there is room for": `fails: Overrun, ${overrun}`,
    "the scope is closed": "takes no more, unread 0"
  }),
  "a callback is called": row("callback, unread 0", {
    event: "x, callback, unread 0",
    "an event that is too much": "large, callback, unread 0",
    end: "done, callback, unread 0",
    failure: "fails: ConnectionError, callback, unread 0",
    "events are run": `${twice}, callback, unread 0`,
    "forEach is run": `${twice}, callback, unread 0`,
    "the callback throws": "throw, dies: Error: the callback threw, takes no more, unread 0",
    "the reading fiber is interrupted": "interrupted, takes no more, unread 0",
    "the scope is closed": "takes no more, unread 0"
  }),
  // Nothing that comes from now on is for anybody. A response that goes on without its reader is still whole.
  over: row("takes no more, unread 0", {
    "events are run": "fails: Overrun, takes no more, unread 0",
    "forEach is run": "fails: Overrun, takes no more, unread 0"
  }),
  "over, under a Stream": row("takes no more, unread 0", {
    "events are run": "fails: Overrun, takes no more, unread 0",
    "forEach is run": "fails: Overrun, takes no more, unread 0"
  }),
  "over, and gone": row("takes no more, unread 0", {
    "events are run": `${late}, takes no more, unread 0`,
    "forEach is run": `${late}, takes no more, unread 0`
  }),
  gone: row("takes no more, unread 0", {
    "events are run": `${late}, takes no more, unread 0`,
    "forEach is run": `${late}, takes no more, unread 0`
  }),
  "nobody reads, and the response has ended": afterEnd("done"),
  "nobody reads, and the response has failed": afterEnd("fails: ConnectionError")
}

const look = ({ reader, seen }: At, since: number): string =>
  [
    ...seen.slice(since),
    !reader.takesMore() ? "takes no more" : reader.isSink() ? "callback" : "",
    `unread ${reader.size()}`
  ].filter((text) => text !== "").join(", ")

const cell = (past: ReadonlyArray<Happening>, name: Happening) =>
  Effect.gen(function*() {
    const at = make()
    for (const happening of past) yield* happenings[happening](at)
    const since = at.seen.length
    yield* happenings[name](at)
    yield* settle
    const found = look(at, since)
    yield* Effect.forEach(at.fibers, Fiber.interruptFork, { discard: true })
    return [name, found] as const
  })

describe("the reader of a response", () => {
  for (const [state, past] of Object.entries(states)) {
    it.effect(`${state}: whatever happens next`, () =>
      Effect.gen(function*() {
        const found = Object.fromEntries(yield* Effect.forEach(names, (name) => cell(past, name)))
        assert.deepStrictEqual(found, { ...expected[state] })
      }))
  }

  it.effect("gives a callback the last event when the source has been told, and gives it to nobody else", () =>
    Effect.gen(function*() {
      for (const [how, seen] of [["forEach is run", "last"], ["events are run", ""]] as const) {
        const at = make()
        yield* happenings[how](at)
        at.reader.last(event("last"))
        at.reader.notify()
        yield* settle
        assert.strictEqual(at.seen.join(), seen)
        yield* Effect.forEach(at.fibers, Fiber.interrupt)
      }
    }))

  it.effect("a callback that throws takes nothing more of what waits", () =>
    Effect.gen(function*() {
      const at = make()
      for (const name of ["a", throwing, "b"]) at.reader.push(event(name), 1)
      yield* happenings["forEach is run"](at)
      assert.deepStrictEqual(at.seen, ["a", throwing, "dies: Error: the callback threw"])
      assert.isFalse(at.reader.takesMore())
    }))

  it.effect("that is told of too much while it works on what it took fails after that, without what waited", () =>
    Effect.gen(function*() {
      const at = make()
      at.reader.push(event("a"), 1)
      yield* at.run(Stream.runForEach(at.reader.events, (taken) =>
        Effect.sync(() => {
          at.take(taken)
          at.reader.push(event("b"), 1)
          at.reader.overflow(tooMuch)
        })))
      assert.deepStrictEqual(at.seen, ["a", "fails: Overrun"])
    }))
})
