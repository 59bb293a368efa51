/** An agent in a process of its own, which is killed with SIGKILL at each write of its journal, and started again. */
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import { ConversationJournal } from "effect-responses"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
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

const entriesIn = (directory: string) =>
  ConversationJournal.makeFile({ directory }).pipe(
    Effect.flatMap((journal) => journal.load(Courses.settings.id)),
    Effect.map(({ entries }) => entries),
    Effect.provide(NodeContext.layer)
  )

const killed = (course: Courses.Course, whole: unknown, at: number, how: string) =>
  inDirectory((directory) =>
    Effect.gen(function*() {
      const first = yield* run(directory, course, at, how)
      assert.strictEqual(first.signal, "SIGKILL")
      const before = logOf(directory)
      const entries = yield* entriesIn(directory)
      const second = yield* run(directory, course, 0, "never")
      const after = logOf(directory).slice(before.length)
      AgentJudge.judge(`killed ${how} write ${at}`, {
        course,
        entries,
        isLost: true,
        ranBefore: ranIn(before),
        ranAfter: ranIn(after),
        askedAfter: after.flatMap(({ asked }) => asked ?? []),
        history: second.said?.history,
        whole
      })
    })
  )

describe("an agent that is killed", () => {
  const fixed: Courses.Course = [[["pay", "look", "break", "buy", "steal"]], [["look"]]]
  const courses = [fixed, ...FastCheck.sample(Courses.course, Thorough.amount(5, 0))]

  for (const [index, course] of courses.entries()) {
    it.live(`at each write goes on where it was, course ${index}`, () =>
      Effect.gen(function*() {
        const { said } = yield* inDirectory((directory) => run(directory, course, 0, "never"))
        assert(said !== undefined)
        const stops = Array.from({ length: said.writes }, (_, at) => at).flatMap((at) =>
          (["before", "inTheMiddle", "after"] as const).map((how) => ({ at, how }))
        )
        yield* Effect.forEach(Thorough.sample(stops, 2), ({ at, how }) => killed(course, said.history, at, how), {
          concurrency: 2
        })
      }), 240_000)
  }
})
