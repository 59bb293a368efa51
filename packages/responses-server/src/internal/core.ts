/** What the socket and HTTP share. */
import type { ResponseScript } from "effect-responses"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { IncomingHttpHeaders } from "node:http"
import type { Observation, RecordedRequest } from "../Observation.ts"
import type { Conversations } from "./conversations.ts"
import type { Engine } from "./engine.ts"
import type { Store } from "./memory.ts"
import { noKey, type Problem, wrongKey } from "./problems.ts"

export interface Limits {
  /** Larger frames and bodies are refused. In bytes. */
  readonly frame: number
  readonly inFlight: number
  readonly atInFlight: "wait" | "refuse"
  readonly lanes: number
  readonly steers: number
}

export interface Core {
  readonly engine: Engine
  readonly store: Store
  readonly conversations: Conversations
  readonly idPrefix: string
  readonly apiKey: Redacted.Redacted | undefined
  readonly limits: Limits
  /** What is made of the names of lanes. */
  readonly streamIds: "lanes" | "echoed" | "dropped" | "refused"
  /** Whether a lane gives up its latest response when the next request comes, for all but that request. */
  readonly evictsParents: boolean
  /** Whether responses of a model can be steered. */
  readonly canSteer: (model: string) => boolean
  readonly publish: (observation: Observation) => void
  readonly nextRequestId: () => string
  readonly forget: (what: ResponseScript.Forgotten | { readonly responseId: string }, previousId?: unknown) => void
}

export type Json = Readonly<Record<string, unknown>>

/** What is wrong with the key of a request. Azure's clients send it in a header of their own. */
export const keyProblem = (core: Core, headers: IncomingHttpHeaders | Json): Problem | undefined => {
  if (core.apiKey === undefined) return undefined
  const { "api-key": bare, authorization } = headers
  if (authorization === undefined && bare === undefined) return noKey
  const key = Redacted.value(core.apiKey)
  return authorization === `Bearer ${key}` || bare === key ? undefined : wrongKey
}

const secret: ReadonlySet<string> = new Set(["authorization", "api-key", "x-api-key", "cookie", "proxy-authorization"])

export const recordable = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      Predicate.isNullable(value) || secret.has(name.toLowerCase())
        ? []
        : [[name.toLowerCase(), Predicate.isString(value) ? value : value.join(", ")]]
    )
  )

export const received = (core: Core, request: Omit<RecordedRequest, "body"> & { readonly body: Json }): void => {
  core.publish({ _tag: "RequestReceived", request })
}

/** A request that no response came of. */
export const refused = (
  core: Core,
  problem: Problem,
  from: { readonly transport: "websocket" | "http"; readonly connection?: number; readonly what: string }
): void => {
  core.publish({
    _tag: "RequestRefused",
    ...from,
    status: problem.status,
    code: problem.code,
    message: problem.message
  })
}
