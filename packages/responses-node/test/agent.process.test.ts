/** An agent in a process of its own, which is killed with SIGKILL at each write of its journal, and started again. */
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import { ConversationJournal, ResponsesTest } from "effect-responses"
import { execFile } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Ledger from "../../responses/src/internal/conversation/ledger.ts"
import * as Courses from "../../responses/test/support/agentCourses.ts"
import * as AgentJudge from "../../responses/test/support/agentJudge.ts"
import * as Thorough from "../../responses/test/support/thorough.ts"
import * as Program from "./support/program.ts"

const program = await Program.bundle(new URL("./support/programs/agent.ts", import.meta.url))

interface Ended {
  readonly signal: NodeJS.Signals | undefined
  readonly said: { readonly history: unknown; readonly writes: number } | undefined
}

const run = (directory: string, course: Courses.Course, at: number, how: string) =>
  Effect.async<Ended, Error>((resume) => {
    const args = [program, directory, JSON.stringify(course), String(at), how]
    const child = execFile(process.execPath, args, (error, stdout) => {
      if (error !== null && error.signal !== "SIGKILL") return resume(Effect.fail(error))
      const said = stdout === "" ? undefined : JSON.parse(stdout)
      return resume(Effect.succeed({ signal: error?.signal ?? undefined, said }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const inDirectory = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-responses-agent-"))),
    use,
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  )

interface Line {
  readonly ran?: Courses.Ran
  readonly asked?: string
}

const logOf = (directory: string): ReadonlyArray<Line> => {
  try {
    return readFileSync(join(directory, "log"), "utf8").trim().split("\n").map((line) => JSON.parse(line))
  } catch {
    return []
  }
}

const ranIn = (lines: ReadonlyArray<Line>) => lines.flatMap(({ ran }) => ran ?? [])

/** To load it is to take it over, which is written: a copy leaves to the next process what the killed one has left. */
const entriesIn = (directory: string) =>
  inDirectory((copy) =>
    Effect.zipRight(
      Effect.sync(() => cpSync(directory, copy, { recursive: true })),
      ConversationJournal.makeFile({ directory: copy })
    ).pipe(
      Effect.flatMap((journal) => journal.load(Courses.settings.id)),
      Effect.map(({ entries }) => entries),
      Effect.provide(NodeContext.layer)
    )
  )

const hows = ["before", "inTheMiddle", "almost", "after"] as const

interface Kill {
  readonly at: number
  readonly how: (typeof hows)[number]
}

interface Seen {
  readonly lines: ReadonlyArray<Line>
  readonly entries: ReadonlyArray<ConversationJournal.Entry>
}

/** A process after the other goes on and is killed, and the last one comes to the end. */
const killed = (course: Courses.Course, whole: unknown, kills: readonly [Kill, ...ReadonlyArray<Kill>]) =>
  inDirectory((directory) =>
    Effect.gen(function*() {
      const seen: Array<Seen> = []
      for (const [index, { at, how }] of kills.entries()) {
        const { signal } = yield* run(directory, course, at, how)
        // What is left after the first kill may be over before the next one.
        if (index === 0) assert.strictEqual(signal, "SIGKILL")
        const lines = logOf(directory)
        seen.push({ lines, entries: yield* entriesIn(directory) })
      }
      const { said } = yield* run(directory, course, 0, "never")
      const all = logOf(directory)
      const replayed = Ledger.replay(yield* entriesIn(directory))
      assert.strictEqual(replayed?._tag, "Idle")
      assert.deepStrictEqual(JSON.parse(JSON.stringify(replayed?.history)), said?.history)
      for (const [index, { entries, lines }] of seen.entries()) {
        const since = all.slice(lines.length)
        AgentJudge.judge(`killed ${JSON.stringify(kills)} in ${JSON.stringify(course)}`, {
          course,
          entries,
          earlier: seen.map((one) => one.entries),
          isLost: true,
          ranBefore: ranIn(lines),
          ranAfter: ranIn(since),
          askedAfter: all.slice(lines.length, seen[index + 1]?.lines.length).flatMap(({ asked }) => asked ?? []),
          history: said?.history,
          whole
        })
      }
    })
  )

/** The course in this process, when nothing stops it. */
const undisturbed = (course: Courses.Course) =>
  Effect.gen(function*() {
    const journal = yield* ConversationJournal.makeMemory
    const history = yield* Courses.inNewProcess(course, () => {}).pipe(
      Effect.provideService(ConversationJournal.ConversationJournal, journal),
      Effect.provide(ResponsesTest.layer(Courses.script(course, () => {})))
    )
    const { entries } = yield* journal.load(Courses.settings.id)
    // Whoever takes the conversation over writes that down first.
    return { history: JSON.parse(JSON.stringify(history)), writes: entries.length + 1 }
  })

describe("an agent that is killed", () => {
  const fixed: Courses.Course = [[["pay", "look", "break", "buy", "steal"], ["alone", "server", "flaky"]], [["look"]]]
  it.live("at each write goes on where it was", () =>
    Effect.gen(function*() {
      const { history, writes } = yield* undisturbed(fixed)
      const stops = Array.from({ length: writes }, (_, at) => at).flatMap((at) => hows.map((how) => ({ at, how })))
      const { said } = yield* inDirectory((directory) => run(directory, fixed, 0, "never"))
      assert.deepStrictEqual(said, { history, writes })
      yield* Effect.forEach(Thorough.sample(stops, 2), (stop) => killed(fixed, history, [stop]), {
        concurrency: 2,
        discard: true
      })
    }), 600_000)

  const moment = FastCheck.record({
    at: FastCheck.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    how: FastCheck.constantFrom(...hows)
  })

  it.live.prop(
    "at any writes, again and again, goes on where it was",
    [Courses.course, FastCheck.tuple(moment, moment)],
    ([course, [first, second]]) =>
      Effect.gen(function*() {
        const { history, writes } = yield* undisturbed(course)
        const at = Math.floor(first.at * writes)
        const then = Math.floor(second.at * (writes - at))
        yield* killed(course, history, [{ at, how: first.how }, { at: then, how: second.how }])
      }),
    { timeout: 600_000, fastCheck: { numRuns: Thorough.amount(15, 3), endOnFailure: true } }
  )
})
