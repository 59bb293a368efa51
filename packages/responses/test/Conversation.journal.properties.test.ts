/** A conversation that is stopped at any write, and goes on. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Conversation from "../src/Conversation.ts"
import { JournalFailed } from "../src/ConversationError.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as Courses from "./support/agentCourses.ts"
import * as AgentJudge from "./support/agentJudge.ts"
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
              new JournalFailed({ id, reason: "Unreachable", description: stop })
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

/** The places of the course that the model has answered for, and the model. */
const inMemory = (course: Courses.Course) => {
  const asked: Array<string> = []
  return { asked, model: ResponsesTest.layer(Courses.script(course, (place) => asked.push(place))) }
}

/** Writes take their time: several tools end meanwhile. */
const slow = (journal: ConversationJournal.Service): ConversationJournal.Service => ({
  load: (id) =>
    Effect.map(journal.load(id), (owned) => ({
      ...owned,
      append: (seq, entry) => Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 10), owned.append(seq, entry))
    }))
})

const undisturbed = (course: Courses.Course) => {
  const { asked, model } = inMemory(course)
  return Effect.gen(function*() {
    const journal = yield* ConversationJournal.makeMemory
    const history = yield* journaled(slow(journal))(Courses.inNewProcess(course, () => {}))
    // Everything that has happened is written: whoever loads the conversation has nothing left to do.
    const before = [...asked]
    const again = yield* journaled(journal)(Courses.inNewProcess(course, () => {}))
    assert.deepStrictEqual(again, history)
    assert.deepStrictEqual(asked, before)
    return { history, writes: (yield* journal.load("c")).entries.length }
  }).pipe(Effect.provide(model))
}

/** Stops at the write number `at`, and goes on in a new process or in the same conversation. */
const stopped = (course: Courses.Course, stop: Stop, at: number, where: "anew" | "here") => {
  const { asked, model } = inMemory(course)
  return Effect.gen(function*() {
    const journal = yield* ConversationJournal.makeMemory
    const reached = yield* Deferred.make<void>()
    const ran: Array<Courses.Ran> = []
    const note: Courses.Note = (one) => ran.push(one)
    const entries: Array<ConversationJournal.Entry> = []
    const conversation = yield* Conversation.open({ ...Courses.settings, tools: Courses.tools(note) }).pipe(
      journaled(stopping(journal, stop, at, reached, entries))
    )
    const fiber = yield* Effect.fork(Effect.exit(Courses.goOn(course, conversation)))
    if (stop === "interrupted") {
      yield* Effect.race(Deferred.await(reached), Fiber.join(fiber))
      yield* Fiber.interrupt(fiber)
    }
    yield* Fiber.await(fiber)
    const before = { ran: ran.length, asked: asked.length, entries: [...entries] }
    const goOn = where === "here" ? Courses.goOn(course, conversation) : Courses.inNewProcess(course, note)
    const history = yield* journaled(journal)(goOn)
    return {
      entries: before.entries,
      isLost: where === "anew" || stop === "interrupted",
      askedAfter: asked.slice(before.asked),
      ranBefore: ran.slice(0, before.ran),
      ranAfter: ran.slice(before.ran),
      history
    }
  }).pipe(Effect.provide(model))
}

const check = (course: Courses.Course, stop: Stop, where: "anew" | "here") =>
  Effect.gen(function*() {
    const whole = yield* undisturbed(course)
    for (let at = 0; at < whole.writes; at++) {
      const result = yield* stopped(course, stop, at, where)
      AgentJudge.judge(`${stop} at ${at}, ${where}`, { ...result, course, whole: whole.history })
    }
  })

const runs = { timeout: 120_000, fastCheck: { numRuns: Thorough.amount(15, 5) } }

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
})
