/** The items of a conversation, and how many of a caller's the server has. */
import type { ResponseItem } from "../../ResponseItem.ts"
import * as CanonicalItem from "./canonicalItem.ts"
import * as CanonicalJson from "./canonicalJson.ts"
import * as ItemMatch from "./itemMatch.ts"

export type History = ReadonlyArray<CanonicalItem.ItemMeaning>

/**
 * `alternatives` are other spellings of some of the items. One that fits two items, on a server whose ids are not unique,
 * is none of either.
 */
export const make = (
  items: ReadonlyArray<ResponseItem>,
  alternatives: ReadonlyArray<ResponseItem> = []
): History => {
  const draft = new CanonicalJson.Draft()
  const history = items.map((item) => CanonicalItem.make(draft, item))
  for (const alternative of alternatives) {
    const spelling = CanonicalItem.make(draft, alternative)
    const fitting = history.filter((known) => CanonicalItem.isSpelling(known, spelling))
    const [known] = fitting
    if (known === undefined || fitting.length > 1) continue
    history[history.indexOf(known)] = CanonicalItem.withSpelling(known, spelling)
  }
  return history
}

export interface Shared {
  /** How many of the caller's items the server has. */
  readonly count: number
  /** Whether it has no others. */
  readonly complete: boolean
  /** What it has, as it is to be known from now on. */
  readonly history: History
}

/**
 * Compares what the server has with a caller's items. Three kinds of item may be missing in the caller's:
 *
 * - Reasoning: SDKs drop it, and the model does better with it. But then none may follow, nor a reference, which could be
 *   to reasoning: the model could see the same twice.
 * - A compaction trigger: the API takes one at the end of an input only, so callers cannot keep it in their history.
 * - What is before `window`, the place of the item by which the server itself stands for all of that.
 */
export const shared = (had: History, items: ReadonlyArray<ResponseItem>, window = 0): Shared => {
  const draft = new CanonicalJson.Draft()
  let learned: Array<CanonicalItem.ItemMeaning> | undefined
  let count = 0
  let skipped = false
  for (let index = 0; index < had.length; index++) {
    const known = had[index] as CanonicalItem.ItemMeaning
    const item = items[count]
    const found = item === undefined ? undefined : ItemMatch.match(known, item, draft)
    if (found !== undefined) {
      count++
      if (found !== known) (learned ??= [...had])[index] = found
    } else if (index < window) {
      continue
    } else if (known[0] === "reasoning") {
      skipped = true
    } else if (known[0] !== "compaction_trigger") {
      return { count, complete: false, history: had }
    }
  }
  const mayBeReasoning = (item: ResponseItem) => {
    const [kind] = CanonicalItem.make(draft, item)
    return kind === "reasoning" || kind === "item_reference"
  }
  const again = skipped ? items.slice(count).findIndex(mayBeReasoning) : -1
  return { count: count + Math.max(0, again), complete: again === -1, history: learned ?? had }
}
