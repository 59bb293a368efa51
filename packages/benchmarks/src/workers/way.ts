/** A process that does one way's work and measures what it costs itself. */
import { setTimeout } from "node:timers/promises"
import * as Rpc from "../rpc.ts"
import { isName, ways } from "../ways/all.ts"
import type { Session } from "../ways/way.ts"
import { profile } from "./profile.ts"

/** CPU of the whole process, user and system, with what collects garbage and compiles. */
export interface Cost {
  readonly cpuMicros: number
  readonly wallMillis: number
  readonly deltas: number
  readonly length: number
}

const name = process.argv[2]
if (!isName(name)) throw new Error(`no such way: ${name}`)
const open = await ways[name]()
const sessions: Array<Session> = []

const measure = async (work: (onText: (text: string) => void) => Promise<unknown>): Promise<Cost> => {
  let deltas = 0
  let length = 0
  const before = process.cpuUsage()
  const start = performance.now()
  await work((text) => {
    deltas++
    length += text.length
  })
  const wallMillis = performance.now() - start
  const { system, user } = process.cpuUsage(before)
  return { cpuMicros: user + system, wallMillis, deltas, length }
}

/** Of each stream, so many events at its beginning and its end are left out. */
const margin = 5

const first = (): Session => {
  const [session] = sessions
  if (session === undefined) throw new Error("not open")
  return session
}

const handlers = {
  open: async ({ count, url }: { readonly url: string; readonly count: number }) => {
    sessions.push(...await Promise.all(Array.from({ length: count }, () => open(url))))
  },
  ask: (model: string) => measure((onText) => first().ask(model, onText)),
  /** In microseconds, by place. */
  profile: ({ model, times, turns }: { readonly model: string; readonly turns: number; readonly times: number }) =>
    profile(async () => {
      for (let time = 0; time < times; time++) {
        if (model.startsWith("loop")) await first().loop(model, turns, () => {})
        else await first().ask(model, () => {})
      }
    }),
  loop: ({ model, turns }: { readonly model: string; readonly turns: number }) =>
    measure((onText) => first().loop(model, turns, onText)),
  /**
   * All sessions at once. Each text begins with the time it was sent. The CPU is that of the middle, when all of them run:
   * what their beginnings and ends cost is measured as a turn.
   */
  paced: async ({ events, model }: { readonly model: string; readonly events: number }) => {
    const delays: Array<number> = []
    const counts = sessions.map(() => 0)
    let middle: { readonly cpu: NodeJS.CpuUsage; readonly deltas: number } | undefined
    let micros: number | undefined
    const cost = await measure((onText) =>
      Promise.all(sessions.map((session, index) =>
        session.ask(model, (text) => {
          delays.push(Number(process.hrtime.bigint() - BigInt(text.slice(0, text.indexOf(" ")))) / 1e6)
          onText(text)
          const count = counts[index] = (counts[index] ?? 0) + 1
          if (middle === undefined) {
            if (Math.min(...counts) >= margin) middle = { cpu: process.cpuUsage(), deltas: delays.length }
          } else if (micros === undefined && count === events - margin) {
            const { system, user } = process.cpuUsage(middle.cpu)
            micros = (user + system) / (delays.length - middle.deltas)
          }
        })
      ))
    )
    if (micros === undefined) throw new Error("the streams did not run side by side")
    return { ...cost, micros, delays }
  },
  /** Each session asks once, some at a time. */
  askAll: async (model: string) => {
    for (let index = 0; index < sessions.length; index += 50) {
      await Promise.all(sessions.slice(index, index + 50).map((session) => session.ask(model, () => {})))
    }
  },
  /** In bytes, when all garbage is gone. */
  memory: async () => {
    for (let time = 0; time < 3; time++) {
      globalThis.gc?.()
      await setTimeout(20)
    }
    const { heapUsed, rss } = process.memoryUsage()
    return { heapUsed, rss }
  },
  wait: (milliseconds: number) => measure(() => setTimeout(milliseconds)),
  close: () => Promise.all(sessions.splice(0).map((session) => session.close()))
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
