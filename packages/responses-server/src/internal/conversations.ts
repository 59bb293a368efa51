/** Conversations: lists of items that responses read and add to. */
import type { ResponseItem } from "effect-responses"
import * as Predicate from "effect/Predicate"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

export interface Conversation {
  readonly id: string
  readonly createdAt: number
  metadata: object
  items: Items
}

export interface Conversations {
  readonly create: (conversation: Omit<Conversation, "id">) => Conversation
  readonly find: (id: string) => Conversation | undefined
  /** Gives the items as they were added: each has an id. */
  readonly add: (conversation: Conversation, items: Items) => Items
  /** Whether there was one. */
  readonly remove: (id: string) => boolean
}

export const idOf = (item: ResponseItem.ResponseItem | undefined): string | null =>
  item !== undefined && "id" in item && Predicate.isString(item.id) ? item.id : null

/** What the ids of an item begin with; others begin with `item_`. */
const prefixes: Readonly<Record<string, string>> = {
  message: "msg",
  function_call: "fc",
  function_call_output: "fco",
  custom_tool_call: "ctc",
  custom_tool_call_output: "ctco",
  reasoning: "rs"
}

/** Above the limit the oldest conversation is removed. */
export const make = (options: { readonly idPrefix: string; readonly limit: number }): Conversations => {
  const conversations = new Map<string, Conversation>()
  let count = 0
  let items = 0

  const withId = (item: ResponseItem.ResponseItem): ResponseItem.ResponseItem =>
    idOf(item) === null
      ? { ...item, id: `${prefixes[item.type ?? "message"] ?? "item"}_${options.idPrefix}v${++items}` }
      : item

  return {
    create: (conversation) => {
      const created = {
        id: `conv_${options.idPrefix}${++count}`,
        ...conversation,
        items: conversation.items.map(withId)
      }
      conversations.set(created.id, created)
      for (const id of conversations.keys()) {
        if (conversations.size <= options.limit) break
        conversations.delete(id)
      }
      return created
    },
    find: (id) => conversations.get(id),
    add: (conversation, added) => {
      const named = added.map(withId)
      conversation.items = [...conversation.items, ...named]
      return named
    },
    remove: (id) => conversations.delete(id)
  }
}
