/** What a person reads about a turn. The live view and the plain one say the same. */
import type { Continuation, ResponsesTelemetry } from "effect-responses"
import type { Turn } from "./agent.ts"
import * as Text from "./text.ts"

type Segment = Text.Segment

const why = (reason: Continuation.FullReason): string => {
  switch (reason._tag) {
    case "First":
      return "first"
    case "NewConnection":
      return "new connection"
    case "Forgotten":
      return "forgotten"
    case "ChainingRefused":
      return "refused"
    case "FieldsChanged":
      return `${reason.fields.join(", ")} changed`
    case "HistoryChanged":
      return `item ${reason.index} changed`
    case "PendingCalls":
      return "calls unanswered"
    case "NothingNew":
      return "nothing new"
    default:
      return "as given"
  }
}

const columns = { number: 3, transport: 6, input: 20, sent: 9, first: 9 }

/** Where a line goes on that belongs to the turn above it. */
export const indent = " ".repeat(columns.number + 2)

export const header: ReadonlyArray<Segment> = [
  [
    [
      "#".padStart(columns.number),
      "over".padEnd(columns.transport),
      "input".padEnd(columns.input),
      "sent".padStart(columns.sent),
      "1st event".padStart(columns.first),
      "tool calls"
    ].join("  "),
    "dim"
  ]
]

export const sending = (number: number, sent: ResponsesTelemetry.Sending): ReadonlyArray<Segment> => {
  const { bytesSent, firstEvent, input, reason, transport } = sent
  const isFull = input === "full"
  const text = isFull && reason !== undefined && transport === "websocket" ? `${input}: ${why(reason)}` : input
  return [
    [`${String(number).padStart(columns.number)}  `, "dim"],
    [
      `${(transport === "websocket" ? "socket" : "http").padEnd(columns.transport)}  `,
      transport === "http" ? "yellow" : "cyan"
    ],
    [`${text.padEnd(columns.input)}  `, isFull ? "magenta" : "green"],
    [`${Text.bytes(bytesSent).padStart(columns.sent)}  `],
    [`${Text.time(firstEvent).padStart(columns.first)}  `, "dim"]
  ]
}

export const waiting = (number: number): string => `${String(number).padStart(columns.number)}  …`

/** A model may call with anything, and an object is not always text. */
const shown = (value: unknown): string => typeof value === "object" && value !== null ? "…" : String(value)

/** As it was called in a program, for the eye: `search_logs(checkout, error, 16)`. */
const called = ({ arguments: json, name }: Turn["calls"][number]): string => {
  let args: unknown
  try {
    args = JSON.parse(json)
  } catch {
    args = [json]
  }
  return `${name}(${Object.values(Object(args)).map(shown).join(", ")})`
}

export const calls = (turn: Turn): ReadonlyArray<Segment> => [[turn.calls.map(called).join("  ")]]

export const ended = (turn: Turn): ReadonlyArray<Segment> => [
  ...sending(turn.number, turn),
  ...turn.calls.length === 0 ? [["answers", "bold"] as const] : calls(turn)
]

export const fault = (says: string): ReadonlyArray<Segment> => [[`${indent}× ${says}`, "red"]]

const repaired = (recovery: ResponsesTelemetry.Recovery): string => {
  switch (recovery._tag) {
    case "ResentInFull":
      return `sent again in full (${recovery.error.description})`
    case "Reconnected":
      return `sent again on a new connection (${recovery.error.description})`
    default:
      return `served over HTTP instead (${recovery.error.description})`
  }
}

/** Known as soon as the server begins to answer. */
export const repairs = (sent: ResponsesTelemetry.Sending): ReadonlyArray<ReadonlyArray<Segment>> => {
  const texts = sent.recoveries.map(repaired)
  if (sent.reason?._tag === "NewConnection") texts.push("a new connection was opened, and has to be told everything")
  return texts.map((text) => [[`${indent}✓ ${text}`, "green"]])
}

export const problem = (text: string): ReadonlyArray<Segment> => [[`${indent}× ${text}`, "red"]]
