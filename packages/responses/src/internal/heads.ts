/**
 * The heads that can be continued from, kept where the server keeps them: the latest response of each lane with its
 * connection, and stored responses beyond it.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Continuation from "../Continuation.ts"
import * as ResponseRequest from "../ResponseRequest.ts"
import type { FinalResponse } from "../Responses.ts"
import type { Connection } from "./connection.ts"

export interface Heads {
  /** What would be sent on a new connection. */
  readonly preview: (request: ResponseRequest.ResponseRequest) => Continuation.Plan
  /** What to send on this connection. The head of the request's lane is given up with it: a failure has no head. */
  readonly take: (connection: Connection, request: ResponseRequest.ResponseRequest) => Planned
  /** Everything, because the server has just said that it does not know a response any more. */
  readonly takeFull: (
    connection: Connection,
    request: ResponseRequest.ResponseRequest,
    forgotten: string | undefined
  ) => Planned
  readonly commit: (connection: Connection, planned: Planned, result: FinalResponse, frameSize: number) => void
  /** The conversation that a connection served last, if a new one has to be told all of it. */
  readonly latest: (connection: Connection) => Served | undefined
}

export interface Served {
  readonly request: ResponseRequest.ResponseRequest
  readonly output: FinalResponse["output"]
  readonly isComplete: boolean
}

export interface Planned {
  readonly plan: Continuation.Plan
  /** About what a delta spares. */
  readonly bytesSaved: number
  readonly parent: Kept | undefined
  /** As the caller gave it, then. */
  readonly asked: ResponseRequest.ResponseRequest
}

interface Kept {
  readonly head: Continuation.Head
  /** Sizes of what a full request would hold, in bytes, as far as they are known without writing it. */
  readonly inputBytes: number
  readonly otherBytes: number
}

const laneOf = (request: ResponseRequest.ResponseRequest): string => request.stream_id ?? ""

/** The list is the caller's, who may go on to change it; the items in it stay. */
const asOfNow = (request: ResponseRequest.ResponseRequest): ResponseRequest.ResponseRequest => ({
  ...request,
  input: [...ResponseRequest.items(request)]
})

const sizeWithoutInput = (request: ResponseRequest.ResponseRequest): number =>
  Either.match(ResponseRequest.toFrame({ ...request, input: [] }), {
    onLeft: () => 0,
    onRight: (frame) => frame.length
  })

/** What is remembered of stored responses at the most. A forgotten one costs one request in full. */
const maxStored = { count: 64, bytes: 32 * 1024 * 1024 }

/** A connection has this many named lanes, and the unnamed one. */
const maxLanes = 33

export interface Options {
  readonly rule: Continuation.Rule
  /** Whether the server takes `instructions` beside `previous_response_id`. */
  readonly continuesWithInstructions: boolean
}

/** What is known of a connection. A lane whose last turn has not ended well has no head. */
interface Memory {
  readonly lanes: Map<string, Kept | undefined>
  served: Served | undefined
}

export const make = ({ continuesWithInstructions, rule }: Options): Heads => {
  const memories = new WeakMap<Connection, Memory>()
  const stored = new Map<string, Kept>()
  let any = false
  let owner: string | undefined

  const memoryOf = (connection: Connection): Memory => {
    let found = memories.get(connection)
    if (found === undefined) memories.set(connection, found = { lanes: new Map(), served: undefined })
    return found
  }

  /** The latest comes last, and the oldest goes first. */
  const setLane = (connection: Connection, request: ResponseRequest.ResponseRequest, kept: Kept | undefined) => {
    const { lanes } = memoryOf(connection)
    lanes.delete(laneOf(request))
    lanes.set(laneOf(request), kept)
    const [oldest] = lanes.keys()
    if (lanes.size > maxLanes && oldest !== undefined) lanes.delete(oldest)
  }

  const store = (kept: Kept) => {
    stored.delete(kept.head.responseId)
    stored.set(kept.head.responseId, kept)
    let bytes = 0
    for (const [index, { head, inputBytes }] of [...stored.values()].toReversed().entries()) {
      bytes += inputBytes
      if (index >= maxStored.count || bytes > maxStored.bytes) stored.delete(head.responseId)
    }
  }

  /** The request's own lane first, then the others, then what is stored from the newest on. */
  const candidates = (connection: Connection, request: ResponseRequest.ResponseRequest): ReadonlyArray<Kept> => {
    const { lanes } = memoryOf(connection)
    const all = [lanes.get(laneOf(request)), ...lanes.values(), ...[...stored.values()].toReversed()]
    return [...new Set(all.filter((kept) => kept !== undefined))]
  }

  /** Why there is nothing to continue from, which only this place knows. */
  const explained = (
    plan: Continuation.Plan,
    connection: Connection,
    request: ResponseRequest.ResponseRequest
  ): Continuation.Plan => {
    if (plan._tag === "Delta" || plan.reason._tag !== "First") return plan
    const { lanes } = memoryOf(connection)
    if (lanes.has(laneOf(request))) return { ...plan, reason: { _tag: "AfterFailure" } }
    return any && lanes.size === 0 ? { ...plan, reason: { _tag: "NewConnection" } } : plan
  }

  const planFrom = (
    kept: ReadonlyArray<Kept>,
    request: ResponseRequest.ResponseRequest
  ): Continuation.Plan => {
    const plan = rule.plan(kept.map(({ head }) => head), request)
    return plan._tag === "Delta" && !continuesWithInstructions && Predicate.isNotNullable(request.instructions)
      ? Continuation.full(request, { _tag: "Instructions" })
      : plan
  }

  return {
    preview: (request) => planFrom([...stored.values()].toReversed(), request),
    latest: (connection) => memories.get(connection)?.served,
    take: (connection, request) => {
      // What one caller stored is unknown, and none of the business, of another.
      if (owner !== connection.identity) stored.clear()
      owner = connection.identity
      const kept = candidates(connection, request)
      const plan = explained(planFrom(kept, request), connection, request)
      const parent = plan.snapshot === undefined
        ? undefined
        : kept.find(({ head }) => head.responseId === plan.request.previous_response_id)
      setLane(connection, request, undefined)
      return { plan, parent, asked: asOfNow(request), bytesSaved: plan._tag === "Delta" ? parent?.inputBytes ?? 0 : 0 }
    },
    takeFull: (connection, request, forgotten) => {
      if (forgotten !== undefined) stored.delete(forgotten)
      setLane(connection, request, undefined)
      return {
        plan: Continuation.full(request, { _tag: "Forgotten" }),
        asked: asOfNow(request),
        bytesSaved: 0,
        parent: undefined
      }
    },
    commit: (connection, { asked, parent, plan }, result, frameSize) => {
      const head = rule.commit(plan, { response: result, output: result.output })
      if (head === undefined) return
      any = true
      memoryOf(connection).served = head.stored || Predicate.isNotNullable(asked.previous_response_id)
        ? undefined
        : { request: asked, output: result.output, isComplete: head.pendingCalls.length === 0 }
      const otherBytes = parent?.otherBytes ?? sizeWithoutInput(plan.request)
      const kept: Kept = {
        head,
        otherBytes,
        inputBytes: (parent?.inputBytes ?? 0) + Math.max(0, frameSize - otherBytes) +
          JSON.stringify(result.output).length
      }
      setLane(connection, plan.request, kept)
      if (head.stored) store(kept)
    }
  }
}
