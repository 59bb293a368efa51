/** What a benchmark finds out. */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"

export interface Row {
  /** What of it: `CPU per event`, … */
  readonly measure: string
  readonly way: string
  readonly unit: string
  readonly n: number
  readonly median: number
  readonly min: number
  readonly max: number
  /** To the way that the benchmark compares with, by medians of the same rounds. */
  readonly ratio?: number | undefined
}

export interface Goal {
  readonly goal: string
  readonly found: string
  readonly met: boolean
}

export interface Result {
  readonly name: string
  readonly what: string
  readonly date: string
  readonly seconds: number
  readonly rows: ReadonlyArray<Row>
  readonly goals: ReadonlyArray<Goal>
}

export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = Arr.sort(values, Order.number)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

export const row = (measure: string, unit: string, way: string, values: ReadonlyArray<number>, base?: number): Row => ({
  measure,
  way,
  unit,
  n: values.length,
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
  ratio: base === undefined ? undefined : median(values) / base
})

/** One measure of every way, compared with one of them. */
export const rows = <N extends string>(
  measure: string,
  unit: string,
  all: ReadonlyMap<N, ReadonlyArray<number>>,
  base?: N
): ReadonlyArray<Row> => {
  const values = base === undefined ? undefined : all.get(base)
  const against = values === undefined ? undefined : median(values)
  return [...all].map(([way, values]) => row(measure, unit, way, values, against))
}

const find = (rows: ReadonlyArray<Row>, measure: string, way: string): Row => {
  const found = rows.find((row) => row.measure === measure && row.way === way)
  if (found === undefined) throw new Error(`no row ${measure}, ${way}`)
  return found
}

const times = (value: number) => `${value.toFixed(2)}x`

/** At most so many times what the benchmark compares with. */
export const atMost = (rows: ReadonlyArray<Row>, measure: string, way: string, limit: number): Goal => {
  const ratio = find(rows, measure, way).ratio ?? Number.NaN
  return { goal: `${measure}: ${way} <= ${limit}x`, found: times(ratio), met: ratio <= limit }
}

/** Not above any of the others, within what one run cannot tell apart. */
export const notAbove = (
  rows: ReadonlyArray<Row>,
  measure: string,
  way: string,
  others: ReadonlyArray<string>,
  tolerance = 1
): Goal => {
  const own = find(rows, measure, way).median
  const [closest, least] = others
    .map((other) => [other, find(rows, measure, other).median] as const)
    .reduce((a, b) => a[1] <= b[1] ? a : b)
  return {
    goal: `${measure}: ${way} not above ${others.length === 1 ? closest : "any peer"}`,
    found: `${times(own / least)} ${closest}`,
    met: own <= least * tolerance
  }
}

export const limit = (goal: string, value: number, most: number, unit = ""): Goal => ({
  goal,
  found: `${value.toPrecision(3)}${unit}`,
  met: value <= most
})

export const atLeast = (goal: string, value: number, least: number, unit = ""): Goal => ({
  goal,
  found: `${value.toPrecision(3)}${unit}`,
  met: value >= least
})

/** What something is made of, the largest first. */
export const parts = (measure: string, unit: string, all: Readonly<Record<string, number>>): ReadonlyArray<Row> =>
  Object.entries(all)
    .toSorted(([, one], [, other]) => other - one)
    .map(([part, value]) => row(measure, unit, part, [value]))
