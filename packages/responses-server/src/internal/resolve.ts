/** What the model sees: what the server has of the dialogue, what the request adds, and what it only points to. */
import { type ResponseItem, ResponseRequest } from "effect-responses"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { Conversation, Conversations } from "./conversations.ts"
import type { Memory } from "./memory.ts"
import { conversationNotFound, itemNotFound, previousNotFound, type Problem } from "./problems.ts"
import { unpaired } from "./validate.ts"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

export interface Resolved {
  readonly items: Items
  /** How many of them were there before the request. */
  readonly cached: number
  /** Size of those, in bytes of JSON. */
  readonly cachedBytes: number
  readonly conversation: Conversation | undefined
}

/** A string stands for a message, so that every item can have an id. */
const whole = (item: ResponseItem.ResponseItem, id: string): ResponseItem.ResponseItem =>
  item.type === undefined || item.type === "message"
    ? { id, ...item, type: "message" }
    : { id, ...item }

const nameOf = (conversation: ResponseRequest.ResponseRequest["conversation"]): string | undefined =>
  Predicate.isNullable(conversation)
    ? undefined
    : Predicate.isString(conversation)
    ? conversation
    : conversation.id

export const resolve = (
  request: ResponseRequest.ResponseRequest,
  memory: Memory,
  conversations: Conversations,
  suffix: string
): Either.Either<Resolved, Problem> => {
  const { previous_response_id: previousId } = request
  const previous = Predicate.isNullable(previousId) ? undefined : memory.find(previousId)
  if (Predicate.isNotNullable(previousId) && previous === undefined) return Either.left(previousNotFound(previousId))
  const conversationId = nameOf(request.conversation)
  const conversation = conversationId === undefined ? undefined : conversations.find(conversationId)
  if (conversationId !== undefined && conversation === undefined) {
    return Either.left(conversationNotFound(conversationId))
  }

  const before = previous?.items ?? conversation?.items ?? []
  const items = [...before]
  for (const [index, item] of ResponseRequest.items(request).entries()) {
    const reference = String(item.type) === "item_reference" && "id" in item ? String(item.id) : undefined
    if (reference === undefined) {
      items.push(whole(item, `item_${suffix}_${index}`))
      continue
    }
    const found = items.find((known) => "id" in known && known.id === reference) ?? memory.findItem(reference)
    if (found === undefined) return Either.left(itemNotFound(reference))
    if (!items.includes(found)) items.push(found)
  }
  const found = unpaired(items, request.generate !== false, request.tools)
  return found === undefined
    ? Either.right({ items, cached: before.length, cachedBytes: previous?.bytes ?? 0, conversation })
    : Either.left(found)
}
