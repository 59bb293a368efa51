/** Opens a connection: in time, tried again where that may help, with a fresh key where the key was refused. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Connect } from "../../Connector.ts"
import { ConnectionError } from "../../ResponsesError.ts"
import * as Finalizer from "../effect/finalizer.ts"
import type { Endpoint } from "../options/endpoint.ts"
import * as Reasons from "../wire/reasons.ts"
import * as Connection from "./connection.ts"

export interface OpenOptions extends Connection.Options {
  readonly connect: Connect
}

export interface Options extends OpenOptions {
  /** For each try. */
  readonly connectTimeout: Duration.Duration
  readonly reconnect: Schedule.Schedule<unknown, ConnectionError>
  /** For all tries together. */
  readonly reconnectTimeout: Duration.Duration
}

const within = (duration: Duration.Duration, problem: string) =>
  Effect.timeoutFail({
    duration,
    onTimeout: () =>
      new ConnectionError({
        reason: "OpenTimeout",
        delivery: "unsent",
        description: `${problem} within ${Duration.format(duration)}`
      })
  })

/** A key that is refused may have been replaced since it was asked for. */
const withFreshKey = <A, R>(endpoint: Endpoint, open: Effect.Effect<A, ConnectionError, R>) =>
  endpoint.canRotate ? Effect.catchIf(open, Reasons.mayRedialWithNewKey, () => open) : open

/** The connection is closed with its scope. */
export const open = (options: OpenOptions): Effect.Effect<Connection.Connection, ConnectionError, Scope.Scope> =>
  Effect.gen(function*() {
    const credentials = yield* options.endpoint.credentials
    const { headers, redact } = credentials
    const connection = new Connection.Connection(options, credentials)
    const target = { url: options.endpoint.socketUrl, headers, redact }
    connection.onUpgraded(yield* options.connect(target, connection.inbound))
    yield* Finalizer.add(Effect.sync(() => connection.end()))
    if (Duration.isFinite(options.ping)) {
      yield* connection.liveness.watch(options.ping).pipe(Effect.interruptible, Effect.forkScoped)
    }
    return connection
  })

export const dial = (options: Options): Effect.Effect<Connection.Connection, ConnectionError, Scope.Scope> =>
  open(options).pipe(
    within(options.connectTimeout, "The server did not open the connection"),
    (open) => withFreshKey(options.endpoint, open),
    Effect.retry({ schedule: options.reconnect, while: Reasons.mayRedial }),
    within(options.reconnectTimeout, "No connection could be opened")
  )
