import { fork } from "node:child_process"
import { atMost, notAbove, rows } from "../report/result.ts"
import { type Benchmark, built, interleave, mapValues, type Run } from "../run.ts"
import type { Name } from "../ways/all.ts"
import type { Import } from "../workers/start.ts"

interface Cost {
  readonly cpuMillis: number
  readonly wallMillis: number
}

const imports: ReadonlyArray<Import> = [
  "effect + platform Socket + ws",
  "effect-responses, socket",
  "effect-responses, socket and HTTP",
  "openai"
]

const ways: ReadonlyArray<Name> = [
  "ws + JSON.parse",
  "Responses.forEach",
  "openai ResponsesWS",
  "@openai/agents WebSocket",
  "@ai-sdk/openai HTTP",
  "@effect/ai-openai HTTP"
]

const loopers: ReadonlyArray<Name> = [
  "ws + JSON.parse",
  "Responses.forEach",
  "Stream.runForEach",
  "openai ResponsesWS",
  "@openai/agents WebSocket",
  "openai SSE"
]

const turns = 40

const once = (run: Run, ...more: ReadonlyArray<string>) => (name: string) =>
  new Promise<Cost>((resolve, reject) => {
    const child = fork(built("workers/start.js"), [name, run.url, ...more], { execArgv: [] })
    child.once("message", (cost: Cost) => {
      child.removeAllListeners("exit")
      child.once("exit", () => resolve(cost))
      child.kill("SIGKILL")
    })
    child.once("exit", (code) => reject(new Error(`${name} ended before it told: ${code}`)))
  })

export const start: Benchmark = {
  name: "start",
  what: "A new process for each round: to import, from nothing to the first event, and its first 40 turns",
  run: async (run) => {
    await interleave(run, [...imports, ...ways], once(run), 1)
    const imported = await interleave(run, imports, once(run))
    const answered = await interleave(run, ways, once(run))
    const looped = await interleave(run, loopers, once(run, String(turns)))
    const base = "effect + platform Socket + ws"
    const all = [
      ...rows("import, wall", "ms", mapValues(imported, (cost) => cost.wallMillis), base),
      ...rows("import, CPU", "ms", mapValues(imported, (cost) => cost.cpuMillis), base),
      ...rows("first event, wall", "ms", mapValues(answered, (cost) => cost.wallMillis), "ws + JSON.parse"),
      ...rows("first event, CPU", "ms", mapValues(answered, (cost) => cost.cpuMillis), "ws + JSON.parse"),
      ...rows("first 40 turns, CPU each", "ms", mapValues(looped, (cost) => cost.cpuMillis / turns), "ws + JSON.parse")
    ]
    return {
      rows: all,
      goals: [
        // In CPU, because how long a disk and a busy machine take has nothing to do with the package.
        atMost(all, "import, CPU", "effect-responses, socket", 1.2),
        notAbove(all, "first event, CPU", "Responses.forEach", ["@effect/ai-openai HTTP"])
      ]
    }
  }
}
