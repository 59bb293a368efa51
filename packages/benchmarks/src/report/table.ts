/** What people read in the terminal. */
import type { Goal, Result, Row } from "./result.ts"

const number = (value: number): string =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3)

const cells = (row: Row): ReadonlyArray<string> => [
  row.way,
  `${number(row.median)} ${row.unit}`,
  number(row.min),
  number(row.max),
  row.ratio === undefined ? "" : `${row.ratio.toFixed(2)}x`
]

const table = (head: ReadonlyArray<string>, lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)))
  const write = (line: ReadonlyArray<string>) =>
    `  ${
      line.map((cell, column) => column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)).join(
        "  "
      )
    }`
  return [write(head), ...lines.map(write)].join("\n")
}

const goal = ({ found, goal, met }: Goal): string => `  ${met ? "met    " : "NOT MET"}  ${goal}: ${found}`

export const print = (result: Result): string => {
  const measures = [...new Set(result.rows.map((row) => row.measure))]
  return [
    `\n${result.name}: ${result.what} (${result.seconds.toFixed(0)} s)`,
    ...measures.map((measure) => {
      const rows = result.rows.filter((row) => row.measure === measure)
      return `\n${table([`${measure} (n = ${rows[0]?.n ?? 0})`, "median", "min", "max", "ratio"], rows.map(cells))}`
    }),
    ...(result.goals.length === 0 ? [] : ["", ...result.goals.map(goal)])
  ].join("\n")
}
