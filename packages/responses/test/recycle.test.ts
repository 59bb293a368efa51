/** How a connection is replaced: by a successor that is made ready first, or not at all. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Owner from "../src/internal/effect/owner.ts"
import * as Timers from "../src/internal/effect/timers.ts"
import * as Recycle from "../src/internal/socket/recycle.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import { settle } from "./support/clocks.ts"
import * as FakePool from "./support/fakePool.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

const lost = new ConnectionError({ reason: "Closed", delivery: "unsent", description: "closed" })

/** Each successor is made ready until the test says how that went. */
const make = Effect.gen(function*() {
  const preparing: Array<Deferred.Deferred<boolean>> = []
  const at: FakePool.FakePool = yield* FakePool.make({
    prepare: (successor, old) =>
      Effect.flatMap(Deferred.make<boolean>(), (ready) => {
        preparing.push(ready)
        at.seen.push(`${at.numberOf(successor)} is made ready for ${at.numberOf(old)}`)
        return Effect.onInterrupt(Deferred.await(ready), () => Effect.sync(() => at.seen.push("it is given up")))
      })
  })
  const isReady = (ready: boolean) =>
    Effect.suspend(() => {
      const latest = preparing.at(-1)
      return latest === undefined ? Effect.void : Effect.zipRight(Deferred.succeed(latest, ready), settle)
    })
  return { ...at, isReady }
})

type At = Effect.Effect.Success<typeof make>

const happenings = {
  "the connection is there": ({ accept, ask, leave }: At) =>
    ask("a").pipe(Effect.zipRight(accept), Effect.zipRight(leave("a"))),
  "50 minutes pass": () => TestClock.adjust("50 minutes"),
  "a successor opens": ({ accept }: At) => accept,
  "no successor opens": ({ fail }: At) => fail,
  "it is ready": ({ isReady }: At) => isReady(true),
  "it is used up": ({ isReady }: At) => isReady(false),
  "the old connection ends": ({ connection }: At) => Effect.zipRight(Effect.sync(() => connection(1)?.end()), settle),
  "the successor ends": ({ connection }: At) => Effect.zipRight(Effect.sync(() => connection(2)?.end()), settle),
  "another key takes over": ({ accept, ask }: At) => Effect.zipRight(ask("b", { suits: () => false }), accept),
  "the Layer is closed": ({ close }: At) => close
} satisfies Readonly<Record<string, (at: At) => Effect.Effect<void>>>

type Happening = keyof typeof happenings

const names = Object.keys(happenings) as ReadonlyArray<Happening>

const due = ["the connection is there", "50 minutes pass"] as const

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  "before it is due": ["the connection is there"],
  "while the successor is dialled": due,
  "while the successor is made ready": [...due, "a successor opens"],
  "while the successor is made ready, and it has ended": [...due, "a successor opens", "the successor ends"],
  "while a fresh one is dialled": [...due, "a successor opens", "it is used up"],
  "when the successor has taken over": [...due, "a successor opens", "it is ready"],
  "as none could be opened": [...due, "no successor opens"]
}

/** What is not named cannot happen. */
const expected: Readonly<Record<string, Partial<Readonly<Record<Happening, string>>>>> = {
  "before it is due": {
    "50 minutes pass": "dial 2",
    "the old connection ends": "1 is closed",
    "another key takes over": "dial 2, b on 2, 1 is closed",
    "the Layer is closed": "1 is closed"
  },
  "while the successor is dialled": {
    // The schedule goes on when this try is over.
    "50 minutes pass": "",
    "a successor opens": "2 is made ready for 1",
    "no successor opens": "",
    "the old connection ends": "dial 2 is given up, 1 is closed",
    "another key takes over": "dial 3, b on 3, dial 2 is given up, 1 is closed",
    "the Layer is closed": "dial 2 is given up, 1 is closed"
  },
  "while the successor is made ready": {
    "50 minutes pass": "",
    "it is ready": "recycled, 1 is closed",
    "it is used up": "2 is closed, dial 3",
    "the old connection ends": "it is given up, 2 is closed, 1 is closed",
    // Whatever makes it ready notices that, and says so.
    "the successor ends": "",
    "another key takes over": "dial 3, b on 3, it is given up, 2 is closed, 1 is closed",
    "the Layer is closed": "2 is closed, it is given up, 1 is closed"
  },
  "while the successor is made ready, and it has ended": {
    "it is ready": "2 is closed",
    "it is used up": "2 is closed, dial 3",
    "the old connection ends": "it is given up, 2 is closed, 1 is closed"
  },
  "while a fresh one is dialled": {
    "50 minutes pass": "",
    // As it is: what made the first one ready would use this one up too.
    "a successor opens": "recycled, 1 is closed",
    "no successor opens": "",
    "the old connection ends": "dial 3 is given up, 1 is closed",
    "another key takes over": "dial 4, b on 4, dial 3 is given up, 1 is closed",
    "the Layer is closed": "dial 3 is given up, 1 is closed"
  },
  "when the successor has taken over": {
    "50 minutes pass": "dial 3",
    "the successor ends": "2 is closed",
    "another key takes over": "dial 3, b on 3, 2 is closed",
    "the Layer is closed": "2 is closed"
  },
  "as none could be opened": {
    "50 minutes pass": "dial 3",
    "the old connection ends": "1 is closed",
    "another key takes over": "dial 3, b on 3, 1 is closed",
    "the Layer is closed": "1 is closed"
  }
}

const cell = (past: ReadonlyArray<Happening>, name: Happening) =>
  Effect.scoped(Effect.gen(function*() {
    const at = yield* make
    for (const happening of past) yield* happenings[happening](at)
    const since = at.seen.length
    yield* happenings[name](at)
    const found = at.seen.slice(since).join(", ")
    yield* at.close
    return found
  }))

describe("a connection is replaced", () => {
  for (const [state, past] of Object.entries(states)) {
    it.effect(`${state}: whatever happens next`, () =>
      Effect.gen(function*() {
        const found: Record<string, string> = {}
        for (const name of names) {
          if (expected[state]?.[name] !== undefined) found[name] = yield* cell(past, name)
        }
        assert.deepStrictEqual(found, { ...expected[state] })
      }))
  }

  it.scoped("as often as the schedule says, at its times", () =>
    Effect.gen(function*() {
      const { accept, ask, fail, seen } = yield* FakePool.make({
        schedule: Schedule.intersect(Schedule.fromDelays("1 minutes", "2 minutes", "3 minutes"), Schedule.recurs(2))
      })
      yield* ask("a")
      yield* accept
      const since = seen.length
      for (const delay of [59, 1, 119, 1, 600]) {
        yield* TestClock.adjust(`${delay} seconds`)
        seen.push(`after ${delay}`)
        yield* fail
      }
      assert.deepStrictEqual(seen.slice(since), [
        "after 59",
        "dial 2",
        "after 1",
        "after 119",
        "dial 3",
        "after 1",
        "after 600"
      ])
    }))

  it.scoped("not where it takes no new turns any more when the successor is ready", () =>
    Effect.gen(function*() {
      const owner = yield* Owner.make(() => lost)
      const timers = yield* Timers.make
      for (const serves of [true, false]) {
        const seen: Array<string> = []
        let isServing = true
        const open = Effect.gen(function*() {
          const { connection, socket } = yield* FakeSocket.make()
          connection.onUpgraded(socket)
          yield* Effect.addFinalizer(() => Effect.sync(() => seen.push("closed")))
          return connection
        })
        const recycle = Recycle.make({
          owner,
          timers,
          schedule: Schedule.spaced("50 minutes"),
          open: (restore) => owner.open(open, restore),
          prepare: () =>
            Effect.sync(() => {
              isServing = serves
              return true
            }),
          serves: () => isServing,
          onSuccessor: () => seen.push("taken over")
        })
        const stop = recycle(yield* Effect.uninterruptibleMask((restore) => owner.open(open, restore)))
        yield* TestClock.adjust("50 minutes")
        assert.deepStrictEqual(seen, serves ? ["taken over"] : ["closed"])
        stop()
      }
    }))
})
