/** One line for what the server saw, for people or for programs. */
import * as Predicate from "effect/Predicate"
import type { Observation } from "../Observation.ts"

export type Format = "json" | "pretty"

const size = (bytes: number): string =>
  bytes < 10_000
    ? `${bytes} B`
    : bytes < 10_000_000
    ? `${Math.round(bytes / 1000)} kB`
    : `${Math.round(bytes / 1e6)} MB`

const from = (one: { readonly transport: "websocket" | "http"; readonly connection?: number | undefined }): string =>
  one.transport === "http" ? "http" : `ws ${one.connection}`

const fields = (observation: Observation): Readonly<Record<string, unknown>> => {
  if (observation._tag !== "RequestReceived") return { ...observation }
  const { body, bytes, connection, transport } = observation.request
  return {
    _tag: observation._tag,
    transport,
    connection,
    bytes,
    type: body["type"],
    model: body.model,
    stream_id: body.stream_id,
    previous_response_id: body.previous_response_id,
    items: Array.isArray(body.input) ? body.input.length : body.input === undefined ? 0 : 1
  }
}

const pretty = (observation: Observation): string => {
  switch (observation._tag) {
    case "ConnectionOpened":
      return `ws ${observation.connection} opened`
    case "ConnectionClosed":
      return `ws ${observation.connection} closed ${observation.code} ${observation.reason}`.trimEnd()
    case "ConnectionRefused":
      return observation.status === 0 ? "upgrade not answered" : `upgrade refused ${observation.status}`
    case "RequestRefused":
      return `${from(observation)} ${observation.what} refused ${observation.status} ${observation.message}`
    case "ResponseEnded":
      return `${from(observation)} ${observation.responseId} ${observation.outcome}`
    case "RequestReceived": {
      const { body, bytes } = observation.request
      const { items } = fields(observation)
      return [
        from(observation.request),
        typeof body["type"] === "string" ? body["type"] : "POST",
        body.model,
        body.stream_id === undefined ? undefined : `lane ${body.stream_id}`,
        Predicate.isNullable(body.previous_response_id) ? undefined : `after ${body.previous_response_id}`,
        `${String(items)} items`,
        size(bytes)
      ].filter((word) => word !== undefined).join(" ")
    }
  }
}

export const line = (observation: Observation, format: Format, time: Date): string =>
  format === "json"
    ? JSON.stringify({ time: time.toISOString(), ...fields(observation) })
    : `${time.toISOString().slice(11, 23)} ${pretty(observation)}`
