/**
 * One request and the response to it. The connection's reader puts events in, synchronously, and the caller takes them out.
 *
 * ```
 * Waiting ──created, progress, output──▶ Begun ──end, failure──▶ Ended
 * Waiting ──failure, end──▶ Ended
 *
 * the caller:  None ──▶ Stream | Sink ──▶ Gone      None ──▶ Gone
 * ```
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { FinalResponse, OpenResponse } from "../../Responses.ts"
import { ConnectionError, type Delivery, type ResponsesError } from "../../ResponsesError.ts"
import * as wireError from "../wire/wireError.ts"
import * as Output from "./output.ts"
import type * as Witnesses from "./witnesses.ts"

export interface Options {
  readonly previousResponseId?: string | undefined
  /** How much of the output is kept, in characters of its events. */
  readonly maxOutputSize: number
  /** The caller is behind (`true`), or has caught up. */
  readonly onPressure: (behind: boolean) => void
  /** Takes the key out of what a server says. */
  readonly redact: (text: string) => string
  /** Called once, when the exchange has ended and before the caller is told. */
  readonly onEnd?: ((hasBegun: boolean) => void) | undefined
}

type OnEvent = (event: ResponseEvent.ResponseEvent) => void

export type Failure = (delivery: Delivery, hasBegun: boolean) => ResponsesError

/** What a response says at its end. */
export interface Answer extends Witnesses.Whole {
  readonly response: FinalResponse
}

export interface Exchange {
  /** Takes the secrets of the request out of a text. */
  readonly redact: Options["redact"]
  /** `size` in characters. */
  readonly offer: (event: ResponseEvent.ServerEvent, size: number) => void
  /** Ends the exchange from this side. Has no effect after the end. */
  readonly fail: (error: Failure) => void
  readonly hasBegun: () => boolean
  /** The server has sent the last event of the response. */
  readonly isFinished: () => boolean
  /** Either side has ended the exchange. */
  readonly hasEnded: () => boolean
  /** The failure that ended it. */
  readonly error: () => ResponsesError | undefined
  /** Events that wait for the caller, in characters. */
  readonly size: () => number
  /** Set by the first event that has it. */
  readonly responseId: () => string | undefined
  /** The response as it stands at its end, if it ended `completed` or `incomplete` and was kept. */
  readonly result: () => FinalResponse | undefined
  /** The result, and other spellings that the server sent of items of its output. */
  readonly answer: () => Answer | undefined
  /** Waits until the response begins, and gives its id if the server has said it. */
  readonly started: Effect.Effect<string | undefined, ResponsesError>
  /** Either this or `forEach` can be run, once. */
  readonly events: Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError>
  /** Has the reader call a function with each event, and waits for the end. */
  readonly forEach: (onEvent: OnEvent) => Effect.Effect<void, ResponsesError>
  /** The caller takes no more events: nothing is kept for it, and it holds nobody up. */
  readonly abandon: () => void
  /** Waits for the end. */
  readonly ended: Effect.Effect<void>
}

const readTwice = "The events of a response can be read once"

const readTooLate = "The events of a response were read after its scope was closed"

/** In characters: some thousand small events, or one image. */
const highWaterMark = 1 << 20

/** The limit, in characters, of the events that are held until a response begins. The caller cannot read them before. */
export const maxBeforeBeginning = 16 * highWaterMark

/** Above the largest ordinary answer: 128,000 tokens one by one are 29 Mi characters, images some more. */
export const defaultMaxOutputSize = 64 * highWaterMark

type End = { readonly _tag: "Done" } | { readonly _tag: "Failed"; readonly error: ResponsesError }

type Life =
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Begun" }
  | { readonly _tag: "Ended"; readonly end: End; readonly byServer: boolean; readonly hadBegun: boolean }

const waiting: Life = { _tag: "Waiting" }
const begun: Life = { _tag: "Begun" }

type Caller = { readonly _tag: "None" | "Stream" | "Gone" } | { readonly _tag: "Sink"; readonly call: OnEvent }

const none: Caller = { _tag: "None" }
const stream: Caller = { _tag: "Stream" }
const gone: Caller = { _tag: "Gone" }

/** An event of an unknown type begins a response only if it names one: vendors send news about the connection, too. */
const isBeginning = (event: ResponseEvent.ResponseEvent): boolean =>
  !ResponseEvent.isUnknown(event) || ResponseEvent.responseId(event) !== undefined

const overrun = (limit: number) => (delivery: Delivery) =>
  new ConnectionError({
    reason: "Overrun",
    delivery,
    description: `The server put out more than the ${limit} characters that are kept of one response (maxOutputSize)`
  })

class ExchangeImpl implements Exchange {
  private life: Life = waiting
  private caller: Caller = none
  private id: string | undefined
  private hasOutput = false
  private batch: Array<ResponseEvent.ResponseEvent> = []
  private unread = 0
  private final: Answer | undefined
  /** `undefined` once nothing is kept of it any more. */
  private output: Output.Output | undefined = Output.make()
  readonly redact: Options["redact"]
  private readonly options: Options
  private wake: (() => void) | undefined

  constructor(options: Options) {
    this.options = options
    this.redact = options.redact
  }

  offer(event: ResponseEvent.ServerEvent, size: number): void {
    if (this.life._tag === "Ended") return
    if (ResponseEvent.isFailure(event)) return this.failed(event)
    if (this.id === undefined) this.id = ResponseEvent.responseId(event)
    if (this.life === waiting && isBeginning(event)) this.life = begun
    if (!this.hasOutput && ResponseEvent.isOutput(event)) this.hasOutput = true
    this.output?.add(event, size)
    if (ResponseEvent.isEnd(event)) return this.done(event, size)
    if (this.output !== undefined && this.output.size() > this.options.maxOutputSize) return this.overrun()
    if (this.caller._tag === "Sink") return this.caller.call(event)
    this.keep(event, size)
    // The socket is not paused before the response begins: its first event may still be unread.
    if (this.unread >= highWaterMark && this.life === begun) this.options.onPressure(true)
    this.wake?.()
  }

  fail(error: Failure): void {
    if (this.life._tag === "Ended") return
    this.finish({ _tag: "Failed", error: error(this.delivery(), this.hasBegun()) }, false)
  }

  hasBegun(): boolean {
    return this.life._tag === "Ended" ? this.life.hadBegun : this.life === begun
  }

  isFinished(): boolean {
    return this.life._tag === "Ended" && this.life.byServer
  }

  hasEnded(): boolean {
    return this.life._tag === "Ended"
  }

  error(): ResponsesError | undefined {
    return this.life._tag === "Ended" && this.life.end._tag === "Failed" ? this.life.end.error : undefined
  }

  size(): number {
    return this.unread
  }

  responseId(): string | undefined {
    return this.id
  }

  result(): FinalResponse | undefined {
    return this.final?.response
  }

  answer(): Answer | undefined {
    return this.final
  }

  get started(): Effect.Effect<string | undefined, ResponsesError> {
    return Effect.async((resume) =>
      this.whenReady(() => this.life !== waiting, () => {
        const error = this.hasBegun() ? undefined : this.error()
        resume(error === undefined ? Effect.succeed(this.id) : Effect.fail(error))
      })
    )
  }

  get events(): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError> {
    return Stream.suspend(() => {
      if (this.caller._tag === "Stream" || this.caller._tag === "Sink") return Stream.dieMessage(readTwice)
      if (this.caller === none) this.caller = stream
      return Stream.fromChannel(this.next())
    })
  }

  forEach(onEvent: OnEvent): Effect.Effect<void, ResponsesError> {
    return Effect.async((resume) => {
      if (this.caller !== none) {
        return resume(Effect.dieMessage(this.caller === gone ? readTooLate : readTwice))
      }
      const settle = () => {
        const error = this.error()
        resume(error === undefined ? Effect.void : Effect.fail(error))
      }
      const sink: Caller = {
        _tag: "Sink",
        call: (event) => {
          try {
            onEvent(event)
          } catch (defect) {
            this.wake = undefined
            this.abandon()
            resume(Effect.die(defect))
          }
        }
      }
      // Events that come while the batch is handed over are put behind it.
      this.caller = stream
      while (this.batch.length > 0) {
        for (const event of this.take()) {
          sink.call(event)
          if (this.hasLeft()) return
        }
      }
      this.caller = sink
      this.whenReady(() => this.hasEnded(), settle)
      return Effect.sync(() => this.abandon())
    })
  }

  abandon(): void {
    this.caller = gone
    this.take()
  }

  get ended(): Effect.Effect<void> {
    return this.until(() => this.hasEnded())
  }

  private delivery(): Delivery {
    return this.hasOutput && this.hasBegun() ? "partial" : "unacknowledged"
  }

  private failed(event: ResponseEvent.FailureEvent): void {
    const { previousResponseId, redact } = this.options
    const error = wireError.fromFrame(event, {
      redact,
      delivery: this.delivery(),
      hasBegun: this.hasBegun(),
      // The server chose it, in the response before.
      previousResponseId: previousResponseId === undefined ? undefined : redact(previousResponseId)
    })
    this.finish({ _tag: "Failed", error }, true)
  }

  private done(event: ResponseEvent.EndEvent, size: number): void {
    const whole = this.output?.of(event.response)
    if (whole !== undefined) {
      this.final = { response: { ...event.response, output: whole.output }, ...whole }
    }
    if (this.caller._tag !== "Sink") this.keep(event, size)
    this.finish({ _tag: "Done" }, true, event)
  }

  /** A response that nobody reads runs on, without a result. */
  private overrun(): void {
    this.output = undefined
    if (this.caller !== gone) this.fail(overrun(this.options.maxOutputSize))
  }

  /** The owner is told first, so that the lane is free when the caller reacts to the end. */
  private finish(end: End, byServer: boolean, last?: ResponseEvent.EndEvent): void {
    this.life = { _tag: "Ended", end, byServer, hadBegun: this.hasBegun() }
    this.output = undefined
    try {
      this.options.onEnd?.(this.life.hadBegun)
    } finally {
      if (last !== undefined && this.caller._tag === "Sink") this.caller.call(last)
      this.wake?.()
    }
  }

  private keep(event: ResponseEvent.ResponseEvent, size: number): void {
    if (this.caller === gone) return
    this.batch.push(event)
    this.unread += size
  }

  private take(): Array<ResponseEvent.ResponseEvent> {
    const taken = this.batch
    this.batch = []
    if (this.unread >= highWaterMark) this.options.onPressure(false)
    this.unread = 0
    return taken
  }

  private hasLeft(): boolean {
    return this.caller === gone
  }

  private hasEvents(): boolean {
    return this.batch.length > 0 || this.hasEnded()
  }

  private next(): Channel.Channel<Chunk.Chunk<ResponseEvent.ResponseEvent>, unknown, ResponsesError, unknown, void> {
    return Channel.suspend(() => {
      if (this.caller === gone) return Channel.fromEffect(Effect.dieMessage(readTooLate))
      if (!this.hasEvents()) {
        return Channel.flatMap(Channel.fromEffect(this.until(() => this.hasEvents())), () => this.next())
      }
      const chunk = Channel.write(Chunk.unsafeFromArray(this.take()))
      if (!this.hasEnded()) return Channel.flatMap(chunk, () => this.next())
      const error = this.error()
      return Channel.flatMap(chunk, () => error === undefined ? Channel.void : Channel.fail(error))
    })
  }

  private until(isReady: () => boolean): Effect.Effect<void> {
    return Effect.async<void>((resume) => this.whenReady(isReady, () => resume(Effect.void)))
  }

  /**
   * One fiber waits at a time. No canceller is needed: resuming an interrupted fiber is a no-op. The condition is looked at
   * when the fiber registers, as events may come while it is on its way here.
   */
  private whenReady(isReady: () => boolean, resume: () => void): void {
    const look = () => {
      if (!isReady()) return
      this.wake = undefined
      resume()
    }
    this.wake = look
    look()
  }
}

export const make = (options: Options): Exchange => new ExchangeImpl(options)

/** What the caller of `open` gets of an exchange. */
export const reading = (exchange: Exchange): Pick<OpenResponse, "events" | "forEach" | "result" | "redact"> => ({
  redact: exchange.redact,
  events: exchange.events,
  forEach: (onEvent) => exchange.forEach(onEvent),
  result: () => exchange.result()
})
