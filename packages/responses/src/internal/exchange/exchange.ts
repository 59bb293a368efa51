/**
 * One request and the response to it. The connection's reader puts events in, synchronously, and the caller takes them out.
 * `life.ts` has its states.
 *
 * An end travels one way: the exchange ends, then its owner is told (`onEnd`), then the caller.
 */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { FinalResponse, OpenResponse } from "../../Responses.ts"
import { ConnectionError, type Delivery, type ResponsesError } from "../../ResponsesError.ts"
import * as wireError from "../wire/wireError.ts"
import * as Life from "./life.ts"
import * as Output from "./output.ts"
import * as Reader from "./reader.ts"

export interface Options {
  readonly previousResponseId?: string | undefined
  /** How much of the output is kept, in characters of its events. */
  readonly maxOutputSize: number
  /** Whether the output is of use when the caller has left. Default: `true` */
  readonly keepsOutput?: boolean | undefined
  /** Present where the lane has another name than the caller gave it: the events carry the caller's. */
  readonly renamed?: { readonly streamId: string | undefined } | undefined
  /** The caller is behind: more waits for it than it should be. Told with each event until it has caught up. */
  readonly onBehind: (exchange: Exchange) => void
  /** The caller has taken what waited, or has left. */
  readonly onCaughtUp: (exchange: Exchange) => void
  /** Takes the key out of what a server says. */
  readonly redact: (text: string) => string
  /** Called once, when the exchange has ended and before the caller is told. */
  readonly onEnd?: ((hasBegun: boolean) => void) | undefined
}

export type Failure = (delivery: Delivery, hasBegun?: boolean, frameBytes?: number) => ResponsesError

/** The limit, in characters, of the events that are held until a response begins. The caller cannot read them before. */
const maxBeforeBeginning = 16 * Reader.highWaterMark

/** Above the largest ordinary answer: 128,000 tokens one by one are 29 Mi characters, images some more. */
export const defaultMaxOutputSize = 64 * Reader.highWaterMark

const overrun = (limit: number) => (delivery: Delivery) =>
  new ConnectionError({
    reason: "Overrun",
    delivery,
    description: `The server put out more than the ${limit} characters that are kept of one response (maxOutputSize)`
  })

/** The object is the one that was parsed: nobody else has it yet. */
const rename = (event: { stream_id?: string | undefined }, streamId: string | undefined): void => {
  if (event.stream_id === streamId) return
  if (streamId === undefined) delete event.stream_id
  else event.stream_id = streamId
}

export class Exchange implements Reader.Source {
  private state: Life.State = Life.writing
  private id: string | undefined
  /** `undefined` once nothing is kept of it any more. */
  private output: Output.Output | undefined = Output.make()
  private readonly reader = new Reader.Reader(this)
  /** Of the request. */
  frameBytes = 0
  /** Events that came so far. */
  heard = 0
  /** The number of the latest event, as the server counts them. */
  latestNumber = -1
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** Takes the secrets of the request out of a text. */
  get redact(): Options["redact"] {
    return this.options.redact
  }

  /** The socket has taken the request. `at` is a time of `Time.now`. */
  accepted(at: number): void {
    this.state = Life.accepted(this.state, at)
  }

  /** `size` in characters. */
  offer(event: ResponseEvent.ServerEvent, size: number): void {
    this.heard++
    if (typeof event.sequence_number === "number") this.latestNumber = event.sequence_number
    if (this.state._tag === "Ended") return this.drain(this.state, event)
    if (this.options.renamed !== undefined) rename(event, this.options.renamed.streamId)
    if (ResponseEvent.isFailure(event)) return this.failed(this.state, event)
    if (this.id === undefined) this.id = ResponseEvent.responseId(event)
    this.state = Life.event(this.state, event)
    this.output?.add(event, size)
    if (ResponseEvent.isEnd(event)) return this.done(this.state, event, size)
    if (this.output !== undefined && this.output.size() > this.options.maxOutputSize) return this.overrun()
    this.reader.push(event, size)
    // The socket is not paused before the response begins: its first event may still be unread.
    if (this.reader.isBehind() && this.hasBegun()) this.options.onBehind(this)
    this.reader.notify()
  }

  /** Ends the exchange from this side. Has no effect after the end. */
  fail(error: Failure): void {
    if (this.state._tag === "Ended") return
    this.end(Life.failed(this.state, error(Life.delivery(this.state), Life.hasBegun(this.state), this.frameBytes)))
  }

  /** The caller takes no more events: nothing is kept for it, and it holds nobody up. */
  abandon(): void {
    this.reader.leave()
    if (this.options.keepsOutput === false) this.output = undefined
  }

  onCaughtUp(): void {
    this.options.onCaughtUp(this)
  }

  /** More waits for its caller than there is room for. What waits is thrown away. */
  fellBehind(description: string): void {
    const error = new ConnectionError({ reason: "Overrun", delivery: "partial", description })
    this.reader.overflow(error)
  }

  /** The request is not out yet, as far as the socket has said, nor has the server begun to answer. */
  isWriting(): boolean {
    return this.state._tag === "Writing"
  }

  /** When the request was out, as a time of `Time.now`. `undefined` before that, and once the response has begun. */
  sentAt(): number | undefined {
    return this.state._tag === "Sent" ? this.state.since : undefined
  }

  hasBegun(): boolean {
    return Life.hasBegun(this.state)
  }

  /** More came before the response began than is held for a caller that cannot read yet. */
  isFlooded(): boolean {
    return !this.hasBegun() && this.reader.size() > maxBeforeBeginning
  }

  /** The server has sent the last event of the response. */
  isFinished(): boolean {
    return this.state._tag === "Ended" && this.state.by === "server"
  }

  /** Either side has ended the exchange. */
  hasEnded(): boolean {
    return this.state._tag === "Ended"
  }

  error(): ResponsesError | undefined {
    return this.state._tag === "Ended" ? this.state.error : undefined
  }

  answer(): Life.Answer | undefined {
    return this.state._tag === "Ended" ? this.state.answer : undefined
  }

  result(): FinalResponse | undefined {
    return this.answer()?.response
  }

  /** The caller has begun to read, and more waits for it than it should be. */
  isBehind(): boolean {
    return this.hasBegun() && this.reader.isBehind()
  }

  /** Events that wait for the caller, in characters. */
  size(): number {
    return this.reader.size()
  }

  /** Set by the first event that has it. */
  responseId(): string | undefined {
    return this.id
  }

  /** Waits until the response begins, and gives its id if the server has said it. */
  get started(): Effect.Effect<string | undefined, ResponsesError> {
    return Effect.async((resume) =>
      this.reader.whenReady(() => this.hasBegun() || this.hasEnded(), () => {
        const error = this.hasBegun() ? undefined : this.error()
        resume(error === undefined ? Effect.succeed(this.id) : Effect.fail(error))
      })
    )
  }

  /** Either this or `forEach` can be run, once. */
  get events(): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError> {
    return this.reader.events
  }

  /** Has the reader call a function with each event, and waits for the end. */
  forEach(onEvent: (event: ResponseEvent.ResponseEvent) => void): Effect.Effect<void, ResponsesError> {
    return this.reader.forEach(onEvent)
  }

  /** Waits for the end. */
  get ended(): Effect.Effect<void> {
    return this.reader.until(() => this.hasEnded())
  }

  /** What comes of a response that was ended from this side tells who it is, and when the server is done with it. */
  private drain(state: Life.Ended, event: ResponseEvent.ServerEvent): void {
    if (this.id === undefined) this.id = ResponseEvent.responseId(event)
    if (ResponseEvent.isFailure(event) || ResponseEvent.isEnd(event)) this.state = Life.drained(state)
  }

  private failed(state: Life.Running, event: ResponseEvent.FailureEvent): void {
    const { previousResponseId, redact } = this.options
    const error = wireError.fromFrame(event, {
      redact,
      delivery: Life.delivery(state),
      hasBegun: Life.hasBegun(state),
      // The server chose it, in the response before.
      previousResponseId: previousResponseId === undefined ? undefined : redact(previousResponseId)
    })
    this.end(Life.finished(state, { error, answer: undefined }))
  }

  private done(state: Life.Running, event: ResponseEvent.EndEvent, size: number): void {
    const whole = this.output?.of(event.response)
    const answer = whole && { response: { ...event.response, output: whole.output }, ...whole }
    const ended = Life.finished(state, { error: undefined, answer })
    if (this.reader.isSink()) return this.end(ended, event)
    this.reader.push(event, size)
    this.end(ended)
  }

  /** A response that nobody reads runs on, without a result. */
  private overrun(): void {
    this.output = undefined
    if (this.reader.takesMore()) this.fail(overrun(this.options.maxOutputSize))
  }

  /** The owner is told first, so that the lane is free when the caller reacts to the end. `last` is for a sink. */
  private end(ended: Life.Ended, last?: ResponseEvent.EndEvent): void {
    this.state = ended
    this.output = undefined
    try {
      this.options.onEnd?.(ended.hadBegun)
    } finally {
      if (last !== undefined) this.reader.last(last)
      this.reader.notify()
    }
  }
}

export const make = (options: Options): Exchange => new Exchange(options)

/** What the caller of `open` gets of an exchange. */
export const reading = (exchange: Exchange): Pick<OpenResponse, "events" | "forEach" | "redact" | "result"> => ({
  redact: exchange.redact,
  events: exchange.events,
  forEach: (onEvent) => exchange.forEach(onEvent),
  result: () => exchange.result()
})
