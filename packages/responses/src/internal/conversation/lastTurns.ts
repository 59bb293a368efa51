/** The end of a history, with what holds for all of it. */
import type { ResponseItem, Role } from "../../ResponseItem.ts"
import * as Window from "./window.ts"

type Items = ReadonlyArray<ResponseItem>

const isOfRole = (item: ResponseItem, ...roles: ReadonlyArray<Role>): boolean =>
  (item.type === undefined || item.type === "message") && roles.includes(item.role)

/** Turns are counted behind the latest compaction: it stands for those before it. */
export const make = (history: Items, count: number, whenOver: number): Items => {
  const compaction = history.findLastIndex(Window.isCompaction)
  const turns = history.flatMap((item, index) => index > compaction && isOfRole(item, "user") ? [index] : [])
  if (turns.length <= Math.max(count, whenOver)) return history
  const from = turns.at(-count) ?? 0
  const updates = Window.latestUpdates(history)
  return history.filter((item, index) =>
    index >= from || index === compaction || updates.has(index) || isOfRole(item, "system", "developer")
  )
}
