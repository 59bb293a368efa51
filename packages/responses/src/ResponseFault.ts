/**
 * What a server sends besides items, how a response ends, and everything that can go wrong on the way.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { BadFrame, ErrorDetails, EventFrame, Forgotten, Part, Turn } from "./ResponseTurn.ts"

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
