/**
 * The heads that can be continued from, kept where the server keeps them: the latest response of each lane with its
 * connection, and stored responses beyond it.
 */
import * as Either from "effect/Either"
import * as Continuation from "../Continuation.ts"
import * as ResponseRequest from "../ResponseRequest.ts"
import type { Connection } from "./connection.ts"
import type { Result } from "./exchange.ts"

export interface Heads {
  /** What to send on this connection. The head of the request's lane is given up with it: a failure has no head. */
  readonly take: (connection: Connection, request: ResponseRequest.ResponseRequest) => Planned
  /** Everything, because the server has just said that it does not know a response any more. */
  readonly takeFull: (
    connection: Connection,
    request: ResponseRequest.ResponseRequest,
    forgotten: string | undefined
  ) => Planned
  readonly commit: (connection: Connection, planned: Planned, result: Result, bytesSent: number) => void
}

export interface Planned {
  readonly plan: Continuation.Plan
  /** About what a delta spares. */
  readonly bytesSaved: number
  readonly parent: Kept | undefined
}

interface Kept {
  readonly head: Continuation.Head
  /** Sizes of what a full request would hold, in bytes, as far as they are known without writing it. */
  readonly inputBytes: number
  readonly otherBytes: number
}

const laneOf = (request: ResponseRequest.ResponseRequest): string => request.stream_id ?? ""

const sizeWithoutInput = (request: ResponseRequest.ResponseRequest): number =>
  Either.match(ResponseRequest.toFrame({ ...request, input: [] }), {
    onLeft: () => 0,
    onRight: (frame) => frame.length
  })

/** How many stored responses are remembered. A forgotten one costs one request in full. */
const maxStored = 64

export const make = (rule: Continuation.Rule): Heads => {
  const byConnection = new WeakMap<Connection, Map<string, Kept>>()
  const stored = new Map<string, Kept>()
  let any = false
  let owner: string | undefined

  const lanes = (connection: Connection) => {
    let found = byConnection.get(connection)
    if (found === undefined) byConnection.set(connection, found = new Map())
    return found
  }

  /** Newest first, the request's own lane before the others. */
  const candidates = (connection: Connection, request: ResponseRequest.ResponseRequest): ReadonlyArray<Kept> => {
    const here = lanes(connection)
    const own = here.get(laneOf(request))
    return [...new Set([...own === undefined ? [] : [own], ...here.values(), ...[...stored.values()].toReversed()])]
  }

  const take: Heads["take"] = (connection, request) => {
    // What one caller stored is unknown, and none of the business, of another.
    if (owner !== connection.identity) stored.clear()
    owner = connection.identity
    const kept = candidates(connection, request)
    const found = rule.plan(kept.map(({ head }) => head), request)
    const plan = found._tag === "Full" && found.reason._tag === "First" && any
      ? { ...found, reason: { _tag: "NewConnection" } as const }
      : found
    const parent = plan.snapshot === undefined
      ? undefined
      : kept.find(({ head }) => head.responseId === plan.request.previous_response_id)
    lanes(connection).delete(laneOf(request))
    return { plan, parent, bytesSaved: plan._tag === "Delta" ? parent?.inputBytes ?? 0 : 0 }
  }

  return {
    take,
    takeFull: (connection, request, forgotten) => {
      if (forgotten !== undefined) stored.delete(forgotten)
      lanes(connection).delete(laneOf(request))
      return { plan: Continuation.full(request, { _tag: "Forgotten" }), bytesSaved: 0, parent: undefined }
    },
    commit: (connection, { parent, plan }, result, bytesSent) => {
      const head = rule.commit(plan, result)
      if (head === undefined) return
      any = true
      const otherBytes = parent?.otherBytes ?? sizeWithoutInput(plan.request)
      const kept: Kept = {
        head,
        otherBytes,
        inputBytes: (parent?.inputBytes ?? 0) + Math.max(0, bytesSent - otherBytes) +
          JSON.stringify(result.output).length
      }
      lanes(connection).set(laneOf(plan.request), kept)
      if (!head.stored) return
      stored.delete(head.responseId)
      stored.set(head.responseId, kept)
      const oldest = stored.size > maxStored ? stored.keys().next().value : undefined
      if (oldest !== undefined) stored.delete(oldest)
    }
  }
}
