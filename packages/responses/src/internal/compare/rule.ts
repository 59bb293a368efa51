/** From the rule that a caller chose to what it does. */
import * as Choice from "../../Continuation.ts"
import * as Continuation from "./continuation.ts"

class Custom implements Choice.Rule {
  readonly [Choice.TypeId] = "custom"
  readonly rule: Continuation.Rule

  constructor(rule: Continuation.Rule) {
    this.rule = rule
  }
}

/** A rule of one's own. Tests choose wrong ones, to see that they are noticed. */
export const make = (rule: Continuation.Rule): Choice.Rule => new Custom(rule)

export const of = (choice: Choice.Rule): Continuation.Rule => {
  if (choice instanceof Custom) return choice.rule
  return choice[Choice.TypeId] === "off" ? Continuation.off : Continuation.automatic
}
