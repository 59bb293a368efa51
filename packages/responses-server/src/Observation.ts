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
  | { readonly _tag: "ConnectionRefused"; readonly status: number }
  | {
    readonly _tag: "ConnectionClosed"
    readonly connection: number
    /** 1006 where no close frame came, for instance because the server cut the connection itself. */
    readonly code: number
    readonly reason: string
  }
  | { readonly _tag: "RequestReceived"; readonly request: RecordedRequest }
  | {
    readonly _tag: "ResponseEnded"
    readonly responseId: string
    readonly transport: "websocket" | "http"
    readonly connection?: number | undefined
    readonly outcome: Outcome
  }
