/** What is to happen in a turn, from the seed and the name of the turn alone: the server and the caller both ask here. */
import * as ResponseItem from "effect-responses/ResponseItem"
import * as ResponseScript from "effect-responses/ResponseScript"
import { type Dice, dice, weighted } from "./dice.ts"
import { afterOf, type FaultKind, faults, kinds } from "./faults.ts"
import type { Traits } from "./layers.ts"

/** What the caller does while it listens. */
export type Conduct =
  /** Takes everything, at once or slowly. */
  | { readonly _tag: "Listen"; readonly slow: boolean }
  /** Takes so many events. */
  | { readonly _tag: "Leave"; readonly events: number }
  /** Is interrupted so many turns of the event loop after it asked. */
  | { readonly _tag: "Interrupt"; readonly turns: number }

export interface Plan {
  readonly fault: FaultKind
  /** Frames that come before the fault. */
  readonly after: number
  /** How often the request may come before it is answered well. */
  readonly times: number
  readonly conduct: Conduct
  /** What the model says; empty where it only calls tools. */
  readonly text: string
  readonly calls: number
  readonly thinks: boolean
  readonly dice: Dice
}

/** `caller.dialogue.turn`, and the round where tools were called in between. */
export type Key = string

const mark = /⟦([^⟧]+)⟧/u

/** Words of the user's that name the turn. */
export const say = (key: Key): ResponseItem.ResponseItem => ResponseItem.user(`⟦${key}⟧ Go on, please.`)

const isOutput = (item: ResponseItem.ResponseItem) => item.type === "function_call_output"

/** Which turn a model is asked for, by what it sees. */
export const keyOf = (items: ReadonlyArray<ResponseItem.ResponseItem>): Key | undefined => {
  const at = items.findLastIndex((item) => item.type === "message" && item.role === "user")
  const user = items[at]
  const [, key] = (user === undefined ? undefined : mark.exec(ResponseItem.text(user))) ?? []
  if (key === undefined) return undefined
  const round = items.slice(at).filter(isOutput).length
  return round === 0 ? key : `${key}#${round}`
}

export const callerOf = (key: Key): number => Number(key.split(".", 1)[0])

const weights = Object.fromEntries(kinds.map((kind) => [kind, faults[kind].weight])) as Record<FaultKind, number>

/** The rest of a silent response holds up a connection that drains for half a minute. */
const drained: Record<FaultKind, number> = { ...weights, silence: 0.05, silenceDeaf: 0.05, unfinished: 0.05 }

/** Where pings are answered it takes long until a silent response is given up, and where they are not is the point. */
const pinged: Record<FaultKind, number> = { ...weights, silence: 0.4, silenceDeaf: 3, unfinished: 0.2 }

/** An error that names neither lane nor response tells nobody whose it is. No server that has lanes is known to send one. */
const named = (all: Record<FaultKind, number>): Record<FaultKind, number> => ({
  ...all,
  errorUntyped: 0,
  errorString: 0
})

const weightsOf = (traits: Pick<Traits, "drains" | "many" | "watch">) =>
  traits.many === true ? named(weightsFor(traits)) : weightsFor(traits)

const weightsFor = ({ drains, watch }: Pick<Traits, "drains" | "watch">) =>
  watch === "pings" ? pinged : drains === true && watch === undefined ? drained : weights

const conduct = (dice: Dice): Conduct => {
  const thrown = dice.next()
  if (thrown < 0.78) return { _tag: "Listen", slow: false }
  if (thrown < 0.86) return { _tag: "Listen", slow: true }
  return thrown < 0.91
    ? { _tag: "Leave", events: 1 + dice.below(12) }
    : { _tag: "Interrupt", turns: dice.below(60) }
}

const filler = "the quick brown fox jumps over the lazy dog and goes home again. "

const words = (key: Key, length: number) =>
  `Answer to ${key}: ${filler.repeat(Math.ceil(length / filler.length)).slice(0, length)}`

export const plan = (seed: number, key: Key, traits: Pick<Traits, "drains" | "many" | "watch">): Plan => {
  const at = dice(seed, "turn", key)
  const fault = weighted(at, weightsOf(traits))
  const after = afterOf(at.pick(faults[fault].places), at)
  const calls = fault === "flood" || !at.chance(0.25) ? 0 : 1 + at.below(2)
  const length = fault === "flood" ? 12_000 : 20 + at.below(300)
  return {
    fault,
    after,
    times: at.chance(0.2) ? 2 : 1,
    conduct: conduct(at),
    text: calls > 0 ? "" : words(key, length),
    calls,
    thinks: at.chance(0.2),
    dice: at
  }
}

/** What the model says in a turn, without the fault. */
export const items = (key: Key, { calls, text, thinks }: Plan): ResponseScript.Turn =>
  ResponseScript.turn([
    ...(thinks ? [ResponseScript.reasoning(`I think of ${key}.`, { encrypted: `secret of ${key}` })] : []),
    ...Array.from({ length: calls }, (_, index) =>
      ResponseScript.toolCall({ name: "look", arguments: { what: key }, callId: `call_${key}_${index}` })),
    ...(text === "" ? [] : [ResponseScript.text(text)])
  ])
