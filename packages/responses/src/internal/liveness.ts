/** Whether the other side still lives: whatever comes is a sign of life, and where nothing comes it is asked for one. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface Options {
  readonly clock: Clock.Clock
  readonly ping: () => void
  /** How long the answer to a ping may take. */
  readonly timeout: Duration.Duration
  /** A ping would wait behind something large, or its answer could not be heard. */
  readonly isDeaf: () => boolean
  readonly onDead: () => void
}

export class Liveness {
  readonly #options: Options
  #heardAt: number
  /** Of pings that were not answered yet. */
  #answered: ReadonlyArray<() => void> = []

  constructor(options: Options) {
    this.#options = options
    this.#heardAt = options.clock.unsafeCurrentTimeMillis()
  }

  /** Something came. */
  hear(): void {
    this.#heardAt = this.#options.clock.unsafeCurrentTimeMillis()
    this.end()
  }

  /** When something last came, in milliseconds of the clock. */
  heardAt(): number {
    return this.#heardAt
  }

  /** Asks, if nothing has come for so long, and waits for the answer. */
  check(silence: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { clock, isDeaf } = this.#options
      return clock.unsafeCurrentTimeMillis() - this.#heardAt < Duration.toMillis(silence) || isDeaf()
        ? Effect.void
        : this.#ask()
    })
  }

  /** Asks whenever nothing has come for so long. */
  watch(silence: Duration.Duration): Effect.Effect<never> {
    return Effect.suspend(() => {
      const wait = this.#heardAt + Duration.toMillis(silence) - this.#options.clock.unsafeCurrentTimeMillis()
      return Effect.sleep(wait > 0 ? wait : silence)
    }).pipe(Effect.zipRight(this.check(silence)), Effect.forever)
  }

  /** Nothing more comes, so nobody need wait for it. */
  end(): void {
    if (this.#answered.length === 0) return
    const waiting = this.#answered
    this.#answered = []
    for (const answered of waiting) answered()
  }

  /** Each ping has a timer of its own: a later one must not put off the end of an earlier one. */
  #ask(): Effect.Effect<void> {
    const { isDeaf, onDead, ping, timeout } = this.#options
    return Effect.async<void>((resume) => {
      const answered = () => resume(Effect.void)
      this.#answered = [...this.#answered, answered]
      ping()
      return Effect.sync(() => {
        this.#answered = this.#answered.filter((one) => one !== answered)
      })
    }).pipe(
      Effect.timeoutTo({ duration: timeout, onSuccess: () => {}, onTimeout: () => isDeaf() ? undefined : onDead() })
    )
  }
}
