/** Conversations: lists of items that responses read and add to. */
import type { ResponseItem } from "effect-responses"

export interface Conversation {
  readonly id: string
  readonly createdAt: number
  readonly metadata: object
  items: ReadonlyArray<ResponseItem.ResponseItem>
}

export interface Conversations {
  readonly create: (conversation: Omit<Conversation, "id">) => Conversation
  readonly find: (id: string) => Conversation | undefined
}

/** The oldest go first. */
export const make = (options: { readonly idPrefix: string; readonly limit: number }): Conversations => {
  const conversations = new Map<string, Conversation>()
  let count = 0
  return {
    create: (conversation) => {
      const created = { id: `conv_${options.idPrefix}${++count}`, ...conversation }
      conversations.set(created.id, created)
      for (const id of conversations.keys()) {
        if (conversations.size <= options.limit) break
        conversations.delete(id)
      }
      return created
    },
    find: (id) => conversations.get(id)
  }
}
