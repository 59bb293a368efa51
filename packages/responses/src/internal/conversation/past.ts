/** What a conversation knows of its history beside the items. */
import type { ResponseItem } from "../../ResponseItem.ts"
import * as Window from "./window.ts"

type Items = ReadonlyArray<ResponseItem>

/** As it is written down. */
export interface Response {
  readonly id: string
  /** Equal for requests that can continue each other. */
  readonly settings: string
}

export interface Stored extends Response {
  /** How many items at the beginning of the history are the context of the response. */
  readonly items: number
}

export interface Past {
  /** How many more items there were than are left: calls are named by their place among all. */
  readonly dropped: number
  /** The latest response, if the server has stored it. */
  readonly stored: Stored | undefined
}

export const none: Past = { dropped: 0, stored: undefined }

const store = (response: Response | undefined, items: number): Stored | undefined => response && { ...response, items }

interface Grown {
  readonly history: Items
  readonly said: Items
  readonly past: Past
}

/** What was said joins the history, of which a compaction leaves nothing as it was. */
export const grow = (
  { history, past: { dropped } }: Pick<Grown, "history" | "past">,
  input: Items,
  { output, response }: { readonly output: Items; readonly response?: Response | undefined }
): Grown => {
  const all = [...input, ...output]
  const said = all.filter(({ type }) => type !== "compaction_trigger")
  if (!output.some(Window.isCompaction)) {
    return {
      history,
      said,
      past: { dropped: dropped + all.length - said.length, stored: store(response, history.length + said.length) }
    }
  }
  const whole = [...history, ...said]
  const window = Window.make(whole)
  return {
    history: [],
    said: window,
    past: {
      dropped: dropped + history.length + all.length - window.length,
      stored: store(response, window.length)
    }
  }
}

/** Another history takes the place of this one. */
export const replace = (
  { history, past: { dropped } }: Pick<Grown, "history" | "past">,
  next: Items,
  response: Response | undefined
): Past => ({ dropped: dropped + history.length - next.length, stored: store(response, next.length) })
