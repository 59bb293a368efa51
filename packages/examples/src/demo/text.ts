/** Text for a terminal: coloured or not, never wider than it may be. */
import * as Duration from "effect/Duration"

export type Colour = "red" | "green" | "yellow" | "cyan" | "magenta" | "bold" | "dim"

export type Segment = readonly [text: string, colour?: Colour | undefined]

const codes: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  magenta: [35, 39],
  cyan: [36, 39]
}

export interface Paper {
  readonly colours: boolean
  /** In characters. */
  readonly width: number
}

/** What comes from a server or a model must not steer the terminal. */
// oxlint-disable-next-line no-control-regex
const harmless = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ")

/** One line, cut where the paper ends. */
export const line = (segments: ReadonlyArray<Segment>, { colours, width }: Paper): string => {
  const length = segments.reduce((sum, [text]) => sum + harmless(text).length, 0)
  let left = length > width ? width - 1 : length
  let result = ""
  for (const [given, colour] of segments) {
    const text = harmless(given).slice(0, left)
    left -= text.length
    if (text === "") continue
    const code = colour === undefined || !colours ? undefined : codes[colour]
    result += code === undefined ? text : `\u001b[${code[0]}m${text}\u001b[${code[1]}m`
  }
  return length > width ? `${result}…` : result
}

/** Breaks at spaces, and within a word only if it is longer than a line. More text changes the last line only. */
export const wrap = (text: string, width: number): ReadonlyArray<string> =>
  text.split(/\r?\n/).flatMap((paragraph) => {
    const lines = [""]
    for (const word of paragraph.split(" ")) {
      const last = lines.at(-1) ?? ""
      const joined = last === "" ? word : `${last} ${word}`
      if (joined.length <= width) {
        lines[lines.length - 1] = joined
        continue
      }
      const pieces = word.match(new RegExp(`.{1,${Math.max(1, width)}}`, "gu")) ?? [""]
      if (last === "") lines.pop()
      for (const piece of pieces) lines.push(piece)
    }
    return lines
  })

export const bytes = (count: number): string =>
  count < 1000 ? `${count} B` : count < 1_000_000 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1e6).toFixed(2)} MB`

export const time = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  return millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`
}

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`
