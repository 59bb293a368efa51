/**
 * The state of a conversation together with its journal. What happens changes the state first and is then written. What
 * could not be written waits, and is written before anything else.
 */
import * as Effect from "effect/Effect"
import type { Entry } from "../../ConversationJournal.ts"
import * as FairSemaphore from "../effect/fairSemaphore.ts"
import * as Round from "./round.ts"

export interface Ledger<E> {
  readonly state: () => Round.State
  /** Changes the state, and leaves the writing to the next `write` or `flush`. */
  readonly apply: (entry: Entry) => void
  readonly write: (entry: Entry) => Effect.Effect<void, E>
  readonly flush: Effect.Effect<void, E>
}

const advance = (state: Round.State, entry: Entry): Round.State => {
  const next = Round.step(state, entry)
  if (next === undefined) throw new Error(`effect-responses: ${entry._tag} cannot happen in the state ${state._tag}`)
  return next
}

/** Of a conversation that nothing outlives. */
export const unwritten = (from: Round.State): Ledger<never> => {
  let state = from
  const apply = (entry: Entry): void => {
    state = advance(state, entry)
  }
  return { state: () => state, apply, write: (entry) => Effect.sync(() => apply(entry)), flush: Effect.void }
}

export const written = <E>(
  loaded: Round.State,
  length: number,
  append: (seq: number, entry: Entry) => Effect.Effect<void, E>
): Ledger<E> => {
  const semaphore = FairSemaphore.make()
  const waiting: Array<Entry> = []
  let state = loaded
  let next = length

  const apply = (entry: Entry): void => {
    state = advance(state, entry)
    waiting.push(entry)
  }
  const appendFirst = (entry: Entry) =>
    Effect.map(append(next, entry), () => {
      waiting.shift()
      next++
    })
  const flush = semaphore.withPermit(
    Effect.whileLoop({
      while: () => waiting.length > 0,
      body: () => appendFirst(waiting[0] as Entry),
      step: () => {}
    })
  ).pipe(Effect.uninterruptible)
  return {
    state: () => state,
    apply,
    write: (entry) =>
      Effect.suspend(() => {
        apply(entry)
        return flush
      }),
    flush
  }
}

/** The state that a journal has led to. `undefined`: one of its entries cannot have happened. */
export const replay = (entries: ReadonlyArray<Entry>): Round.State | undefined =>
  entries.reduce<Round.State | undefined>(
    (state, entry) => state && Round.step(state, entry),
    Round.fromHistory([])
  )
