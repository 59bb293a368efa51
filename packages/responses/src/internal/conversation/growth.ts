/** Keeps a history small: by what the server makes of it, and by what a function of the caller's makes of it. */
import * as Effect from "effect/Effect"
import { PendingRound } from "../../ConversationError.ts"
import type { Entry } from "../../ConversationJournal.ts"
import { compactionTrigger, type ResponseItem } from "../../ResponseItem.ts"
import type * as Responses from "../../Responses.ts"
import { MalformedEvent, type ResponsesError } from "../../ResponsesError.ts"
import type { Ledger } from "./ledger.ts"
import * as Round from "./round.ts"
import type * as StoredResponse from "./storedResponse.ts"
import * as Trim from "./trim.ts"
import * as Window from "./window.ts"

/** Not while calls are open. */
export const trim = <E>(
  ledger: Ledger<E>,
  trim: Trim.Trim | undefined
): Effect.Effect<void, ResponsesError | E, Responses.Responses> =>
  Effect.suspend(() => {
    const state = ledger.state()
    if (trim === undefined || state._tag === "Answering") return Effect.void
    return Effect.flatMap(Trim.run(trim, state.history), (history) =>
      history === undefined ? Effect.void : ledger.write({ _tag: "Compacted", history }))
  })

export const pendingRound = (state: Round.State): PendingRound =>
  new PendingRound({
    calls: [
      ...Round.open(state).map(({ approval, call, isBegun }) => ({
        callId: call.call_id,
        name: call.name,
        isBegun,
        isHeld: approval === "held"
      })),
      ...Round.openRequests(state).map(({ id, name }) => ({ callId: id, name, isBegun: false, isHeld: true }))
    ]
  })

const without = (id: string): MalformedEvent =>
  new MalformedEvent({
    description: "an answer to a compaction trigger that has no compaction in it",
    frame: JSON.stringify({ type: "response.completed", response: { id } }),
    delivery: "partial"
  })

/** Asks, and writes down what was said. */
type Ask<E> = (
  input: ReadonlyArray<ResponseItem>,
  toEntry: (said: StoredResponse.Written) => Entry,
  onResponse: (response: Responses.FinalResponse) => void
) => Effect.Effect<void, ResponsesError | E>

/** Has the server compact the history. */
export const compact = <E>(
  ledger: Ledger<E>,
  ask: Ask<E>
): Effect.Effect<void, ResponsesError | PendingRound | E> =>
  Effect.suspend((): Effect.Effect<void, ResponsesError | PendingRound | E> => {
    const state = ledger.state()
    if (Round.isUnfinished(state)) return Effect.fail(pendingRound(state))
    const { history } = state
    if (history.length === 0) return Effect.void
    let missing: MalformedEvent | undefined
    const asked = ask(
      [...history, compactionTrigger],
      ({ output, ...said }) =>
        output.some(Window.isCompaction)
          ? { _tag: "Compacted", history: Window.make([...history, ...output]), ...said }
          : { _tag: "Compacted", history },
      ({ id, output }) => {
        if (!output.some(Window.isCompaction)) missing = without(id)
      }
    )
    return Effect.flatMap(asked, () => missing === undefined ? Effect.void : Effect.fail(missing))
  })
