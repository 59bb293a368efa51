/** The output of a response. Some servers leave it out of the last event: then it is what its items' own events brought. */
import * as Predicate from "effect/Predicate"
import type { Response, ServerEvent } from "../ResponseEvent.ts"
import type { ResponseItem } from "../ResponseItem.ts"

export interface Whole {
  readonly output: ReadonlyArray<ResponseItem>
  readonly alternatives: ReadonlyArray<ResponseItem>
}

export interface Output {
  readonly add: (event: ServerEvent, size: number) => void
  readonly of: (end: Response) => Whole
  readonly size: () => number
}

export const make = (): Output => {
  const items: Array<{ readonly item: ResponseItem; readonly index: number }> = []
  let kept = 0
  return {
    add: (event, size) => {
      if (event.type !== "response.output_item.done") return
      items.push({ item: event.item, index: event.output_index ?? items.length })
      kept += size
    },
    of: (end) => ({
      output: end.output?.length
        ? end.output.filter(Predicate.isRecord)
        : items.toSorted((a, b) => a.index - b.index).map(({ item }) => item),
      alternatives: []
    }),
    size: () => kept
  }
}
