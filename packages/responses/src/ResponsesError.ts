/**
 * What can go wrong, named by what the caller does about it, and the one place where the wire's many shapes of failure
 * become these errors.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as ErrorTable from "./internal/wire/errorTable.ts"
import * as Reasons from "./internal/wire/reasons.ts"

/**
 * How far a request came before it failed.
 *
 * - `unsent`: nothing ran. It may be sent again, anywhere.
 * - `unacknowledged`: it was sent and no output came. The server may be working on it.
 * - `partial`: output reached the caller.
 *
 * @since 0.1.0
 * @category models
 */
export type Delivery = typeof Delivery.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Delivery = Schema.Literal("unsent", "unacknowledged", "partial")

/**
 * What each error tells of asking again, whatever else it is. Errors of a `Conversation` have it too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Retryability {
  /** How far the request came. */
  readonly delivery: Delivery
  /** Whether the very same request can succeed when it is asked again. What it may cost to ask twice `delivery` tells. */
  readonly retryable: boolean
  /** How long the server asks to wait until then. `undefined`: it did not say. */
  readonly retryAfter?: Duration.Duration | undefined
}

const deliveryText: Record<Delivery, readonly [what: string, retryable: string, final: string]> = {
  unsent: [
    "nothing was run",
    ", it is safe to send the request again",
    ", and the same request would fail again"
  ],
  unacknowledged: [
    "the server may have run the request",
    ", send it again only if running it twice does no harm",
    ""
  ],
  partial: ["part of the output was already delivered", "", ""]
}

const advice = ({ delivery, retryable }: Retryability): string => {
  const [what, ifRetryable, ifFinal] = deliveryText[delivery]
  return what + (retryable ? ifRetryable : ifFinal)
}

/**
 * The request itself is wrong. Nothing was sent: mend the field that is named.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>("effect-responses/InvalidRequest")(
  "InvalidRequest",
  { field: Schema.String, description: Schema.String }
) implements Retryability {
  get delivery(): "unsent" {
    return "unsent"
  }

  get retryable(): false {
    return false
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `Invalid request, nothing was sent: \`${this.field}\` ${this.description}`
  }
}

/**
 * There is no connection, or there is none any more. Use HTTP or try later, as `delivery` and `retryable` allow.
 *
 * - `Credentials`: the key or a header, computed anew for this connect, could not be had.
 * - `Unreachable`: no TCP or TLS connection.
 * - `OpenTimeout`: the server did not answer the upgrade in time.
 * - `Refused`: the server answered with `status` instead of opening, or closed the connection right after with 1008.
 * - `Lost`: the connection ended, with `closeCode`, while a response was due or running.
 * - `Expired`: the server's limit on the age of a connection was reached while a response was due or running.
 * - `Closed`: the Layer that owns the connection was closed.
 * - `TooLarge`: the request is larger than the server takes in one message; HTTP may take it.
 * - `QueueTimeout`: other responses held every place for longer than `queueTimeout`. Raise `maxConnections`, or use HTTP.
 * - `QueueFull`: `maxWaiting` requests waited already.
 * - `NoRoom`: the fiber that asks holds every place itself, so that it would wait for itself.
 * - `FirstEventTimeout`: the server took the request and did not begin to answer within `firstEventTimeout`.
 * - `Stalled`: nothing came within `stallTimeout`, no event, no ping.
 * - `TurnTimeout`: the response has not ended within `turnTimeout`.
 * - `Overrun`: the response has more output than `maxOutputSize`, or its reader is further behind than `maxUnread` allows.
 *
 * Not `retryable` are the reasons that the program itself is the cause of, and that asking again does not change: `Credentials`,
 * `Closed`, `TooLarge`, `NoRoom`, `TurnTimeout`, `Overrun`. Neither is a status of 401 or 403, and `Refused` is only with a
 * status, or words, that the server takes back by itself: 408, 425, 429, 5xx.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionError extends Schema.TaggedError<ConnectionError>("effect-responses/ConnectionError")(
  "ConnectionError",
  {
    reason: Schema.Literal(
      "Credentials",
      "Unreachable",
      "OpenTimeout",
      "Refused",
      "Lost",
      "Expired",
      "Closed",
      "TooLarge",
      "QueueTimeout",
      "QueueFull",
      "NoRoom",
      "FirstEventTimeout",
      "Stalled",
      "TurnTimeout",
      "Overrun"
    ),
    delivery: Delivery,
    description: Schema.String,
    status: Schema.optional(Schema.Number),
    closeCode: Schema.optional(Schema.Number),
    code: Schema.optional(Schema.String),
    requestId: Schema.optional(Schema.String),
    retryAfter: Schema.optional(Schema.DurationFromSelf),
    cause: Schema.optional(Schema.Defect)
  }
) {
  get retryable(): boolean {
    return Reasons.isPassing(this)
  }

  override get message(): string {
    return `${this.description}${details(this)}: ${advice(this)}`
  }
}

/**
 * The server does not know `previous_response_id` (any more). Nothing ran: send the whole conversation without it.
 *
 * @since 0.1.0
 * @category errors
 */
export class PreviousResponseNotFound
  extends Schema.TaggedError<PreviousResponseNotFound>("effect-responses/PreviousResponseNotFound")(
    "PreviousResponseNotFound",
    {
      previousResponseId: Schema.optional(Schema.String),
      description: Schema.String,
      status: Schema.optional(Schema.Number),
      requestId: Schema.optional(Schema.String)
    }
  )
  implements Retryability
{
  get delivery(): "unsent" {
    return "unsent"
  }

  get retryable(): false {
    return false
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `${this.description}${details(this)}: nothing was run, send the full input without previous_response_id`
  }
}

/**
 * The model or the API said no. `retryable` tells whether the same request can succeed later, `retryAfter` how long the
 * server asks to wait until then.
 *
 * `status` is from 400 to 599. `frame` is what the server sent, with `<redacted>` in place of a key: the outermost values
 * first, at the most 10,000 of them in 64 levels, of a text the first 131,072 characters, of all texts together 1,048,576.
 * What is beyond is left out. `passing` is how the server's whole answer was judged; without it `retryable` follows from
 * `code`, `type`, `status` and `description`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseFailed extends Schema.TaggedError<ResponseFailed>("effect-responses/ResponseFailed")(
  "ResponseFailed",
  {
    description: Schema.String,
    delivery: Delivery,
    code: Schema.optional(Schema.String),
    type: Schema.optional(Schema.String),
    param: Schema.optional(Schema.String),
    status: Schema.optional(Schema.Number),
    requestId: Schema.optional(Schema.String),
    retryAfter: Schema.optional(Schema.DurationFromSelf),
    responseId: Schema.optional(Schema.String),
    passing: Schema.optional(Schema.Boolean),
    frame: Schema.Unknown
  }
) {
  /** Whether the failure is a passing one: overload, rate limit, a fault of the server's. A spent quota is not. */
  get retryable(): boolean {
    const { code, description, passing, status, type } = this
    return passing ?? ErrorTable.judge({ names: [code, type], status, text: description }).verdict === "passing"
  }

  override get message(): string {
    return `${this.description}${details(this)}${
      this.retryable ? ": passing, try again later" : ": sending the same request again will fail again"
    }`
  }
}

/**
 * The server sent something that is no event of this protocol. `frame` has its beginning. Never `retryable`: the two do not
 * understand each other.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedEvent extends Schema.TaggedError<MalformedEvent>("effect-responses/MalformedEvent")(
  "MalformedEvent",
  { description: Schema.String, frame: Schema.String, delivery: Delivery }
) implements Retryability {
  get retryable(): false {
    return false
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `The server sent ${this.description}: ${advice(this)}. It began: ${this.frame}`
  }
}

/**
 * @since 0.1.0
 * @category errors
 */
export type ResponsesError =
  | InvalidRequest
  | ConnectionError
  | PreviousResponseNotFound
  | ResponseFailed
  | MalformedEvent

const details = (error: {
  readonly code?: string | undefined
  readonly status?: number | undefined
  readonly closeCode?: number | undefined
  readonly param?: string | undefined
  readonly requestId?: string | undefined
}): string => {
  const known = [
    error.code && `code ${error.code}`,
    error.status && `status ${error.status}`,
    error.closeCode && `close code ${error.closeCode}`,
    error.param && `param ${error.param}`,
    error.requestId && `request ${error.requestId}`
  ].filter(Predicate.isTruthy)
  return known.length === 0 ? "" : ` (${known.join(", ")})`
}

/**
 * Whether it is certain that the server did not run the request, so that it may be sent again without running twice.
 *
 * True for every `InvalidRequest` and `PreviousResponseNotFound`, and for any other error whose `delivery` is `unsent`.
 *
 * @since 0.1.0
 * @category refinements
 */
export const isUnsent = (error: ResponsesError): boolean => Reasons.isUnsent(error)

/**
 * Whether another transport may serve the request.
 *
 * True for a `ConnectionError` whose `delivery` is `unsent`, except where the caller's own setup is the reason, which is the
 * same on every transport: `Credentials`, `Closed`, `TurnTimeout`, `Overrun`, and any reason with status 401 or 403. False
 * for all other errors: the server has answered, or the request itself is wrong.
 *
 * @since 0.1.0
 * @category refinements
 */
export const canFallBack = (error: ResponsesError): error is ConnectionError => Reasons.mayHttpServe(error)
