/**
 * A conversation that is interrupted at any operation, or whose reader leaves after any event, once or again and again: it goes
 * on, in the same process or in another one, as if nothing had happened.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as Conversation from "../src/Conversation.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as Ledger from "../src/internal/conversation/ledger.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as Courses from "./support/agentCourses.ts"
import * as AgentEvents from "./support/agentEvents.ts"
import * as AgentJudge from "./support/agentJudge.ts"
import * as Interrupter from "./support/interrupter.ts"
import * as Thorough from "./support/thorough.ts"

/** Before which operation, or step, the course is interrupted, or after which event its reader leaves. */
interface Stop {
  readonly how: "operation" | "step" | "event"
  readonly at: number
}

type Where = "anew" | "here"

/** What the outside world has seen of a conversation. */
const makeWorld = (course: Courses.Course) => {
  const ran: Array<Courses.Ran> = []
  const asked: Array<string> = []
  const finished: Array<string> = []
  const told: Array<AgentEvents.Told> = []
  const entries: Array<ConversationJournal.Entry> = []
  const tell = (event: Courses.Event) => Effect.sync(() => told.push({ event, written: entries.length }))
  const now = () => ({
    ran: ran.length,
    asked: asked.length,
    finished: finished.length,
    told: told.length,
    entries: entries.length
  })
  /** Notes what is written in it. */
  const recorded = (journal: ConversationJournal.Service): ConversationJournal.Service => ({
    load: (id) =>
      Effect.map(journal.load(id), (owned) => ({
        ...owned,
        append: (seq, entry) =>
          Effect.map(Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 2), owned.append(seq, entry)), () => {
            entries[seq] = entry
          })
      }))
  })
  const tools = Courses.tools((one) => ran.push(one), (callId) => finished.push(callId))
  const model = Courses.script(course, (place) => asked.push(place))
  return { ran, asked, finished, told, entries, tell, now, recorded, tools, model }
}

type World = ReturnType<typeof makeWorld>

const reading = ({ tell }: World): Courses.Read => (stream) => Stream.runForEach(stream, tell)

/** Leaves the stream that has come so far when that many events were read. */
const leaving = ({ tell }: World, at: number): Courses.Read => {
  let left = at
  const one = (event: Courses.Event) => Effect.tap(tell(event), () => left--)
  return (stream) =>
    Effect.suspend(() => Stream.runForEach(Stream.take(stream, left), one)).pipe(
      Effect.zipRight(Effect.suspend(() => left > 0 ? Effect.void : Effect.fail("left" as const)))
    )
}

interface Ended {
  /** How many operations there were, or steps. */
  readonly count: number
  readonly exit: Exit.Exit<unknown, unknown>
}

/** The course until it stops. Whoever has stopped it waits for no fiber of it. */
const untilStopped = (
  what: string,
  course: Courses.Course,
  world: World,
  conversation: Conversation.Conversation<never, unknown>,
  stop: Stop | undefined
): Effect.Effect<Ended> =>
  Effect.gen(function*() {
    const supervisor = yield* Supervisor.track
    const at = stop === undefined || stop.how === "event" ? Infinity : stop.at
    const { count, scheduler } = stop?.how === "step" ? Interrupter.betweenSteps(at) : Interrupter.make(at)
    const read = stop?.how === "event" ? leaving(world, stop.at) : reading(world)
    const fiber = yield* Effect.forkDaemon(
      Courses.goOn(course, conversation, read).pipe(Effect.supervised(supervisor), Effect.withScheduler(scheduler))
    )
    const exit = yield* Fiber.await(fiber)
    const left = (yield* supervisor.value).filter((one) => one.id() !== fiber.id())
    assert.deepStrictEqual(left.map((one) => String(one.id())), [], `${what}: fibers`)
    return { count: count(), exit }
  })

type Mark = ReturnType<World["now"]>

/** Between two steps nothing is lost of what a tool has given. */
const judgeFinished = (
  what: string,
  world: World,
  marks: ReadonlyArray<Mark>,
  history: ReadonlyArray<ResponseItem.ResponseItem>
): void => {
  for (const mark of marks) {
    const finished = new Set(world.finished.slice(0, mark.finished))
    const again = world.ran.slice(mark.ran).filter(({ callId }) => finished.has(callId))
    assert.deepStrictEqual(again, [], `${what}: tools that had finished ran again`)
    const lost = history.filter((item) =>
      item.type === "function_call_output" && finished.has(item.call_id) && JSON.stringify(item).includes("unknown")
    )
    assert.deepStrictEqual(lost, [], `${what}: outputs are lost`)
  }
}

/** Gives how it ended: each time that it was stopped, and the last time. */
const stopped = (course: Courses.Course, whole: unknown, stops: ReadonlyArray<Stop>, where: Where) => {
  const world = makeWorld(course)
  const what = `${stops.map(({ at, how }) => `${how} at ${at}`).join(", ")}, ${where}, in ${JSON.stringify(course)}`
  return Effect.gen(function*() {
    const journal = yield* ConversationJournal.makeMemory
    const open = Conversation.open({ ...Courses.settings, tools: world.tools }).pipe(
      Effect.provideService(ConversationJournal.ConversationJournal, world.recorded(journal)),
      Effect.orDie
    )
    let conversation = yield* open
    const marks: Array<Mark> = []
    const endings: Array<Ended> = []
    for (const stop of stops) {
      endings.push(yield* untilStopped(what, course, world, conversation, stop))
      marks.push(world.now())
      if (where === "anew") conversation = yield* open
    }
    const last = yield* untilStopped(what, course, world, conversation, undefined)
    assert.isTrue(Exit.isSuccess(last.exit), `${what}: ${String(last.exit)}`)
    const history = yield* conversation.history

    const entriesAt = (mark: { readonly entries: number }) => world.entries.slice(0, mark.entries)
    for (const [index, mark] of marks.entries()) {
      AgentJudge.judge(what, {
        course,
        entries: entriesAt(mark),
        earlier: marks.map(entriesAt),
        isLost: true,
        askedAfter: world.asked.slice(mark.asked, marks[index + 1]?.asked),
        ranBefore: world.ran.slice(0, mark.ran),
        ranAfter: world.ran.slice(mark.ran),
        history,
        whole: whole ?? history
      })
    }
    if (!stops.some(({ how }) => how === "operation")) judgeFinished(what, world, marks, history)
    AgentEvents.judge(what, world.told, world.entries)
    const since = marks.at(-1)
    AgentEvents.judgeWhole(
      what,
      world.told.slice(since?.told).map(({ event }) => event),
      world.entries.slice(since?.entries)
    )
    const replayed = Ledger.replay(world.entries)
    assert.deepStrictEqual([replayed?._tag, replayed?.history], ["Idle", history], `${what}: the journal`)
    return { endings, last, history, events: world.told.length }
  }).pipe(Effect.provide(ResponsesTest.layer(world.model)))
}

/** How it ends when nothing stops it, and how many of what there are until then. */
const undisturbed = (course: Courses.Course) =>
  Effect.gen(function*() {
    const { events, history, last } = yield* stopped(course, undefined, [], "here")
    const steps = yield* stopped(course, history, [{ how: "step", at: Infinity }], "here")
    return { history, operation: last.count, step: steps.endings[0]?.count ?? 0, event: events }
  })

/** What Vitest waits for, at the most. */
const timeout = 600_000

describe("a conversation", () => {
  const course: Courses.Course = [
    [["pay", "look", "break", "buy", "steal"], ["alone", "server", "flaky"]],
    [["look", "buy"]]
  ]
  const strides = { operation: Thorough.amount(101, 601), step: Thorough.amount(1, 7), event: Thorough.amount(1, 3) }

  for (const how of ["operation", "step", "event"] as const) {
    for (const [series, where] of (["anew", "here"] as const).entries()) {
      it.effect(`that is stopped at any ${how} goes on ${where}`, () =>
        Effect.gen(function*() {
          const { history, ...counts } = yield* undisturbed(course)
          assert.isAbove(counts[how], 50)
          for (let at = series; at < counts[how]; at += strides[how]) {
            const { endings: [ending] } = yield* stopped(course, history, [{ how, at }], where)
            if (how === "event") assert.deepStrictEqual(ending?.exit, Exit.fail("left"))
          }
        }), timeout)
    }
  }

  const stops = FastCheck.array(
    FastCheck.record({
      how: FastCheck.constantFrom<Stop["how"]>("operation", "step", "event"),
      at: FastCheck.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    }),
    { minLength: 2, maxLength: 4 }
  )

  it.effect.prop(
    "that is stopped again and again goes on",
    [Courses.course, stops, FastCheck.constantFrom<Where>("anew", "here")],
    ([course, stops, where]) =>
      Effect.gen(function*() {
        const { history, ...counts } = yield* undisturbed(course)
        // What is left to do after a stop is less: the next one is to come before the end as well.
        const moments = stops.map(({ at, how }) => ({ how, at: Math.floor(at * counts[how] / stops.length) }))
        yield* stopped(course, history, moments, where)
      }),
    { timeout, fastCheck: { numRuns: Thorough.amount(80, 15) } }
  )
})

describe("outputs that the caller gives", () => {
  const call = (callId: string) => ResponsesTest.toolCall({ name: "theirs", callId })
  const output = (callId: string) => ResponseItem.functionCallOutput(callId, `done ${callId}`)
  const settings = { id: "c", model: "m" } as const
  const outputs = [output("a"), output("b")]

  it.effect("are sent once, also if the run that was given them is interrupted between them and asked again", () =>
    Effect.gen(function*() {
      const world = makeWorld([])
      const journal = world.recorded(yield* ConversationJournal.makeMemory)
      const reached = yield* Deferred.make<void>()
      const conversation = yield* Conversation.open({ ...settings }).pipe(
        Effect.provideService(ConversationJournal.ConversationJournal, {
          load: (id) =>
            Effect.map(journal.load(id), (owned) => ({
              ...owned,
              append: (seq, entry) =>
                Effect.zipRight(
                  entry._tag === "Ended" ? Deferred.succeed(reached, undefined) : Effect.void,
                  owned.append(seq, entry)
                )
            }))
        })
      )
      yield* Stream.runDrain(conversation.send("go"))
      const fiber = yield* Effect.fork(Stream.runDrain(conversation.run(outputs)))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(world.entries.map(({ _tag }) => _tag), ["Sent", "Ended"])

      yield* Stream.runDrain(conversation.run(outputs))
      const { requests } = yield* ResponsesTest.ResponsesTest
      assert.deepStrictEqual((yield* requests).at(-1)?.input, (yield* conversation.history).slice(0, -1))
      const sent = (yield* conversation.history).filter(({ type }) => type === "function_call_output")
      assert.deepStrictEqual(sent, outputs)
    }).pipe(
      Effect.provide(ResponsesTest.layer([ResponsesTest.turn([call("a"), call("b")]), ResponsesTest.text("ok")]))
    ))
})
