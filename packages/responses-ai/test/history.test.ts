/** What an unmodified `Chat` has sent: only what is new if its history is the server's, and everything otherwise. */
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as Chat from "@effect/ai/Chat"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Prompt from "@effect/ai/Prompt"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Ways from "./support/ways.ts"

const { message, reasoning, text, toolCall, turn } = ResponseScript

const on = (script: ResponseScript.Script) => Effect.provide(Ways.layer(Ways.overResponses, script))

/** [what it continues from, how many items travelled] */
const shape = Effect.map(
  Ways.sent,
  (sent) => sent.map(({ input, previous }) => [previous, Array.isArray(input) ? input.length : 1])
)

const edits: Readonly<Record<string, (history: Prompt.Prompt) => Prompt.Prompt>> = {
  "an answer that was changed": (history) => {
    const edited = Prompt.fromMessages([
      Prompt.makeMessage("assistant", { content: [Prompt.makePart("text", { text: "Something else" })] })
    ])
    return Prompt.merge(Prompt.fromMessages(history.content.slice(0, -1)), edited)
  },
  "an answer that was left out": (history) => Prompt.fromMessages(history.content.slice(0, -1)),
  "a system prompt that was added": (history) =>
    Prompt.merge(Prompt.make([{ role: "system", content: "Be brief." }]), history),
  "the beginning that was cut": (history) => Prompt.fromMessages(history.content.slice(1))
}

describe("a chat", () => {
  for (const streaming of [false, true]) {
    it.effect(`sends only what is new, ${streaming ? "streamed" : "at once"}, with and without reasoning`, () =>
      Effect.gen(function*() {
        const chat = yield* Chat.empty
        const say = (prompt: string) =>
          streaming
            ? Stream.runDrain(chat.streamText({ prompt }))
            : Effect.asVoid(chat.generateText({ prompt }))
        for (const prompt of ["One", "Two", "Three", "Four"]) yield* say(prompt)
        assert.deepStrictEqual(yield* shape, [[null, 1], ["resp_1", 1], ["resp_2", 1], ["resp_3", 1]])
      }).pipe(on([
        text("1"),
        turn([reasoning("Think", { encrypted: "abc" }), text("2")]),
        message([{ type: "output_text", text: "3", annotations: [] }]),
        text("4")
      ])))
  }

  for (const [how, concurrency] of [["in turn", 1], ["at once", "unbounded"]] as const) {
    it.live(`and another one on the same Layer, ${how}, go on in places of their own`, () =>
      Effect.gen(function*() {
        const system = [{ role: "system" as const, content: "You are brief." }]
        const chats = yield* Effect.forEach(["one", "two"], (name) =>
          Effect.map(Chat.fromPrompt(system), (chat) => ({ chat, name })))
        for (const round of [1, 2, 3]) {
          yield* Effect.forEach(
            chats,
            ({ chat, name }) =>
              chat.generateText({ prompt: `${name}, ${round}` }),
            { concurrency }
          )
        }
        const { requests } = yield* ResponsesServer.ResponsesServer
        const all = yield* requests
        const places = chats.map(({ name }) =>
          all.flatMap(({ body, connection }) =>
            JSON.stringify(body.input).includes(`${name}, `)
              ? [{
                place: `${connection} ${body.stream_id}`,
                isDelta: typeof body.previous_response_id === "string",
                items: body.input?.length
              }]
              : []
          )
        )
        for (const own of places) {
          assert.deepStrictEqual(own.map(({ isDelta, items }) => [isDelta, items]), [[false, 2], [true, 1], [true, 1]])
          assert.lengthOf(new Set(own.map(({ place }) => place)), 1)
        }
        assert.notStrictEqual(places[0]?.[0]?.place, places[1]?.[0]?.place)
      }).pipe(on(() => text("Yes"))))
  }

  for (const [what, edit] of Object.entries(edits)) {
    it.effect(`sends everything after ${what}`, () =>
      Effect.gen(function*() {
        const chat = yield* Chat.empty
        yield* chat.generateText({ prompt: "One" })
        yield* Ref.update(chat.history, edit)
        yield* chat.generateText({ prompt: "Two" })
        const expected = (yield* Ref.get(chat.history)).content.length - 1
        assert.deepStrictEqual((yield* shape)[1], [null, expected])
      }).pipe(on([text("1"), text("2")])))
  }

  const gone = [text("1"), turn([text("?"), ResponseScript.silence({ after: 4 })]), text("2"), text("3")]

  /** A chat with a reader between its first two turns who leaves early. */
  const besideOneThatLeaves = Effect.gen(function*() {
    const chat = yield* Chat.empty
    const say = (prompt: string) =>
      OpenAiLanguageModel.withConfigOverride(chat.generateText({ prompt }), { store: false })
    yield* say("One")
    yield* LanguageModel.streamText({ prompt: "Something else" }).pipe(Stream.take(1), Stream.runDrain)
    yield* say("Two")
    yield* say("Three")
    return yield* shape
  })

  it.effect("sends everything once the connection is gone and nothing is stored", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* besideOneThatLeaves, [[null, 1], [null, 1], [null, 3], ["resp_3", 1]])
    }).pipe(Effect.provide(Ways.layer(Ways.oneAtATime, gone))))

  it.effect("sends only what is new though another reader of the connection has left", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* besideOneThatLeaves, [[null, 1], [null, 1], ["resp_1", 1], ["resp_3", 1]])
      const { connections } = yield* ResponsesServer.ResponsesServer
      assert.strictEqual((yield* connections).opened, 1)
    }).pipe(on(gone)))

  it.effect("sends everything to a server that has forgotten, and nobody notices", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "One" })
      yield* (yield* ResponsesServer.ResponsesServer).forget("all")
      const answer = yield* chat.generateText({ prompt: "Two" })
      assert.strictEqual(answer.text, "2")
      assert.deepStrictEqual(yield* shape, [[null, 1], ["resp_1", 1], [null, 3]])
    }).pipe(on([text("1"), text("2")])))

  it.effect("keeps two dialogues on one connection apart", () =>
    Effect.gen(function*() {
      const [first, second] = yield* Effect.all([Chat.empty, Chat.empty])
      yield* first.generateText({ prompt: "One" })
      yield* second.generateText({ prompt: "Uno" })
      yield* first.generateText({ prompt: "Two" })
      yield* second.generateText({ prompt: "Due" })
      assert.deepStrictEqual(yield* shape, [[null, 1], [null, 1], ["resp_1", 1], ["resp_2", 1]])
    }).pipe(on([text("1"), text("uno"), text("2"), text("due")])))
})

describe("a tool that asks the model itself", () => {
  const toolkit = Toolkit.make(Tool.make("ask", { parameters: { about: Schema.String }, success: Schema.String }))
  const handlers = toolkit.toLayer(Effect.gen(function*() {
    const model = yield* LanguageModel.LanguageModel
    return {
      ask: ({ about }) =>
        Effect.zipRight(TestClock.adjust("1 second"), model.generateText({ prompt: about })).pipe(
          Effect.map((response) => response.text),
          Effect.orDie
        )
    }
  }))
  const outer = toolCall({ name: "ask", arguments: { about: "lamps" } })
  // The end of the outer response comes while the tool runs.
  const script = [turn([outer, ResponseScript.wait("1 second", { after: 7 })]), text("They are bright."), text("Done")]

  for (const way of [Ways.overHttp, Ways.overResponses]) {
    it.effect(`while the outer answer is streamed, over ${way === Ways.overHttp ? "HTTP" : "the socket"}`, () =>
      Effect.gen(function*() {
        const chat = yield* Chat.empty
        yield* Stream.runDrain(chat.streamText({ prompt: "Ask about lamps.", toolkit }))
        const [, , tool] = (yield* Ref.get(chat.history)).content
        assert(tool?.role === "tool")
        assert.strictEqual(tool.content[0]?.result, "They are bright.")
        assert.strictEqual((yield* chat.generateText({ prompt: [], toolkit })).text, "Done")
      }).pipe(Effect.provide(handlers), Effect.provide(Ways.layer(way, script))))
  }
})

describe("a reader that leaves", () => {
  it.effect("leaves nothing behind", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.ResponsesServer
      yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
        Stream.takeUntil(({ type }) => type === "text-delta"),
        Stream.runDrain
      )
      assert.strictEqual((yield* server.waitFor("ResponseEnded")).outcome, "abandoned")
      assert.strictEqual((yield* LanguageModel.generateText({ prompt: "Hi" })).text, "Second")
    }).pipe(on([turn([text("First"), ResponseScript.silence({ after: 6 })]), text("Second")])))
})
