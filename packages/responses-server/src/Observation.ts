/**
 * What a server saw, for tests that wait for it instead of sleeping.
 *
 * @since 0.1.0
 */
import type { ResponseRequest } from "effect-responses"

/**
 * A request as it arrived.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedRequest {
  /** Every field that was sent; nothing was checked yet. On a socket `type` is among them. */
  readonly body: ResponseRequest.ResponseRequest & { readonly [field: string]: unknown }
  readonly transport: "websocket" | "http"
  /** Counts from 1; absent over HTTP. */
  readonly connection?: number | undefined
  /** Size of the frame or body, in bytes of UTF-8. */
  readonly bytes: number
  /** Names in lower case, without the key and cookies. On a socket they are the ones of the upgrade. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * What a model saw, as a hash that `Context.hash` gives for the same items.
 *
 * @since 0.1.0
 * @category models
 */
export interface SeenContext {
  readonly responseId: string
  readonly previousResponseId: string | undefined
  readonly items: number
  readonly hash: string
}

/**
 * What a server holds now, and how much it did so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly connections: { readonly opened: number; readonly open: number }
  /** Responses that are being given now. */
  readonly inFlight: number
  /** Requests on sockets that wait for their lane or for one of the places of their connection. */
  readonly queued: number
  /** Lanes of open connections. */
  readonly lanes: number
  /** Responses that open connections hold in memory, one a lane. */
  readonly cached: number
  readonly stored: { readonly responses: number; readonly bytes: number }
  readonly requests: number
  readonly responses: Readonly<Record<Outcome, number>>
}

/**
 * How a response ended, as the server sees it. `abandoned`: whoever asked for it left.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = "completed" | "incomplete" | "failed" | "error" | "closed" | "abandoned"

/**
 * @since 0.1.0
 * @category models
 */
export type Observation =
  | { readonly _tag: "ConnectionOpened"; readonly connection: number }
  | {
    readonly _tag: "ConnectionRefused"
    /** 0 where the upgrade was never answered or the connection cut. */
    readonly status: number
  }
  | {
    readonly _tag: "ConnectionClosed"
    readonly connection: number
    /** 1006 where no close frame came, for instance because the server cut the connection itself. */
    readonly code: number
    readonly reason: string
  }
  | { readonly _tag: "RequestReceived"; readonly request: RecordedRequest }
  | {
    /** No response came of it: not JSON, a wrong key, a path or a message that is not known, too many lanes. */
    readonly _tag: "RequestRefused"
    readonly transport: "websocket" | "http"
    readonly connection?: number | undefined
    /** Method and path, or the type of the message. */
    readonly what: string
    readonly status: number
    readonly code: string | null
    readonly message: string
  }
  | {
    readonly _tag: "ResponseEnded"
    readonly responseId: string
    readonly transport: "websocket" | "http"
    readonly connection?: number | undefined
    readonly outcome: Outcome
  }
