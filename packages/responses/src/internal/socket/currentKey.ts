/** Whether a connection was opened with the key of now, where the key can change. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { constTrue } from "effect/Function"
import type { Time } from "../effect/time.ts"
import type { Endpoint } from "../options/endpoint.ts"
import type { Connection } from "./connection.ts"

export type Suits = (connection: Connection) => boolean

/** Without an answer the connection serves on, and for a while the key is not asked for again. */
export const make = (endpoint: Endpoint, time: Time, limit: Duration.Duration): Effect.Effect<Suits> => {
  let asksFrom = -Infinity
  const ask = Effect.map(
    Effect.timeout(endpoint.key, limit),
    (key): Suits => (connection) => Equal.equals(connection.key, key)
  )
  return Effect.suspend(() => {
    const now = time.now()
    return now < asksFrom ? Effect.succeed(constTrue) : Effect.catchAll(ask, (error) => {
      asksFrom = now + 6 * Duration.toMillis(limit)
      return Effect.as(
        Effect.logDebug("Whether there is a new key is not known: the connection serves on", error),
        constTrue
      )
    })
  })
}
