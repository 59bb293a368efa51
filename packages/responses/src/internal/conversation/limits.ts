/** How far one `run` or `resume` has come, and how far it may go. */
import * as Predicate from "effect/Predicate"
import type { Approval } from "../../ConversationApproval.ts"
import { BudgetSpent, TooManyRounds } from "../../ConversationError.ts"
import type { EndedRound, RoundEnded } from "../../ConversationEvent.ts"
import type { FinalResponse } from "../../Responses.ts"
import { InvalidRequest } from "../../ResponsesError.ts"
import type * as Calls from "./calls.ts"

export interface Options {
  readonly maxRounds: number | undefined
  readonly tokenBudget: number | undefined
}

export interface Course {
  /** Why the model may not be asked again. */
  readonly limit: () => TooManyRounds | BudgetSpent | undefined
  readonly answered: (response: FinalResponse) => void
  /** Only these are left to do. */
  readonly held: (approvals: ReadonlyArray<Approval>) => void
  readonly ended: (calls: RoundEnded["calls"], open: ReadonlyArray<Calls.Call>) => EndedRound
}

interface Checked extends Options {
  readonly concurrency: number | undefined
}

const isWhole = (value: number): boolean => value === Infinity || (Number.isInteger(value) && value > 0)

const problems: ReadonlyArray<
  readonly [field: keyof Checked, isLimit: (value: number) => boolean, description: string]
> = [
  ["maxRounds", isWhole, "is not a whole number from 1 on"],
  ["tokenBudget", (value) => value > 0, "is not a number above 0"],
  ["concurrency", isWhole, "is not a whole number from 1 on"]
]

/** What is wrong with them. A limit that lets nothing pass would look like one that was reached. */
export const problemOf = (options: Checked): InvalidRequest | undefined => {
  const found = problems.find(([field, isLimit]) => {
    const value: unknown = options[field]
    return value !== undefined && !(Predicate.isNumber(value) && isLimit(value))
  })
  return found && new InvalidRequest({ field: found[0], description: found[2] })
}

export const begin = (
  { maxRounds = 100, tokenBudget = Number.POSITIVE_INFINITY }: Options,
  onResponse: (response: FinalResponse) => void,
  held: Course["held"]
): Course => {
  let asked = 0
  let spent = 0
  let rounds = 0
  /** Of the round that has not ended. */
  let latest: FinalResponse | undefined
  return {
    limit: () => {
      if (asked >= maxRounds) return new TooManyRounds({ rounds: maxRounds })
      return spent < tokenBudget ? undefined : new BudgetSpent({ budget: tokenBudget, spent, rounds: asked })
    },
    answered: (response) => {
      asked++
      spent += response.usage?.total_tokens ?? 0
      latest = response
      onResponse(response)
    },
    held,
    ended: (calls, open) => {
      const response = latest
      latest = undefined
      return {
        round: ++rounds,
        responseId: response?.id,
        usage: response?.usage ?? undefined,
        calls,
        output: response?.output ?? open
      }
    }
  }
}
