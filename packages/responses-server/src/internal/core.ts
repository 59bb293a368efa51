/** What the socket and HTTP share. */
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { IncomingHttpHeaders } from "node:http"
import type { Observation, RecordedRequest } from "../Observation.ts"
import type { Engine } from "./engine.ts"
import type { Store } from "./memory.ts"

export interface Core {
  readonly engine: Engine
  readonly store: Store
  readonly apiKey: Redacted.Redacted | undefined
  /** In milliseconds. */
  readonly deltaDelay: number
  readonly publish: (observation: Observation) => void
  readonly nextRequestId: () => string
}

export type Json = Readonly<Record<string, unknown>>

export const isAuthorized = (core: Core, authorization: string | undefined): boolean =>
  core.apiKey === undefined || authorization === `Bearer ${Redacted.value(core.apiKey)}`

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
  core.publish({
    _tag: "RequestReceived",
    request: { ...request, body: request.body as unknown as RecordedRequest["body"] }
  })
}
