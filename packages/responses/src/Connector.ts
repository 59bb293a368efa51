/**
 * The platform behind one tag: how a WebSocket is opened. `effect-responses-node` has the one for Node.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ForeignError from "./internal/wire/foreignError.ts"
import { reasonOf } from "./internal/wire/foreignError.ts"
import * as wireError from "./internal/wire/wireError.ts"
import { ConnectionError } from "./ResponsesError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** `ws:` or `wss:` */
  readonly url: string
  /** Names in lower case. They hold the key: never log them. */
  readonly headers: Readonly<Record<string, string>>
  /** Takes the key, also parts of it, out of what a server says. Apply it to the whole text, before it is cut. */
  readonly redact: (text: string) => string
}

/**
 * Told synchronously, in the order of arrival, from before the dialling until the socket's scope is closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /** A binary message comes as bytes. */
  readonly onMessage: (data: string | Uint8Array) => void
  /** A ping or a pong came. */
  readonly onSign: () => void
  /** The connection ended, for whatever reason. Called at most once, and last. */
  readonly onClose: (close: { readonly code: number; readonly reason: string }) => void
}

/**
 * An open WebSocket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Socket {
  /**
   * Hands a text to the network and gives its size in bytes. `done` is called once, also if the connection ends meanwhile;
   * with an error only if the other side cannot have all of it.
   */
  readonly send: (text: string, done: (error?: Error | null) => void) => number
  /** Asks the other side for a sign of life. */
  readonly ping: () => void
  /** No message arrives until `resume`. What was already read may still come. */
  readonly pause: () => void
  readonly resume: () => void
}

/**
 * Opens a WebSocket that is closed with its scope. Must be interruptible while it dials, must not follow redirects, and
 * reports a refused upgrade with its status (`ConnectionError`, reason `Refused`).
 *
 * @since 0.1.0
 * @category models
 */
export type Connect = (
  target: Target,
  listener: Listener
) => Effect.Effect<Socket, ConnectionError, Scope.Scope>

/**
 * @since 0.1.0
 * @category tags
 */
export class Connector extends Context.Tag("effect-responses/Connector")<Connector, Connect>() {}

/**
 * The error for an upgrade that was answered with a status other than 101. The body may be cut short.
 *
 * @since 0.1.0
 * @category errors
 */
export const refused: (answer: {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: string
  /** The target's, so that the error shows no key. */
  readonly redact?: ((text: string) => string) | undefined
}) => ConnectionError = wireError.fromRefusal

/**
 * The error for a server that could not be reached, by what the platform threw or reported. Of that only words and numbers
 * are kept: it may hold the bytes of an answer, or the request with its headers.
 *
 * @since 0.1.0
 * @category errors
 */
export const unreachable = (
  { cause, redact }: { readonly cause: unknown; readonly redact: (text: string) => string }
): ConnectionError => {
  const { code, message } = reasonOf(cause)
  return new ConnectionError({
    reason: "Unreachable",
    delivery: "unsent",
    description: `The server could not be reached: ${redact(message)}`,
    code: code === undefined ? undefined : redact(code),
    cause: ForeignError.plain(cause, redact)
  })
}
