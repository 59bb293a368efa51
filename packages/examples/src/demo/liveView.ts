/** A log that grows by a line for each turn; its last line is the turn that runs, and is written anew as it goes on. */
import * as Terminal from "@effect/platform/Terminal"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Turn } from "./agent.ts"
import * as Lines from "./lines.ts"
import * as Text from "./text.ts"
import type { View } from "./view.ts"

type Segments = ReadonlyArray<Text.Segment>

const clearLine = "\r\u001b[2K"
const hideCursor = "\u001b[?25l"
const showCursor = "\u001b[?25h"

interface Current {
  readonly turn: number
  /** The columns of the turn, once they are known. */
  head: Segments
  /** What the model thinks and calls, as it comes. */
  activity: string
  text: string
  /** How many lines of the text stand for good; `undefined` while there is none. */
  textLines: number | undefined
}

export const make = (colours: boolean): Effect.Effect<View, never, Terminal.Terminal | Scope.Scope> =>
  Effect.gen(function*() {
    const terminal = yield* Terminal.Terminal
    const write = (text: string) => Effect.ignore(terminal.display(text))
    yield* Effect.acquireRelease(write(hideCursor), () => write(`${clearLine}${showCursor}`))

    let current: Current | undefined

    /** One column is left free: some terminals wrap when the last one is written. */
    const paper = Effect.map(terminal.columns, (columns): Text.Paper => ({
      colours,
      width: (columns > 0 ? columns : 80) - 1
    }))
    const log = (...lines: ReadonlyArray<Segments>) =>
      Effect.flatMap(
        paper,
        (paper) => write(clearLine + lines.map((segments) => `${Text.line(segments, paper)}\n`).join(""))
      )

    const status = (segments: Segments) =>
      Effect.flatMap(paper, (paper) => write(clearLine + Text.line(segments, paper)))

    /** The end of what streams in is what moves: it stays in sight. */
    const redraw = (turn: Current) =>
      Effect.flatMap(paper, ({ width }) => {
        const taken = turn.head.reduce((sum, [text]) => sum + text.length, 0)
        const room = Math.max(10, width - taken)
        const { activity } = turn
        const shown = activity.length <= room ? activity : `…${activity.slice(1 - room)}`
        return status([...turn.head, [shown, "dim"]])
      })

    const drawText = (turn: Current) =>
      Effect.flatMap(paper, ({ width }) => {
        const lines = Text.wrap(turn.text, width - Lines.indent.length)
        const fresh = lines.slice(turn.textLines ?? 0, -1)
        turn.textLines = lines.length - 1
        const indented = (text: string): Segments => [[`${Lines.indent}${text}`]]
        return Effect.zipRight(log(...fresh.map(indented)), status(indented(lines.at(-1) ?? "")))
      })

    const act = (added: string) =>
      Effect.suspend(() => {
        if (current === undefined || current.textLines !== undefined) return Effect.void
        current.activity += added
        return redraw(current)
      })

    const say = (delta: string) =>
      Effect.suspend(() => {
        if (current === undefined) return Effect.void
        const isFirst = current.textLines === undefined
        current.text += delta
        return Effect.zipRight(isFirst ? log([...current.head, ["answers", "bold"]]) : Effect.void, drawText(current))
      })

    const end = (turn: Turn) =>
      Effect.suspend(() => {
        const hasText = current?.textLines !== undefined
        current = undefined
        if (!hasText) return log(Lines.ended(turn))
        const calls: Segments = turn.calls.length === 0 ? [] : [[Lines.indent], ...Lines.calls(turn)]
        return write("\n").pipe(Effect.zipRight(calls.length === 0 ? Effect.void : log(calls)))
      })

    return {
      show: (happening) => {
        switch (happening._tag) {
          case "RunStarted":
            return log([[happening.title, "bold"]], Lines.header)
          case "Fault":
            return log(Lines.fault(happening.says))
          case "Asked":
            return Effect.suspend(() => {
              const { turn } = happening
              current = { turn, head: [[Lines.waiting(turn), "dim"]], activity: "", text: "", textLines: undefined }
              return redraw(current)
            })
          case "Opened":
            return Effect.suspend(() => {
              if (current === undefined) return Effect.void
              current.head = Lines.sending(happening.turn, happening.sending)
              return Effect.zipRight(log(...Lines.repairs(happening.sending)), redraw(current))
            })
          case "Thought":
            return act(happening.delta)
          case "Called":
            return act(`${current?.activity === "" ? "" : "  "}${happening.name} `)
          case "Argument":
            return act(happening.delta)
          case "Said":
            return say(happening.delta)
          case "Ended":
            return end(happening.turn)
          default:
            return log(...happening.run.problem === undefined ? [] : [Lines.problem(happening.run.problem)], [])
        }
      }
    }
  })
