/** Whether the other side still lives: whatever comes is a sign of life, and where nothing comes it is asked for one. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Time } from "../effect/time.ts"

export interface Options {
  readonly time: Time
  readonly ping: () => void
  /** How long the answer to a ping may take. */
  readonly timeout: Duration.Duration
  /** A ping would wait behind something large, or its answer could not be heard. */
  readonly isDeaf: () => boolean
  readonly onDead: () => void
}

export interface Liveness {
  /** Something came. */
  readonly hear: () => void
  /** When something last came, as a time of `Time.now`. */
  readonly heardAt: () => number
  /** Whether something has come lately, or cannot be expected. */
  readonly isFresh: (silence: Duration.Duration) => boolean
  /** Asks, if it is not, and waits for the answer. */
  readonly check: (silence: Duration.Duration) => Effect.Effect<void>
  /** Asks whenever nothing has come for so long. */
  readonly watch: (silence: Duration.Duration) => Effect.Effect<void>
  /** Nothing more comes, so nobody need wait for it. */
  readonly end: () => void
}

export const make = (options: Options): Liveness => {
  const { isDeaf, onDead, ping, time, timeout } = options
  let heardAt = time.now()
  let hearing = false
  let waiting: ReadonlyArray<() => void> = []

  const end = () => {
    if (waiting.length === 0) return
    for (const resume of waiting) resume()
    waiting = []
  }

  /** What comes in one tick is heard at its end: to ask for the time would cost each event of a burst more than all else. */
  const heard = () => {
    hearing = false
    heardAt = time.now()
  }

  const hear = () => {
    if (!hearing) {
      hearing = true
      queueMicrotask(heard)
    }
    end()
  }

  const latest = () => hearing ? time.now() : heardAt

  /** Each ping has a timer of its own: a later one must not put off the end of an earlier one. */
  const ask = () =>
    Effect.async<void>((resume) => {
      const answered = () => resume(Effect.void)
      waiting = [...waiting, answered]
      ping()
      return Effect.sync(() => {
        waiting = waiting.filter((one) => one !== answered)
      })
    }).pipe(
      Effect.timeoutTo({ duration: timeout, onSuccess: () => {}, onTimeout: () => isDeaf() ? undefined : onDead() })
    )

  const isFresh = (silence: Duration.Duration) => time.now() - latest() < Duration.toMillis(silence) || isDeaf()

  const check = (silence: Duration.Duration) => Effect.suspend(() => isFresh(silence) ? Effect.void : ask())

  const watch = (silence: Duration.Duration): Effect.Effect<void> =>
    Effect.suspend(() => {
      const wait = latest() + Duration.toMillis(silence) - time.now()
      return Effect.sleep(wait > 0 ? wait : silence)
    }).pipe(Effect.zipRight(check(silence)), Effect.forever)

  return { hear, heardAt: latest, isFresh, check, watch, end }
}
