/**
 * A turn of a model as data: what a server does for one request, written so that it can be kept as JSON.
 *
 * @since 0.1.0
 */
import type { Usage } from "./ResponseEvent.ts"
import type { ResponseItem } from "./ResponseItem.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"

/**
 * How a server words its errors. All three shapes occur in production.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorDetails {
  /** `nested`: `{type, error: {…}}`; `flat`: `{type, code, message, …}`; `untyped`: `{error: {…}}`. Default: `nested` */
  readonly shape?: "nested" | "flat" | "untyped" | undefined
  readonly status?: number | undefined
  /** Some servers send `status_code` instead of `status`. */
  readonly statusCode?: number | undefined
  readonly type?: string | undefined
  readonly code?: string | null | undefined
  readonly message?: string | undefined
  readonly param?: string | null | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Beside `error` or in it; both occur. Only a nested error has the choice. Default: `error` */
  readonly headersAt?: "frame" | "error" | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface EventFrame {
  readonly type: string
  readonly [field: string]: unknown
}

/**
 * What is wrong with a frame: text that is no JSON, JSON that is no object, an object that is no event, half of an event,
 * an event in a binary frame, an event of an unknown type that is very large.
 *
 * @since 0.1.0
 * @category models
 */
export type BadFrame = "notJson" | "notObject" | "notEvent" | "truncated" | "binary" | "huge"

/**
 * `previous`: the response that the request names. `latest`: the one that ended last.
 *
 * @since 0.1.0
 * @category models
 */
export type Forgotten = "all" | "latest" | "previous"

/**
 * One step of a turn. `after` counts frames from the beginning of the turn; left out, the part stands where it is listed.
 *
 * @since 0.1.0
 * @category models
 */
export type Part =
  | { readonly _tag: "Item"; readonly item: ResponseItem }
  | { readonly _tag: "Raw"; readonly frames: ReadonlyArray<object | string>; readonly after?: number | undefined }
  | { readonly _tag: "Events"; readonly events: ReadonlyArray<EventFrame>; readonly after?: number | undefined }
  | { readonly _tag: "Wait"; readonly millis: number; readonly after?: number | undefined }
  | { readonly _tag: "Completed" }
  | { readonly _tag: "Incomplete"; readonly reason: string }
  | { readonly _tag: "Failed"; readonly code: string; readonly message: string }
  | { readonly _tag: "Error"; readonly error: ErrorDetails; readonly after?: number | undefined }
  | { readonly _tag: "Silence"; readonly after?: number | undefined }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string; readonly after?: number | undefined }
  | { readonly _tag: "Drop"; readonly bytes?: number | undefined; readonly after?: number | undefined }
  | { readonly _tag: "Unfinished" }
  | {
    readonly _tag: "BadFrame"
    readonly kind: BadFrame
    readonly bytes?: number | undefined
    readonly after?: number | undefined
  }
  | { readonly _tag: "Forget"; readonly what: Forgotten; readonly after?: number | undefined }
  | { readonly _tag: "Expire"; readonly after?: number | undefined }
  | { readonly _tag: "Pings"; readonly answered: boolean; readonly after?: number | undefined }

/**
 * What a server does for one request. Plain data: it can be written as JSON.
 *
 * Without an end among its parts a turn is completed. `response.created` and `response.in_progress` come before the first
 * item or end; raw frames listed before that come before them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Turn extends TurnOptions {
  readonly parts: ReadonlyArray<Part>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TurnOptions {
  /** Characters per delta. Default: 16, or sizes that the seed of the server gives */
  readonly chunkSize?: number | undefined
  /** Milliseconds before each delta. Default: what the server is set to */
  readonly deltaDelay?: number | undefined
  /** Whether `response.queued` comes after `response.created`. Default: false */
  readonly queued?: boolean | undefined
  /** Default: a count of tokens made up from the lengths of input and output. */
  readonly usage?: Usage | undefined
}

/**
 * What a server knows when it takes a turn. Ids and times come from here, so that a turn always gives the same frames.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly request: ResponseRequest
  /** `resp_…` */
  readonly responseId: string
  /** In seconds since 1970. */
  readonly createdAt: number
  /** How many turns were taken before. Warm-ups are not counted. */
  readonly index: number
  /** What the model sees: the context of the previous response, where the server has it, and the input. */
  readonly input: ReadonlyArray<ResponseItem>
  /** How many items at the beginning of `input` come from the previous response. Default: 0 */
  readonly cached?: number | undefined
  /** Makes deltas of different sizes, the same ones for the same seed. */
  readonly seed?: number | undefined
  /** Added to the metadata of the request. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/**
 * What a transport does, one after the other. A list that has no `Close` or `Cut` leaves the connection open; after
 * `Silence` nothing comes any more, and the request has no end. A `Cut` with a frame sends so many bytes of it first.
 *
 * @since 0.1.0
 * @category models
 */
export type Step =
  | { readonly _tag: "Send"; readonly frame: object | string; readonly binary?: true | undefined }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Silence" }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Cut"; readonly frame?: object | string | undefined; readonly bytes?: number | undefined }
  | { readonly _tag: "Forget"; readonly what: Forgotten }
  | { readonly _tag: "Expire" }
  | { readonly _tag: "Pings"; readonly answered: boolean }

/**
 * Turns one after the other, as one turn. The options of later ones win.
 *
 * @example
 * ```ts
 * import { ResponseScript } from "effect-responses"
 *
 * export const script: ResponseScript.Script = [
 *   ResponseScript.turn([
 *     ResponseScript.reasoning("I need the weather."),
 *     ResponseScript.toolCall({ name: "get_weather", arguments: { city: "Oslo" } })
 *   ]),
 *   ResponseScript.turn([ResponseScript.text("It is"), ResponseScript.drop()]),
 *   ResponseScript.text("It is sunny.")
 * ]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const turn = (turns: ReadonlyArray<Turn>, options?: TurnOptions): Turn => ({
  ...Object.assign({}, ...turns),
  ...options,
  parts: turns.flatMap((turn) => turn.parts)
})
