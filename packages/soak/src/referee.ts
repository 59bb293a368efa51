/**
 * Writes down what both sides do, shows each turn to the judge once nothing more can come of it, and keeps only counts:
 * a run of any length needs the same memory.
 */
import type { Observation } from "effect-responses-server/Observation"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import { faults } from "./faults.ts"
import { judge } from "./judge.ts"
import type { Traits } from "./layers.ts"
import type { Key, Plan } from "./plan.ts"
import type { Execution, Outcome, Recovery, Seen, Sent, Turn } from "./records.ts"
import { type StrikeKind, strikes } from "./strikes.ts"
import { type UpgradeKind, upgrades } from "./upgrades.ts"

export interface Violation {
  readonly turn: Key
  readonly layer: string
  readonly what: string
}

/** Something that a caller does, which is one request or, with tools, several. */
export interface Attempt {
  /** A response of it went silent. */
  readonly silent: Deferred.Deferred<void>
  wentSilent: boolean
  gaveUp: Turn["gaveUp"]
  /** The history, where the request does not hold it. */
  hash?: string | undefined
}

/** A turn that is not judged yet. */
export interface Open {
  readonly key: Key
  readonly layer: string
  readonly traits: Traits
  readonly attempt: Attempt
  readonly hash: string
  readonly isExplicit: boolean
  readonly text: string
  readonly began: number
  readonly executions: Array<Execution>
  readonly strikes: Set<StrikeKind>
  readonly upgrades: Set<UpgradeKind>
  readonly events: Array<Seen>
  sent: Sent | undefined
  recoveries: ReadonlyArray<Recovery>
  responseId: string | undefined
  outcome: Outcome | undefined
  closedLater: boolean
  besideDrained: boolean
  isSettled: boolean
}

export interface Counts {
  readonly faults: Record<string, number>
  readonly strikes: Record<string, number>
  readonly upgrades: Record<string, number>
  readonly ends: Record<string, number>
  readonly repairs: Record<string, number>
  readonly conduct: Record<string, number>
}

/** What a reader of a violation wants to know next. */
const circumstances = ({ executions, recoveries, sent, strikes: blows, upgrades }: Turn): string => {
  const names = [
    ...executions.map(({ after, fault, items, outcome, responseId, transport }) =>
      `${responseId}: ${fault} after ${after} over ${transport}, ${items} items, ${outcome ?? "no end"}`
    ),
    ...(sent === undefined ? [] : [`sent ${sent.input} (${sent.reason ?? "continued"}) by ${sent.transport}`]),
    ...recoveries.map(({ _tag, end }) => `${_tag} for ${end}`),
    ...[...blows].map((kind) => `struck by ${kind}`),
    ...[...upgrades].map((kind) => `upgrade ${kind}`)
  ]
  return names.length === 0 ? "" : `[${names.join("; ")}]`
}

/** So many turns settle before one is judged: the server may still be at it when its caller has gone. */
const lag = 200

/** What was done to a connection may reach the other end, in this very process, so many turns of the event loop later. */
const reach = 6

/** Whether a Layer goes on to the next response, on another lane, while the one before is still being given. */
const sharesConnections = ({ traits }: Open): boolean =>
  traits.many === true || (traits.drains === true && traits.lanes === true)

const bump = (counts: Record<string, number>, name: string) => {
  counts[name] = (counts[name] ?? 0) + 1
}

export interface Options {
  readonly onAsked: (count: number) => void
  readonly traitsOf: (layer: string) => Traits
  /** The time of the clock by which the library gives up, which is not that of the machine (`clock.ts`). In milliseconds. */
  readonly now: () => number
  /** For so long an upgrade that stalls stands in the way of whoever asks. In milliseconds. */
  readonly stalled: number
}

export const make = (options: Options) => {
  const counts: Counts = { faults: {}, strikes: {}, upgrades: {}, ends: {}, repairs: {}, conduct: {} }
  const violations: Array<Violation> = []
  const attempts = new Map<Key, Attempt>()
  /** Asked, and not judged. */
  const open = new Map<Key, Open>()
  const settled: Array<Open> = []
  const byResponse = new Map<string, Execution>()
  /** Left by their callers, and not by the server. */
  const drained = new Map<string, string>()
  /** What has just happened, for turns that begin meanwhile. */
  const fresh = new Set<
    {
      readonly layer: string | undefined
      readonly mark: (turn: Open) => void
      readonly isOver: (now: number) => boolean
    }
  >()
  let asked = 0
  let judged = 0
  let undisturbed = 0

  const report = (turn: Key, layer: string, what: string) => void violations.push({ turn, layer, what })

  /** `undefined`: every Layer. `lasting`: in milliseconds. */
  const happen = (layer: string | undefined, mark: (turn: Open) => void, lasting = 0): void => {
    const until = options.now() + lasting
    const event = { layer, mark, isOver: (now: number) => lasting > 0 && now > until }
    for (const turn of open.values()) {
      if (!turn.isSettled && (layer === undefined || turn.layer === layer)) mark(turn)
    }
    fresh.add(event)
    let left = reach
    const age = () => {
      if (--left > 0) setImmediate(age)
      else if (lasting === 0) fresh.delete(event)
    }
    setImmediate(age)
  }

  const besideDrained = (layer: string) => happen(layer, (turn) => void (turn.besideDrained = true))

  const judgeNow = (turn: Open) => {
    open.delete(turn.key)
    for (const { responseId } of turn.executions) byResponse.delete(responseId)
    judged++
    if (turn.upgrades.size === 0 && [...turn.strikes].every((kind) => strikes[kind].ends.length === 0)) undisturbed++
    const { attempt, outcome = { _tag: "GaveUp" }, ...rest } = turn
    const record: Turn = { ...rest, outcome, gaveUp: attempt.gaveUp, wentSilent: attempt.wentSilent }
    const end = outcome._tag === "Ended" || outcome._tag === "Failed" ? outcome.end : attempt.gaveUp ?? outcome._tag
    bump(counts.ends, end)
    for (const { _tag } of turn.recoveries) bump(counts.repairs, _tag)
    for (const what of judge(record)) report(turn.key, turn.layer, `${what} ${circumstances(record)}`)
  }

  return {
    counts,
    violations,
    report,
    asked: () => asked,
    judged: () => judged,
    /** Of the turns that were judged: nothing happened meanwhile but their own faults. */
    undisturbed: () => undisturbed,
    running: () => [...open.values()].filter(({ isSettled }) => !isSettled),

    begin: (key: Key, conduct: Plan["conduct"]): Attempt => {
      bump(counts.conduct, conduct._tag === "Listen" && conduct.slow ? "ListenSlowly" : conduct._tag)
      const attempt: Attempt = {
        silent: Deferred.unsafeMake<void>(FiberId.none),
        wentSilent: false,
        gaveUp: undefined
      }
      attempts.set(key, attempt)
      return attempt
    },
    finish: (key: Key) => void attempts.delete(key),

    ask: (key: Key, asking: Pick<Open, "layer" | "hash" | "isExplicit" | "text">): Open => {
      const attempt = attempts.get(key.split("#", 1)[0] ?? key)
      const { layer } = asking
      if (attempt === undefined) throw new Error(`Nobody asks for ${key}`)
      if (open.has(key)) report(key, layer, "asked for twice: a flaw of this program")
      const turn: Open = {
        ...asking,
        key,
        traits: options.traitsOf(layer),
        attempt,
        hash: attempt.hash ?? asking.hash,
        began: performance.now(),
        executions: [],
        strikes: new Set(),
        upgrades: new Set(),
        events: [],
        sent: undefined,
        recoveries: [],
        responseId: undefined,
        outcome: undefined,
        closedLater: false,
        besideDrained: false,
        isSettled: false
      }
      turn.besideDrained = turn.traits.many === true || [...drained.values()].includes(layer)
      open.set(key, turn)
      const now = options.now()
      for (const event of fresh) {
        if (event.isOver(now)) fresh.delete(event)
        else if (event.layer === undefined || event.layer === layer) event.mark(turn)
      }
      options.onAsked(++asked)
      return turn
    },

    settle: (turn: Open): void => {
      if (turn.isSettled) return
      turn.isSettled = true
      settled.push(turn)
      if (turn.outcome?._tag !== "Ended" && sharesConnections(turn)) {
        for (const { outcome, responseId } of turn.executions) {
          if (outcome === undefined) drained.set(responseId, turn.layer)
        }
        besideDrained(turn.layer)
      }
      if (settled.length > lag) settled.splice(0, settled.length - lag).forEach(judgeNow)
    },

    /** `times`: how often the request was given to the model before. */
    times: (key: Key): number => open.get(key)?.executions.length ?? 0,

    executed: (key: Key, execution: Execution): void => {
      const turn = open.get(key)
      bump(counts.faults, execution.fault)
      if (turn === undefined) return report(key, "", `the server ran it as ${execution.responseId}, long after its end`)
      turn.executions.push(execution)
      byResponse.set(execution.responseId, execution)
      if (turn.isSettled && sharesConnections(turn)) {
        drained.set(execution.responseId, turn.layer)
        besideDrained(turn.layer)
      }
      if (faults[execution.fault].isSilent !== true) return
      turn.attempt.wentSilent = true
      Deferred.unsafeDone(turn.attempt.silent, Effect.void)
    },

    /** The server is about to close the connection of a Layer, after a response that has ended. */
    closesLater: (layer: string): void => happen(layer, (turn) => void (turn.closedLater = true)),

    struck: (kind: StrikeKind, layer: string | undefined): void => {
      bump(counts.strikes, kind)
      happen(layer, (turn) => void turn.strikes.add(kind))
    },

    upgraded: (layer: string, kind: UpgradeKind): void => {
      bump(counts.upgrades, kind)
      if (upgrades[kind].ends.length === 0) return
      happen(layer, (turn) => void turn.upgrades.add(kind), kind === "stall" ? options.stalled : 0)
    },

    observe: (observation: Observation): void => {
      if (observation._tag !== "ResponseEnded") return
      const execution = byResponse.get(observation.responseId)
      if (execution === undefined) return
      execution.transport = observation.transport
      execution.outcome = observation.outcome
      const layer = drained.get(observation.responseId)
      if (layer === undefined) return
      drained.delete(observation.responseId)
      besideDrained(layer)
    },

    /** Judges what is left. */
    close: (): void => {
      settled.splice(0).forEach(judgeNow)
      for (const turn of open.values()) judgeNow({ ...turn, outcome: { _tag: "Hung" } })
    }
  }
}

export type Referee = ReturnType<typeof make>
