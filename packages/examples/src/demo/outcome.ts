/** Two runs of one task, side by side: what a program is told with `--json`, and by the exit status. */
import { Context } from "effect-responses-server"
import * as Duration from "effect/Duration"
import type { Run, Turn } from "./agent.ts"
import type { Fault } from "./scenario.ts"

export interface Side {
  readonly run: Run
  readonly time: Duration.Duration
  /** WebSockets that were opened. */
  readonly connections: number
}

export interface Summary {
  readonly turns: number
  readonly toolCalls: number
  readonly bytesSent: number
  readonly connections: number
  readonly resentInFull: number
  readonly httpTurns: number
  readonly repairs: number
  readonly millis: number
  readonly medianFirstEventMillis: number
  readonly problem?: string
}

export interface Outcome {
  readonly ok: boolean
  readonly turns: number
  readonly toolCalls: number
  /** `null`: not decided, because the model is not deterministic. */
  readonly sameConversation: boolean | null
  /** Whether the model saw, in every turn of both runs, what the history says; `null` where the server does not tell. */
  readonly wholeHistorySeen: boolean | null
  readonly faults: ReadonlyArray<{ readonly name: string; readonly repaired: boolean }>
  readonly socket: Summary
  readonly http: Summary
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

const sum = (turns: ReadonlyArray<Turn>, of: (turn: Turn) => number): number =>
  turns.reduce((total, turn) => total + of(turn), 0)

/** A connection that ended between two turns is replaced without a word: only the reason for the full input tells. */
const repairs = (turn: Turn): number =>
  turn.recoveries.filter(({ _tag }) => _tag !== "Reconnected").length + (turn.reason?._tag === "NewConnection" ? 1 : 0)

const summary = ({ connections, run: { problem, turns }, time }: Side): Summary => ({
  turns: turns.length,
  toolCalls: sum(turns, (turn) => turn.calls.length),
  bytesSent: sum(turns, (turn) => turn.bytesSent),
  connections,
  resentInFull: sum(turns, (turn) => turn.recoveries.filter(({ _tag }) => _tag === "ResentInFull").length),
  httpTurns: turns.filter(({ transport }) => transport === "http").length,
  repairs: sum(turns, repairs),
  millis: Math.round(Duration.toMillis(time)),
  medianFirstEventMillis: median(turns.map(({ firstEvent }) => Duration.toMillis(firstEvent))),
  ...problem === undefined ? {} : { problem }
})

const wholeHistorySeen = (turns: ReadonlyArray<Turn>): boolean | null => {
  const seen = turns.map((turn) => turn.sawWholeHistory)
  return seen.includes(false) ? false : seen.length > 0 && seen.every((saw) => saw === true) ? true : null
}

/** Ids differ from server to server and mean nothing: what is compared is what a model would see. */
const isSame = (a: Run, b: Run): boolean => Context.hash(a.history) === Context.hash(b.history)

export const make = (options: {
  readonly socket: Side
  readonly http: Side
  readonly faults: ReadonlyArray<Fault>
  /** The same input leads to the same output. */
  readonly deterministic: boolean
}): Outcome => {
  const socket = summary(options.socket)
  const http = summary(options.http)
  const completed = socket.problem === undefined && http.problem === undefined
  const sameConversation = options.deterministic
    ? completed && isSame(options.socket.run, options.http.run)
    : null
  const seen = wholeHistorySeen([...options.socket.run.turns, ...options.http.run.turns])
  const faults = options.faults.map(({ isRepaired, name }) => ({
    name,
    repaired: isRepaired(options.socket.run.turns)
  }))
  return {
    ok: completed && sameConversation !== false && seen !== false && faults.every(({ repaired }) => repaired),
    turns: socket.turns,
    toolCalls: socket.toolCalls,
    sameConversation,
    wholeHistorySeen: seen,
    faults,
    socket,
    http
  }
}
