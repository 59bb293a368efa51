/**
 * Turns of a model as data: what a server does for each request, written so that it can be kept as JSON. One script runs over
 * every transport: the mock Layer (`ResponsesTest`), the local server and real sockets.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { Usage } from "./ResponseEvent.ts"
import type { ContentPart, ResponseItem } from "./ResponseItem.ts"
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
 * One turn per request, or a function that gives the turn for any request. Warm-ups (`generate: false`) take no turn from
 * a list.
 *
 * @since 0.1.0
 * @category models
 */
export type Script =
  | ReadonlyArray<Turn | ((request: ResponseRequest) => Turn)>
  | ((request: ResponseRequest, context: Context) => Turn)

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

/**
 * Any item. An id and a status are put in where they are missing.
 *
 * @since 0.1.0
 * @category items
 */
export const item = (item: ResponseItem): Turn => ({ parts: [{ _tag: "Item", item }] })

/**
 * A message of the model's.
 *
 * @since 0.1.0
 * @category items
 */
export const text = (text: string, options?: TurnOptions): Turn =>
  turn([message([{ type: "output_text", text }])], options)

/**
 * A message of the model's, by its content parts.
 *
 * @since 0.1.0
 * @category items
 */
export const message = (content: ReadonlyArray<ContentPart>): Turn =>
  item({ type: "message", role: "assistant", content })

/**
 * @since 0.1.0
 * @category items
 */
export const refusal = (refusal: string): Turn => message([{ type: "refusal", refusal }])

/**
 * `arguments` are written as JSON unless they are a string. `callId` is made up where it is missing.
 *
 * @since 0.1.0
 * @category items
 */
export const toolCall = (options: {
  readonly name: string
  readonly arguments?: unknown
  readonly callId?: string | undefined
}): Turn => {
  const args = options.arguments ?? {}
  return item({
    type: "function_call",
    call_id: options.callId ?? "",
    name: options.name,
    arguments: typeof args === "string" ? args : JSON.stringify(args)
  })
}

/**
 * @since 0.1.0
 * @category items
 */
export const customToolCall = (options: {
  readonly name: string
  readonly input: string
  readonly callId?: string | undefined
}): Turn => item({ type: "custom_tool_call", call_id: options.callId ?? "", name: options.name, input: options.input })

/**
 * @since 0.1.0
 * @category items
 */
export const reasoning = (summary: string, options?: { readonly encrypted?: string | undefined }): Turn =>
  item({
    type: "reasoning",
    summary: summary === "" ? [] : [{ type: "summary_text", text: summary }],
    ...(options?.encrypted === undefined ? {} : { encrypted_content: options.encrypted })
  })

const single = (part: Part): Turn => ({ parts: [part] })

const placed = (
  part: Extract<Part, { readonly after?: number | undefined }>,
  options: { readonly after?: number } | undefined
): Turn => single(options?.after === undefined ? part : { ...part, after: options.after })

/**
 * Frames sent word for word: objects without number and lane, strings that need not be JSON. After an end they trail it.
 *
 * @since 0.1.0
 * @category frames
 */
export const raw = (frames: ReadonlyArray<object | string>, options?: { readonly after?: number }): Turn =>
  placed({ _tag: "Raw", frames }, options)

/**
 * Events of one's own, with `sequence_number` and the lane put in.
 *
 * @since 0.1.0
 * @category frames
 */
export const events = (
  events: ReadonlyArray<EventFrame>,
  options?: { readonly after?: number }
): Turn => placed({ _tag: "Events", events }, options)

/**
 * Time that passes on the clock of the program: a `TestClock` holds it.
 *
 * @since 0.1.0
 * @category frames
 */
export const wait = (duration: Duration.DurationInput, options?: { readonly after?: number }): Turn =>
  placed({ _tag: "Wait", millis: Duration.toMillis(duration) }, options)

/**
 * `response.completed`. Only needed where something trails it; twice, the response ends twice. What follows a pause after
 * an end finds the connection idle.
 *
 * @since 0.1.0
 * @category ends
 */
export const completed: Turn = single({ _tag: "Completed" })

/**
 * `response.incomplete`, after the items listed before it.
 *
 * @since 0.1.0
 * @category ends
 */
export const incomplete = (reason: string = "max_output_tokens"): Turn => single({ _tag: "Incomplete", reason })

/**
 * `response.failed`, after the items listed before it.
 *
 * @since 0.1.0
 * @category ends
 */
export const failed = (error: { readonly code: string; readonly message: string }): Turn =>
  single({ _tag: "Failed", ...error })

/**
 * An `error` frame. On its own it answers the request; after items, or with `after`, it breaks a response off.
 *
 * @since 0.1.0
 * @category ends
 */
export const error = (error: ErrorDetails, options?: { readonly after?: number }): Turn =>
  placed({ _tag: "Error", error }, options)

/**
 * The server goes quiet: no end, and the connection stays.
 *
 * @since 0.1.0
 * @category ends
 */
export const silence = (options?: { readonly after?: number }): Turn => placed({ _tag: "Silence" }, options)

/**
 * The server closes the connection. Over HTTP the body ends.
 *
 * @since 0.1.0
 * @category ends
 */
export const close = (options: { readonly code: number; readonly reason?: string; readonly after?: number }): Turn =>
  placed({ _tag: "Close", code: options.code, reason: options.reason ?? "" }, options)

/**
 * The connection breaks: 1006 on a socket, a reset over HTTP. With `bytes`, so many bytes of the next frame are sent
 * before it does.
 *
 * @since 0.1.0
 * @category ends
 */
export const drop = (options?: { readonly after?: number; readonly bytes?: number }): Turn =>
  placed(options?.bytes === undefined ? { _tag: "Drop" } : { _tag: "Drop", bytes: options.bytes }, options)

/**
 * The terminal event never comes, and the server goes on as if it had.
 *
 * @since 0.1.0
 * @category ends
 */
export const unfinished: Turn = single({ _tag: "Unfinished" })

/**
 * A frame that is not what it should be, between those that are. `bytes` is the size of a `huge` one; default: 20 MB.
 *
 * @since 0.1.0
 * @category faults
 */
export const badFrame = (
  kind: BadFrame,
  options?: { readonly after?: number; readonly bytes?: number }
): Turn =>
  placed(
    options?.bytes === undefined ? { _tag: "BadFrame", kind } : { _tag: "BadFrame", kind, bytes: options.bytes },
    options
  )

/**
 * The server forgets responses, stored ones and the ones its connections hold.
 *
 * @since 0.1.0
 * @category faults
 */
export const forget = (what: Forgotten, options?: { readonly after?: number }): Turn =>
  placed({ _tag: "Forget", what }, options)

/**
 * The connection reaches its age limit.
 *
 * @since 0.1.0
 * @category faults
 */
export const expire = (options?: { readonly after?: number }): Turn => placed({ _tag: "Expire" }, options)

/**
 * From here on the connection answers pings, or does not.
 *
 * @since 0.1.0
 * @category faults
 */
export const pings = (answered: boolean, options?: { readonly after?: number }): Turn =>
  placed({ _tag: "Pings", answered }, options)
