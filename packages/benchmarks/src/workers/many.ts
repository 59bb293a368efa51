/** A process with many conversations, that measures what their turns cost it. */
import * as Rpc from "../rpc.ts"
import { isProgramName, programs } from "../ways/many/all.ts"
import type { Conversation, Program } from "../ways/many/way.ts"

const name = process.argv[2]
if (!isProgramName(name)) throw new Error(`no such way: ${name}`)
const openProgram = await programs[name]()

let program: Program | undefined
const conversations: Array<Promise<Conversation>> = []

export interface Cost {
  readonly cpuMicros: number
  readonly wallMillis: number
  readonly deltas: number
  readonly length: number
  /** The longest time from a question to the first delta of its answer. */
  readonly longestFirst: number
}

export interface Work {
  readonly model: string
  readonly conversations: number
  /** Of each conversation, one after the other. */
  readonly turns: number
  /** So many conversations have their turns at the same time, the others after them. */
  readonly atOnce: number
}

const handlers = {
  open: async (url: string) => {
    program = await openProgram(url)
  },
  /** Begins those conversations that there are not yet: what that costs counts. */
  turns: async ({ atOnce, conversations: count, model, turns }: Work): Promise<Cost> => {
    const { begin } = program ?? (() => {
      throw new Error("not open")
    })()
    let deltas = 0
    let length = 0
    let longestFirst = 0
    const turn = async (conversation: Conversation) => {
      const asked = performance.now()
      let isFirst = true
      await conversation.turn(model, (text) => {
        if (isFirst) longestFirst = Math.max(longestFirst, performance.now() - asked)
        isFirst = false
        deltas++
        length += text.length
      })
    }
    let next = 0
    const some = async () => {
      while (next < count) {
        const number = next++
        const conversation = await (conversations[number] ??= begin(number))
        for (let index = 0; index < turns; index++) await turn(conversation)
      }
    }
    const before = process.cpuUsage()
    const start = performance.now()
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, some))
    const wallMillis = performance.now() - start
    const { system, user } = process.cpuUsage(before)
    return { cpuMicros: user + system, wallMillis, deltas, length, longestFirst }
  },
  close: async () => {
    conversations.length = 0
    await program?.close()
    program = undefined
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
