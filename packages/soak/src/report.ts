/** What a run came to, as data and as text. */
import type { Counts, Violation } from "./referee.ts"

export interface Facts {
  readonly seed: number
  readonly turns: number
  /** To which nothing happened from outside: they are judged by their own faults alone. */
  readonly undisturbed: number
  readonly millis: number
  /** WebSockets that were opened. */
  readonly connections: number
  /** How many of them replaced an older one by schedule. */
  readonly recycled: number
  /** Requests that sent only what was new. */
  readonly deltas: number
  readonly counts: Counts
  /** From the asking to the first event, without the wait for others, of turns without a fault. In milliseconds, ascending. */
  readonly overheads: ReadonlyArray<number>
  /** In bytes, after each tenth of the turns. */
  readonly heaps: ReadonlyArray<number>
  readonly violations: ReadonlyArray<Violation>
}

const quantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN

const rounded = (value: number): number => Math.round(value * 100) / 100

export const toJson = ({ overheads, ...facts }: Facts) => ({
  ...facts,
  millis: Math.round(facts.millis),
  overhead: {
    turns: overheads.length,
    p50: rounded(quantile(overheads, 0.5)),
    p99: rounded(quantile(overheads, 0.99))
  },
  ok: facts.violations.length === 0
})

const sorted = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).toSorted(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`)

const wrapped = (title: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of words) {
    if (line !== "" && line.length + word.length > 100) {
      lines.push(line)
      line = ""
    }
    line += line === "" ? word : `, ${word}`
  }
  return [...lines, line].map((text, index) => `${(index === 0 ? title : "").padEnd(14)}${text}`)
}

/** So many violations are told. */
const told = 20

export const toText = (facts: Facts): string => {
  const { counts, overhead, ok, violations } = toJson(facts)
  const megabytes = facts.heaps.map((bytes) => (bytes / 1e6).toFixed(1))
  return [
    ...wrapped("seed", [String(facts.seed)]),
    ...wrapped("turns", [
      `${facts.turns} in ${(facts.millis / 1000).toFixed(1)} s`,
      `${facts.undisturbed} undisturbed`,
      `${facts.deltas} as deltas`,
      ...sorted(counts.conduct)
    ]),
    ...wrapped("connections", [`${facts.connections} opened`, `${facts.recycled} by schedule`]),
    ...wrapped("faults", sorted(counts.faults)),
    ...wrapped("upgrades", sorted(counts.upgrades)),
    ...wrapped("blows", sorted(counts.strikes)),
    ...wrapped("ends", sorted(counts.ends)),
    ...wrapped("repairs", sorted(counts.repairs)),
    ...wrapped("overhead", [
      `p50 ${overhead.p50} ms`,
      `p99 ${overhead.p99} ms from the asking to the first event, without the wait for others (${overhead.turns} turns without a fault)`
    ]),
    ...wrapped(
      "heap",
      megabytes.length === 0 ? ["not measured"] : [`${megabytes.join(" ")} MB by tenths of the turns`]
    ),
    ...violations.slice(0, told).map(({ layer, turn, what }) =>
      `VIOLATION     seed ${facts.seed}, turn ${turn} on ${layer}: ${what}`
    ),
    ...(violations.length > told ? [`              and ${violations.length - told} more`] : []),
    ...wrapped("verdict", [ok ? "nothing is wrong" : `${violations.length} violations`])
  ].join("\n")
}
