/** What the compiler knows of a conversation, and what it refuses. */
// @effect-diagnostics floatingEffect:off
import { describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import * as Conversation from "../src/Conversation.ts"
import type { ConversationTaken, JournalFailed } from "../src/ConversationError.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

class Bank extends Context.Tag("test/Bank")<Bank, { readonly rate: number }>() {}

const rate = ResponseTool.make({
  name: "rate",
  parameters: Schema.Struct({ currency: Schema.String }),
  handler: () => Effect.map(Bank, (bank) => bank.rate)
})

const now = ResponseTool.custom({ name: "now", handler: () => Effect.succeed("12:00") })

const opened = Conversation.open({ id: "a", model: "m", tools: [rate, now] })

describe("the types of a conversation", () => {
  it("one with a journal, and tools that need services, is a `Conversation.Any`", () => {
    const length = (conversation: Conversation.Any) =>
      Effect.map(conversation.history, (history: ReadonlyArray<unknown>) => history.length)
    const measured = Effect.flatMap(opened, length)
    expectTypeOf<Effect.Effect.Success<typeof measured>>().toEqualTypeOf<number>()
    Effect.flatMap(Conversation.make({ model: "m", tools: [rate] }), length)
    Effect.flatMap(Conversation.make({ model: "m", events: "api" }), length)
    const plain = (conversation: Conversation.Conversation) => conversation.history
    // @ts-expect-error: it can fail as its journal does, and its tools need a service
    Effect.flatMap(opened, plain)
  })

  it("a function that asks any of them keeps what it needs and how it fails", () => {
    const ask = <R, E>(conversation: Conversation.Conversation<R, E>) => conversation.ask("a")
    const asked = Effect.flatMap(opened, ask)
    expectTypeOf<Bank>().toExtend<Effect.Effect.Context<typeof asked>>()
    expectTypeOf<ConversationTaken | JournalFailed>().toExtend<Effect.Effect.Error<typeof asked>>()
    expectTypeOf<unknown>().not.toExtend<Effect.Effect.Context<typeof asked>>()
  })

  it("a constant of options keeps the types of its tools", () => {
    const options = { model: "m", store: false, events: "api", tools: [rate, now] } satisfies Conversation.AnyOptions
    const made = Conversation.make(options)
    expectTypeOf(made).toEqualTypeOf<
      Effect.Effect<
        Conversation.Conversation<Bank, never, Conversation.EventOf<"api">>,
        never,
        Responses.Responses
      >
    >()
    const other = Conversation.open({ ...options, id: "a" })
    expectTypeOf<Effect.Effect.Success<typeof other>>().toEqualTypeOf<
      Conversation.Conversation<Bank, ConversationTaken | JournalFailed, Conversation.EventOf<"api">>
    >()
    // @ts-expect-error: what is no tool
    const wrong = { model: "m", tools: [1] } satisfies Conversation.AnyOptions
    expectTypeOf(wrong.model).toEqualTypeOf<string>()
  })

  it("options may be declared, with their tools or without any", () => {
    const declared: Conversation.Options<[typeof rate]> = { model: "m", tools: [rate] }
    expectTypeOf<Effect.Effect.Success<ReturnType<typeof Conversation.make<[typeof rate]>>>>().toExtend<
      Conversation.Conversation<Bank>
    >()
    const bare: Conversation.Options = { model: "m" }
    const made = Conversation.make(bare)
    expectTypeOf<Effect.Effect.Context<typeof made>>().toEqualTypeOf<Responses.Responses>()
    // @ts-expect-error: without type arguments there are no tools
    const none: Conversation.Options = { model: "m", tools: [rate] }
    const any: Conversation.AnyOptions = declared
    expectTypeOf(none).not.toEqualTypeOf(any)
  })
})
