/** The end of the demo: socket beside HTTP, and what follows from it. */
import * as Duration from "effect/Duration"
import type { Outcome, Summary } from "./outcome.ts"
import * as Text from "./text.ts"

type Row = readonly [name: string, socket: string, http: string]

const rows = (outcome: Outcome): ReadonlyArray<Row> => {
  const row = (name: string, of: (summary: Summary) => string): Row => [name, of(outcome.socket), of(outcome.http)]
  return [
    row("turns", ({ turns }) => String(turns)),
    row("tool calls", ({ toolCalls }) => String(toolCalls)),
    row("bytes sent", ({ bytesSent }) => Text.bytes(bytesSent)),
    row("WebSocket connections", ({ connections }) => String(connections)),
    row("repairs", ({ repairs }) => String(repairs)),
    row("  resent in full", ({ resentInFull }) => String(resentInFull)),
    row("turns served over HTTP", ({ httpTurns }) => String(httpTurns)),
    row("time", ({ millis }) => Text.time(Duration.millis(millis))),
    row(
      "median time to first event",
      ({ medianFirstEventMillis }) => Text.time(Duration.millis(medianFirstEventMillis))
    )
  ]
}

type Verdict = readonly [good: boolean | null, text: string]

const verdicts = ({ faults, http, sameConversation, socket, wholeHistorySeen }: Outcome): ReadonlyArray<Verdict> => {
  const repaired = faults.filter((fault) => fault.repaired)
  const broken = faults.filter((fault) => !fault.repaired).map(({ name }) => name)
  const result: Array<Verdict> = []
  for (const [name, { problem }] of [["socket", socket], ["HTTP", http]] as const) {
    if (problem !== undefined) result.push([false, `The ${name} run ended early: ${problem}`])
  }
  if (sameConversation === null) {
    result.push([null, "Whether both conversations are the same is not decided: the model is not deterministic."])
  } else {
    result.push([
      sameConversation,
      sameConversation ? "Both runs ended with the same conversation." : "The runs ended with different conversations."
    ])
  }
  if (wholeHistorySeen !== null) {
    result.push([
      wholeHistorySeen,
      wholeHistorySeen
        ? "In every turn the model saw the whole history."
        : "In some turn the model did not see what the history says."
    ])
  }
  if (faults.length > 0) {
    const missing = broken.length === 0 ? "" : `, but not: ${broken.join(", ")}`
    result.push([
      broken.length === 0,
      `${repaired.length} of ${Text.plural(faults.length, "planned fault")} happened and were repaired${missing}.`
    ])
  }
  if (http.bytesSent > 0) {
    const share = Math.round(socket.bytesSent / http.bytesSent * 100)
    result.push([null, `Over the socket ${share} % of the bytes were sent that HTTP took.`])
  }
  return result
}

export const lines = (outcome: Outcome): ReadonlyArray<ReadonlyArray<Text.Segment>> => {
  const table: ReadonlyArray<Row> = [["", "socket", "http"], ...rows(outcome)]
  const width = (column: 0 | 1 | 2) => Math.max(...table.map((row) => row[column].length))
  const [names, socket, http] = [width(0), width(1), width(2)]
  const formatted = table.map((row, index): ReadonlyArray<Text.Segment> => [
    [`  ${row[0].padEnd(names)}`],
    [`   ${row[1].padStart(socket)}`, index === 0 ? "bold" : "cyan"],
    [`   ${row[2].padStart(http)}`, index === 0 ? "bold" : "yellow"]
  ])
  return [
    ...formatted,
    [],
    ...verdicts(outcome).map(([good, text]): ReadonlyArray<Text.Segment> =>
      good === null ? [[`  · ${text}`]] : [[`  ${good ? "✓" : "×"} `, good ? "green" : "red"], [text]]
    )
  ]
}
