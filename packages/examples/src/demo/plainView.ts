/** Lines for a file or a pipe: each is written once, when it is known. */
import * as Terminal from "@effect/platform/Terminal"
import * as Effect from "effect/Effect"
import * as Lines from "./lines.ts"
import * as Text from "./text.ts"
import type { View } from "./view.ts"

/** Nothing is cut off where nobody looks at a width; the answer is prose, and prose is wrapped. */
const paper: Text.Paper = { colours: false, width: Number.POSITIVE_INFINITY }
const proseWidth = 110

export const make: Effect.Effect<View, never, Terminal.Terminal> = Effect.map(Terminal.Terminal, (terminal) => {
  const print = (...lines: ReadonlyArray<ReadonlyArray<Text.Segment>>) =>
    Effect.forEach(lines, (segments) => terminal.display(`${Text.line(segments, paper).trimEnd()}\n`), {
      discard: true
    }).pipe(Effect.ignore)

  return {
    show: (happening) => {
      switch (happening._tag) {
        case "RunStarted":
          return print([[happening.title]], Lines.header)
        case "Fault":
          return print(Lines.fault(happening.says))
        case "Opened":
          return print(...Lines.repairs(happening.sending))
        case "Ended": {
          const { turn } = happening
          const prose = turn.text === "" ? [] : Text.wrap(turn.text, proseWidth)
          return print(Lines.ended(turn), ...prose.map((text) => [[`${Lines.indent}${text}`]] as const))
        }
        case "RunEnded":
          return print(...happening.run.problem === undefined ? [] : [Lines.problem(happening.run.problem)], [])
        default:
          return Effect.void
      }
    }
  }
})
