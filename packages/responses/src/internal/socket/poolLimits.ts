/** How many connections, lanes and waiting requests there may be: the options of a Layer, checked once. */
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Profile } from "../../Profile.ts"
import * as Limits from "../effect/limits.ts"
import * as Timeouts from "../options/timeouts.ts"
import * as Backlog from "./backlog.ts"
import { Naming } from "./naming.ts"
import type * as Pool from "./pool.ts"

export interface PoolLimits extends Pool.Limits {
  readonly naming: Naming
  readonly unread: Backlog.Limits
  readonly rewarm: number
}

interface Options {
  readonly maxConnections?: number | undefined
  readonly maxLanes?: number | undefined
  readonly maxWaiting?: number | undefined
  readonly idleTimeToLive?: Duration.DurationInput | undefined
  readonly maxUnread?: Partial<Backlog.Limits> | undefined
  readonly rewarm?: boolean | number | undefined
  readonly shutdownTimeout?: Duration.DurationInput | undefined
  readonly queueTimeout?: Duration.DurationInput | undefined
}

/** Responses at once on one connection of api.openai.com. */
const mostLanes = 16

/**
 * With lanes 512 responses at once, whose events (100 a second each, at some 5 µs) take a quarter of a core. 32 sockets take some
 * 3 MB, and are opened only when they are needed.
 */
const defaultConnections = 32

const defaultQueueTimeout = Duration.minutes(1)

/** Nothing waits for one reader alone, so the network does. */
const unlimited: Backlog.Limits = { response: Infinity, connection: Infinity, layer: Infinity }

const positive = (option: string, given: number | undefined, otherwise: number) =>
  Limits.positive(option, given ?? otherwise)

/** Fails with a `ConfigError` that names the option. */
export const make = (
  options: Options,
  profile: Profile
): Effect.Effect<PoolLimits, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const { maxConnections, maxUnread = {} } = options
    if (maxConnections !== undefined) yield* Limits.positive("maxConnections", maxConnections)
    const maxLanes = Math.min(yield* positive("maxLanes", options.maxLanes, mostLanes), mostLanes)
    const naming = new Naming({ maxConnections, maxLanes, profile })
    const isStrict = naming.by === "callers"
    const queueTimeout = yield* Timeouts.positive(
      "queueTimeout",
      options.queueTimeout ?? (isStrict ? Duration.infinity : defaultQueueTimeout)
    )
    const { connection, layer, response } = Backlog.defaults
    const unread = {
      response: yield* positive("maxUnread.response", maxUnread.response, response),
      connection: yield* positive("maxUnread.connection", maxUnread.connection, connection),
      layer: yield* positive("maxUnread.layer", maxUnread.layer, layer)
    }
    const rewarm = options.rewarm ?? false
    return {
      naming,
      unread: isStrict ? unlimited : unread,
      rewarm: typeof rewarm === "boolean" ? Number(rewarm) : yield* Limits.positive("rewarm", rewarm),
      maxConnections: maxConnections ?? defaultConnections,
      maxWaiting: yield* positive("maxWaiting", options.maxWaiting, 10_000),
      queueTimeout: Duration.toMillis(queueTimeout),
      shutdownTimeout: yield* Timeouts.zeroOrMore("shutdownTimeout", options.shutdownTimeout ?? Duration.zero),
      idleTimeToLive: Duration.toMillis(
        yield* Timeouts.positive("idleTimeToLive", options.idleTimeToLive ?? "5 minutes")
      )
    }
  })
