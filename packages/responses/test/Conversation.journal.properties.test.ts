/** A conversation that is stopped at any write, and goes on. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Conversation from "../src/Conversation.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import type * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as Courses from "./support/agentCourses.ts"
import * as Thorough from "./support/thorough.ts"

/** How a write stops the conversation, and whether what was to be written is. */
type Stop = "refused" | "lost" | "killed" | "interrupted"

/** A journal that does so at its write number `at`, and notes what is written. */
const stopping = (
  journal: ConversationJournal.Service,
  stop: Stop,
  at: number,
  reached: Deferred.Deferred<void>,
  written: Array<ConversationJournal.Entry>
) => {
  let count = 0
  return {
    load: (id: string) =>
      Effect.map(journal.load(id), (owned): ConversationJournal.Owned => ({
        ...owned,
        append: (seq, entry) =>
          Effect.suspend(() => {
            const number = count++
            const write = Effect.map(owned.append(seq, entry), () => {
              written[seq] = entry
            })
            if (number < at) return write
            const failed = Effect.fail(
              new ConversationJournal.JournalFailed({ id, reason: "Unreachable", description: stop })
            )
            // A process that is gone writes nothing any more.
            if (stop === "killed") return number === at ? write : failed
            if (number > at) return write
            switch (stop) {
              case "refused":
                return failed
              case "lost":
                return Effect.zipRight(write, failed)
              case "interrupted":
                return Effect.zipRight(write, Deferred.succeed(reached, undefined))
            }
          })
      }))
  }
}

const journaled = (journal: ConversationJournal.Service) =>
  Effect.provideService(ConversationJournal.ConversationJournal, journal)

const inMemory = (course: Courses.Course) => ResponsesTest.layer(Courses.script(course))

const places = Effect.map(
  Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests),
  (requests) => requests.map(Courses.placeOf)
)

const asJson = (items: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  JSON.parse(JSON.stringify(items))

const undisturbed = (course: Courses.Course) =>
  Effect.gen(function*() {
    const journal = yield* ConversationJournal.makeMemory
    const ran: Array<Courses.Ran> = []
    const history = yield* journaled(journal)(Courses.inNewProcess(course, ran))
    const { entries } = yield* journal.load("c")
    return { history: asJson(history), writes: entries.length, asked: yield* places, ran }
  }).pipe(Effect.provide(inMemory(course)))

/** Stops at the write number `at`, and goes on in a new process or in the same conversation. */
const stopped = (course: Courses.Course, stop: Stop, at: number, where: "anew" | "here") =>
  Effect.gen(function*() {
    const journal = yield* ConversationJournal.makeMemory
    const reached = yield* Deferred.make<void>()
    const ran: Array<Courses.Ran> = []
    const entries: Array<ConversationJournal.Entry> = []
    const conversation = yield* Conversation.open({ ...Courses.settings, tools: Courses.tools(ran) }).pipe(
      journaled(stopping(journal, stop, at, reached, entries))
    )
    const fiber = yield* Effect.fork(Effect.exit(Courses.goOn(course, conversation)))
    if (stop === "interrupted") {
      yield* Effect.race(Deferred.await(reached), Fiber.join(fiber))
      yield* Fiber.interrupt(fiber)
    }
    yield* Fiber.await(fiber)
    const written = Courses.writtenOf(entries)
    const askedBefore = yield* places
    const ranBefore = [...ran]
    const goOn = where === "here" ? Courses.goOn(course, conversation) : Courses.inNewProcess(course, ran)
    const history = yield* journaled(journal)(goOn)
    return {
      written,
      askedAfter: (yield* places).slice(askedBefore.length),
      ranBefore,
      ranAfter: ran.slice(ranBefore.length),
      history: asJson(history)
    }
  }).pipe(Effect.provide(inMemory(course)))

type Told = (callId: string) => boolean

/** The history, with the outputs of those calls left open. */
const without = (history: ReadonlyArray<Readonly<Record<string, unknown>>>, isUnknown: Told) =>
  history.map((item) => {
    const { call_id: callId, type } = item
    return type === "function_call_output" && isUnknown(String(callId)) ? { ...item, output: "unknown" } : item
  })

const check = (course: Courses.Course, stop: Stop, where: "anew" | "here") =>
  Effect.gen(function*() {
    const whole = yield* undisturbed(course)
    for (let at = 0; at < whole.writes; at++) {
      const what = `${stop} at ${at}, ${where}`
      const { askedAfter, history, ranAfter, ranBefore, written } = yield* stopped(course, stop, at, where)

      const again = ranAfter.filter(({ callId }) => written.outputs.has(callId))
      assert.deepStrictEqual(again, [], `${what}: tools whose output was written ran again`)
      const askedAgain = askedAfter.filter((place) => written.places.has(place))
      assert.deepStrictEqual(askedAgain, [], `${what}: responses whose end was written were asked for again`)
      assert.strictEqual(new Set(askedAfter).size, askedAfter.length, `${what}: asked twice after the stop`)

      const all = [...ranBefore, ...ranAfter]
      const paid = all.filter(({ name }) => name === "pay").map(({ callId }) => callId)
      assert.strictEqual(new Set(paid).size, paid.length, `${what}: what may not run twice did`)
      const keys = new Map(all.map(({ callId, idempotencyKey }) => [callId, idempotencyKey]))
      for (const one of all) assert.strictEqual(keys.get(one.callId), one.idempotencyKey, `${what}: another key`)
      assert.strictEqual(new Set(keys.values()).size, keys.size, `${what}: one key for two calls`)

      // What a tool has given is known to the conversation itself, though it could not be written.
      const isLost = where === "anew" || stop === "interrupted"
      const isUnknown: Told = (callId) =>
        isLost && written.unknown.has(callId) && Courses.kindOf(course, callId) === "pay"
      assert.deepStrictEqual(without(history, isUnknown), without(whole.history, isUnknown), `${what}: the history`)
    }
  })

const runs = { fastCheck: { numRuns: Thorough.amount(100, 8) } }

describe("a conversation that is stopped at any write", () => {
  for (const stop of ["refused", "lost", "killed", "interrupted"] as const) {
    for (const where of stop === "killed" ? ["anew"] as const : ["anew", "here"] as const) {
      it.effect.prop(
        `${stop}: goes on ${where}, runs no tool twice whose output was written, and comes to the same history`,
        [Courses.course],
        ([course]) => check(course, stop, where),
        runs
      )
    }
  }

  it("by a stop at each write", () => {
    assert.isAbove(Math.max(...FastCheck.sample(Courses.course, 100).map((course) => course.flat(2).length)), 3)
  })
})
