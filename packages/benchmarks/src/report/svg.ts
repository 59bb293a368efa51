/** A chart of each measure: the medians as bars, the least and the most as a line across them. */
import * as Plot from "@observablehq/plot"
import { parseHTML } from "linkedom"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Result, Row } from "./result.ts"

const isOurs = ({ way }: Row): boolean => /^(?:Responses|Stream|effect-responses|same|fresh|recycle|callers)/.test(way)

const label = (row: Row): string =>
  `${row.median.toPrecision(3)} ${row.unit}${row.ratio === undefined ? "" : `  (${row.ratio.toFixed(2)}x)`}`

const chart = (rows: ReadonlyArray<Row>, title: string): string => {
  const { document } = parseHTML("<html><body></body></html>")
  const most = Math.max(...rows.map((row) => row.median))
  // Where one way is far out, its bar would hide what is to be seen of the others.
  const least = Math.min(...rows.map((row) => row.median))
  const type = most / least > 50 ? "log" as const : "linear" as const
  const figure = Plot.plot({
    document,
    className: "chart",
    width: 860,
    height: 90 + rows.length * 26,
    marginTop: 50,
    marginLeft: 230,
    marginRight: 150,
    style: { background: "white", color: "#222", fontFamily: "sans-serif", fontSize: "12px" },
    x: {
      label: rows[0]?.unit ?? "",
      grid: true,
      type,
      ...type === "log" ? { domain: [least / 2, most * 1.5] } : { domain: [0, most * 1.05] }
    },
    y: { label: null, domain: rows.map((row) => row.way) },
    marks: [
      Plot.text([title], { frameAnchor: "top-left", dx: -220, dy: -42, fontSize: 15, fontWeight: "bold" }),
      Plot.barX(rows, {
        x1: type === "log" ? least / 2 : 0,
        x2: "median",
        y: "way",
        fill: (row: Row) => isOurs(row) ? "#4269d0" : "#b8bcc6"
      }),
      Plot.ruleY(rows, { x1: "min", x2: (row: Row) => Math.min(row.max, most * 1.05), y: "way", stroke: "#222" }),
      Plot.text(rows, { x: most * (type === "log" ? 1.5 : 1.05), y: "way", text: label, textAnchor: "start", dx: 8 })
    ]
  })
  figure.setAttribute("xmlns", "http://www.w3.org/2000/svg")
  return figure.outerHTML
}

const fileName = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "")

/** The names of the files. */
export const write = (directory: string, result: Result): ReadonlyArray<string> => {
  mkdirSync(directory, { recursive: true })
  return [...new Set(result.rows.map((row) => row.measure))].map((measure) => {
    const name = `${result.name}-${fileName(measure)}.svg`
    const rows = result.rows.filter((row) => row.measure === measure)
    writeFileSync(join(directory, name), chart(rows, `${result.name}: ${measure}`))
    return name
  })
}
