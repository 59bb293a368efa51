/**
 * The reader of one response: how its events are taken, and the events that wait for it.
 *
 * ```
 * None ──events are run──▶ Stream ──scope closed──▶ Gone
 * None ──forEach is run──▶ Sink ──interrupted, callback threw──▶ Gone
 * None, Stream ──more waits than there is room for──▶ Over(error)
 * None, Over ──scope closed──▶ Gone          Gone, Over: nothing is kept
 * ```
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ResponseEvent } from "../../ResponseEvent.ts"
import type { ResponsesError } from "../../ResponsesError.ts"

type OnEvent = (event: ResponseEvent) => void

type State =
  | { readonly _tag: "None" }
  | { readonly _tag: "Stream" }
  | { readonly _tag: "Sink"; readonly call: OnEvent }
  | { readonly _tag: "Over"; readonly error: ResponsesError }
  | { readonly _tag: "Gone" }

const none: State = { _tag: "None" }
const stream: State = { _tag: "Stream" }
const gone: State = { _tag: "Gone" }

/** The response that is read. */
export interface Source {
  readonly hasEnded: () => boolean
  /** The failure that ended it. */
  readonly error: () => ResponsesError | undefined
  /** The caller was behind, and has taken what waited, or has left. */
  readonly onCaughtUp: () => void
}

const readTwice = "The events of a response can be read once"

const readTooLate = "The events of a response were read after its scope was closed"

/** In characters: some thousand small events, or one image. */
export const highWaterMark = 1 << 20

const nothing: ReadonlyArray<ResponseEvent> = []

export class Reader {
  private state: State = none
  /** `undefined` while nothing waits: most responses that have not begun have nothing. */
  private batch: Array<ResponseEvent> | undefined
  private unread = 0
  private wake: (() => void) | undefined
  private readonly source: Source

  constructor(source: Source) {
    this.source = source
  }

  /** Whether what comes from now on is for anybody. */
  takesMore(): boolean {
    return this.state !== gone && this.state._tag !== "Over"
  }

  /** Of the events that wait, in characters. */
  size(): number {
    return this.unread
  }

  isBehind(): boolean {
    return this.unread >= highWaterMark
  }

  /** `size` in characters. */
  push(event: ResponseEvent, size: number): void {
    if (this.state._tag === "Sink") return this.state.call(event)
    if (!this.takesMore()) return
    if (this.batch === undefined) this.batch = [event]
    else this.batch.push(event)
    this.unread += size
  }

  /** The last event of a response that has ended: the source has been told by now. */
  last(event: ResponseEvent): void {
    if (this.state._tag === "Sink") this.state.call(event)
  }

  isSink(): boolean {
    return this.state._tag === "Sink"
  }

  /** Has the fiber that waits look again. */
  notify(): void {
    this.wake?.()
  }

  leave(): void {
    this.state = gone
    this.take()
  }

  /** What waits is thrown away, and the reader fails. A sink has nothing that waits. */
  overflow(error: ResponsesError): void {
    if (this.state._tag !== "None" && this.state._tag !== "Stream") return
    this.state = { _tag: "Over", error }
    this.take()
    this.notify()
  }

  get events(): Stream.Stream<ResponseEvent, ResponsesError> {
    return Stream.suspend(() => {
      if (this.state._tag === "Stream" || this.state._tag === "Sink") return Stream.dieMessage(readTwice)
      if (this.state === none) this.state = stream
      return Stream.fromChannel(this.next())
    })
  }

  forEach(onEvent: OnEvent): Effect.Effect<void, ResponsesError> {
    return Effect.async((resume) => {
      if (this.state._tag === "Over") return resume(Effect.fail(this.state.error))
      if (this.state !== none) {
        return resume(Effect.dieMessage(this.state === gone ? readTooLate : readTwice))
      }
      const call: OnEvent = (event) => {
        try {
          onEvent(event)
        } catch (defect) {
          this.wake = undefined
          this.leave()
          resume(Effect.die(defect))
        }
      }
      // Events that arrive while the batch is handed over are put behind it.
      this.state = stream
      while (this.batch !== undefined) {
        for (const event of this.take()) {
          call(event)
          if (!this.takesMore()) return
        }
      }
      this.state = { _tag: "Sink", call }
      this.whenReady(() => this.source.hasEnded(), () => {
        const error = this.source.error()
        resume(error === undefined ? Effect.void : Effect.fail(error))
      })
      return Effect.sync(() => this.leave())
    })
  }

  until(isReady: () => boolean): Effect.Effect<void> {
    return Effect.async<void>((resume) => this.whenReady(isReady, () => resume(Effect.void)))
  }

  /**
   * One fiber waits at a time. No canceller is needed: resuming an interrupted fiber is a no-op. The condition is looked at
   * when the fiber registers, as events may arrive while it is on its way here.
   */
  whenReady(isReady: () => boolean, resume: () => void): void {
    const look = () => {
      if (!isReady()) return
      this.wake = undefined
      resume()
    }
    this.wake = look
    look()
  }

  private take(): ReadonlyArray<ResponseEvent> {
    const taken = this.batch ?? nothing
    this.batch = undefined
    const wasBehind = this.isBehind()
    this.unread = 0
    if (wasBehind) this.source.onCaughtUp()
    return taken
  }

  private hasMore(): boolean {
    return this.batch !== undefined || this.source.hasEnded() || !this.takesMore()
  }

  private next(): Channel.Channel<Chunk.Chunk<ResponseEvent>, unknown, ResponsesError, unknown, void> {
    return Channel.suspend(() => {
      if (this.state === gone) return Channel.fromEffect(Effect.dieMessage(readTooLate))
      if (this.state._tag === "Over") return Channel.fail(this.state.error)
      if (!this.hasMore()) {
        return Channel.flatMap(Channel.fromEffect(this.until(() => this.hasMore())), () => this.next())
      }
      const chunk = Channel.write(Chunk.unsafeFromArray(this.take()))
      if (!this.source.hasEnded()) return Channel.flatMap(chunk, () => this.next())
      const error = this.source.error()
      return Channel.flatMap(chunk, () => error === undefined ? Channel.void : Channel.fail(error))
    })
  }
}
