/** A process that plans one turn after a long history, in several ways. */
import type { ResponseItem } from "effect-responses/ResponseItem"
import * as ResponseRequest from "effect-responses/ResponseRequest"
import * as Continuation from "effect-responses/unstable/Continuation"
import * as Either from "effect/Either"
import * as Rpc from "../rpc.ts"
import { words } from "../ways/conversation.ts"
import { item, settings } from "./history.ts"

export type Way = "JSON.stringify of all" | "same objects" | "fresh copies" | "no head"

/**
 * Each is run so often before the next has its turn. Few, although more would be faster and steadier: a program does other
 * work between two turns, and so the first of these finds its data in no cache either. (`process.cpuUsage` counts
 * microseconds.) No collection is forced before: what V8 does after one, at its leisure and with small young spaces, costs
 * a turn more than the garbage that another way has left.
 */
const inARow = 5

let ways: Readonly<Record<Way, () => unknown>> | undefined

const prepare = (size: number, bytes: number) => {
  const history = Array.from({ length: size }, (_, index) => item(index, bytes))
  const head = Continuation.commit(Continuation.plan(undefined, { ...settings, input: history }), {
    response: { id: "resp_1", status: "completed" },
    output: []
  })
  const added: ReadonlyArray<ResponseItem> = [3, 4].map((seed) => ({
    type: "message",
    role: "user",
    content: words(seed, bytes)
  }))
  const turn = (request: ResponseRequest.ResponseRequest) => {
    const plan = Continuation.plan(head, request)
    if (plan._tag !== "Delta" || plan.request.input?.length !== added.length) {
      throw new Error("not the delta of two items")
    }
    return Either.getOrThrow(ResponseRequest.toFrame(plan.request))
  }
  const same = { ...settings, input: [...history, ...added] }
  const copies: typeof same = JSON.parse(JSON.stringify(same))
  ways = {
    "JSON.stringify of all": () => JSON.stringify(same.input),
    "same objects": () => turn(same),
    "fresh copies": () => turn(copies),
    "no head": () => Continuation.plan(undefined, same)
  }
}

const handlers = {
  prepare: ({ bytes, size }: { readonly size: number; readonly bytes: number }) => prepare(size, bytes),
  /** In milliseconds of CPU. */
  plan: (way: Way) => {
    const before = process.cpuUsage()
    for (let time = 0; time < inARow; time++) ways?.[way]()
    const { system, user } = process.cpuUsage(before)
    return (user + system) / 1000 / inARow
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
