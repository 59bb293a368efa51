/** What can be asked about responses that there were, and what is made without a model. */
import type { ResponseItem } from "effect-responses"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { window } from "./compaction.ts"
import { type Conversation, idOf } from "./conversations.ts"
import type { Core, Json } from "./core.ts"
import { usage } from "./engine.ts"
import { item as itemProblem } from "./inputItems.ts"
import {
  conversationNotFound,
  invalid,
  missing,
  notInConversation,
  outOfRange,
  type Problem,
  responseNotFound,
  unknown,
  wrongType,
  wrongValue
} from "./problems.ts"
import { resolve } from "./resolve.ts"
import { validate } from "./validate.ts"

type Found = Either.Either<object, Problem>

const ofNullable = <A>(value: A | undefined, problem: Problem): Either.Either<A, Problem> =>
  value === undefined ? Either.left(problem) : Either.right(value)

/** A page, newest first unless asked otherwise. */
const page = (items: ReadonlyArray<ResponseItem.ResponseItem>, query: URLSearchParams): Found => {
  const order = query.get("order") ?? "desc"
  if (order !== "asc" && order !== "desc") return Either.left(wrongValue("order", order, ["asc", "desc"]))
  const limit = Number(query.get("limit") ?? 20)
  if (!Number.isInteger(limit)) return Either.left(wrongType("limit", "an integer", query.get("limit")))
  if (limit < 1 || limit > 100) return Either.left(outOfRange("limit", "integer", limit, limit < 1 ? 1 : 100))
  const ordered = order === "asc" ? items : items.toReversed()
  const after = query.get("after")
  const from = after === null ? 0 : ordered.findIndex((item) => idOf(item) === after) + 1
  const data = ordered.slice(from, from + limit)
  return Either.right({
    object: "list",
    data: data.map(published),
    first_id: idOf(data[0]),
    last_id: idOf(data.at(-1)),
    has_more: from + limit < ordered.length
  })
}

/** Items that were sent in short are given back in full. */
const published = (item: ResponseItem.ResponseItem): object => {
  if (item.type !== undefined && item.type !== "message") return { status: "completed", ...item }
  const { content, role } = item
  const type = role === "assistant" ? "output_text" : "input_text"
  const parts = Predicate.isString(content)
    ? [{ type, text: content, ...(role === "assistant" ? { annotations: [] } : {}) }]
    : content
  return { status: "completed", ...item, type: "message", content: parts }
}

const publishedConversation = ({ createdAt, id, metadata }: Conversation): object => ({
  id,
  object: "conversation",
  created_at: createdAt,
  metadata
})

const list = (items: ReadonlyArray<ResponseItem.ResponseItem>): object => ({
  object: "list",
  data: items.map(published),
  first_id: idOf(items[0]),
  last_id: idOf(items.at(-1)),
  has_more: false
})

/** At most so many items are added to a conversation at once. */
const maxAdded = 20

const itemsOf = (value: unknown): Either.Either<ReadonlyArray<ResponseItem.ResponseItem>, Problem> => {
  if (!Array.isArray(value)) return Either.left(wrongType("items", "an array of items", value))
  if (value.length > maxAdded) {
    return Either.left(
      invalid("array_above_max_length", `Invalid 'items': expected at most ${maxAdded} items.`, "items")
    )
  }
  const found = value.map((item, index) => itemProblem(item, `items[${index}]`)).find(Predicate.isNotUndefined)
  return found === undefined ? Either.right(value) : Either.left(found)
}

const countedFields: ReadonlySet<string> = new Set([
  "conversation",
  "input",
  "instructions",
  "model",
  "parallel_tool_calls",
  "previous_response_id",
  "reasoning",
  "text",
  "tool_choice",
  "tools",
  "truncation"
])

const compactFields: ReadonlySet<string> = new Set([
  "image",
  "input",
  "instructions",
  "model",
  "previous_response_id",
  "prompt_cache_key",
  "prompt_cache_options",
  "prompt_cache_retention",
  "service_tier"
])

export const make = (core: Core) => {
  const { conversations, store } = core
  let compactions = 0
  const kept = (id: string) => ofNullable(store.find(id), responseNotFound(id))
  const foundConversation = (id: string) =>
    ofNullable(conversations.find(id), { ...conversationNotFound(id), param: null })
  const seconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1000))

  return {
    retrieve: (id: string, query: URLSearchParams): Found =>
      Either.flatMap(kept(id), ({ response }) =>
        query.get("stream") === "true"
          ? Either.left(invalid(
            null,
            "This response cannot be streamed because it was not created with background=true.",
            "stream"
          ))
          : Either.right(response)),

    remove: (id: string): Found =>
      store.remove(id) ? Either.right({ id, object: "response", deleted: true }) : Either.left(responseNotFound(id)),

    inputItems: (id: string, query: URLSearchParams): Found =>
      Either.flatMap(kept(id), ({ input }) => page(input, query)),

    conversation: (id: string): Found => Either.map(foundConversation(id), publishedConversation),

    conversationItems: (id: string, query: URLSearchParams): Found =>
      Either.flatMap(foundConversation(id), ({ items }) => page(items, query)),

    conversationItem: (id: string, itemId: string): Found =>
      Either.flatMap(
        foundConversation(id),
        ({ items }) =>
          Either.map(ofNullable(items.find((item) => idOf(item) === itemId), notInConversation(itemId, id)), published)
      ),

    addItems: (id: string, body: Json): Found =>
      Either.flatMap(
        foundConversation(id),
        (conversation) => Either.map(itemsOf(body["items"]), (items) => list(conversations.add(conversation, items)))
      ),

    removeItem: (id: string, itemId: string): Found =>
      Either.flatMap(foundConversation(id), (conversation) => {
        const rest = conversation.items.filter((item) => idOf(item) !== itemId)
        if (rest.length === conversation.items.length) return Either.left(notInConversation(itemId, id))
        conversation.items = rest
        return Either.right(publishedConversation(conversation))
      }),

    updateConversation: (id: string, { metadata }: Json): Found =>
      Either.flatMap(foundConversation(id), (conversation) => {
        if (!Predicate.isRecord(metadata)) return Either.left(wrongType("metadata", "an object", metadata))
        conversation.metadata = metadata
        return Either.right(publishedConversation(conversation))
      }),

    removeConversation: (id: string): Found =>
      conversations.remove(id)
        ? Either.right({ id, object: "conversation.deleted", deleted: true })
        : Either.left({ ...conversationNotFound(id), param: null }),

    createConversation: (body: Json): Effect.Effect<object, Problem> =>
      Effect.flatMap(seconds, (createdAt) => {
        const { items = [], metadata = {} } = body
        if (!Predicate.isRecord(metadata)) return Effect.fail(wrongType("metadata", "an object", metadata))
        return Either.map(
          itemsOf(items),
          (items) => publishedConversation(conversations.create({ createdAt, metadata, items }))
        )
      }),

    inputTokens: (body: Json): Either.Either<object, Problem> =>
      Either.gen(function*() {
        const other = Object.keys(body).find((name) => !countedFields.has(name))
        if (other !== undefined) return yield* Either.left(unknown(other))
        // The model may be left out here, and counts nothing.
        const request = yield* validate({ model: "any", ...body }, "http")
        const { items } = yield* resolve({ ...request, generate: false }, store, conversations, "counted")
        const context = { request, input: items, responseId: "counted", createdAt: 0, index: 0 }
        const { input_tokens = 0 } = usage(context)([]) as { readonly input_tokens?: number }
        return { object: "response.input_tokens", input_tokens }
      }),

    compact: (body: Json): Effect.Effect<object, Problem> =>
      Effect.gen(function*() {
        const other = Object.keys(body).find((name) => !compactFields.has(name))
        if (other !== undefined) return yield* Effect.fail(unknown(other))
        const request = yield* validate(body, "http")
        if (Predicate.isNullable(request.input) && Predicate.isNullable(request.previous_response_id)) {
          return yield* Effect.fail(missing("input"))
        }
        const suffix = `${core.idPrefix}c${++compactions}`
        // Calls may be open: nothing is generated.
        const { items } = yield* resolve({ ...request, generate: false }, store, conversations, suffix)
        const output = window(items, `cmp_${suffix}`)
        const context = { request, input: items, responseId: `resp_${suffix}`, createdAt: 0, index: 0 }
        return {
          id: context.responseId,
          object: "response.compaction",
          created_at: yield* seconds,
          output: output.map(published),
          usage: usage(context)(output)
        }
      })
  }
}
