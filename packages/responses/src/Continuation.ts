/**
 * What of a request travels: only what is new, where the server provably has the rest, or everything every time.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId = "~effect-responses/Continuation"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * How a transport decides what travels: `automatic` or `off`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  /** Tells the library's own rules apart. */
  readonly [TypeId]: "automatic" | "off" | "custom"
}

/**
 * Why the whole input travels.
 *
 * A history that the option `trim` of a `Conversation` made smaller has no reason of its own. It is `HistoryChanged` where it
 * still begins with the same item, and `First` where it does not: then nothing tells it from a new conversation.
 *
 * @since 0.1.0
 * @category models
 */
export type FullReason =
  /** There is nothing to continue from. */
  | { readonly _tag: "First" }
  /** The caller named a `previous_response_id` or a `conversation`. */
  | { readonly _tag: "Explicit" }
  /** Fields that are not what they were, in alphabetical order. */
  | { readonly _tag: "FieldsChanged"; readonly fields: Arr.NonEmptyReadonlyArray<string> }
  /** `index`: the first item of the input that is not what the server has, or its length if items are missing there. */
  | { readonly _tag: "HistoryChanged"; readonly index: number }
  /** The server has all of it already, and has answered. */
  | { readonly _tag: "NothingNew" }
  /** The response ended with calls that the new items do not answer: for the server to judge, as over HTTP. */
  | { readonly _tag: "PendingCalls"; readonly callIds: Arr.NonEmptyReadonlyArray<string> }
  /** Given by transports: the connection that had the head is gone. */
  | { readonly _tag: "NewConnection" }
  /** Given by transports: the turn before, on the same connection, has not ended well. */
  | { readonly _tag: "AfterFailure" }
  /** Given by transports: the conversation had to give its lane up to another one. */
  | { readonly _tag: "Displaced" }
  /** Given by transports: the server does not know the response any more. */
  | { readonly _tag: "Forgotten" }
  /** Given by transports: the server refused to continue the response, or has refused several deltas in a row. */
  | { readonly _tag: "ChainingRefused" }
  /** Given by transports: the server takes no `instructions` beside `previous_response_id`. */
  | { readonly _tag: "Instructions" }
  /** Given by transports: HTTP continues nothing by itself. */
  | { readonly _tag: "Http" }
  /** Continuation is switched off. */
  | { readonly _tag: "Off" }

/**
 * A caller hands over its whole history each turn. It is compared with what the server has, by meaning and never by count,
 * position or identity, and only what is new travels.
 *
 * @since 0.1.0
 * @category rules
 */
export const automatic: Rule = { [TypeId]: "automatic" }

/**
 * Everything travels every time, unless the caller names a `previous_response_id`.
 *
 * @since 0.1.0
 * @category rules
 */
export const off: Rule = { [TypeId]: "off" }
