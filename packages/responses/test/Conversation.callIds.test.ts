/** Calls of async tools on a server that numbers the calls of each response anew: several are open under one `call_id`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Conversation from "../src/Conversation.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const { text } = ResponsesTest

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

const call = (name: string, minutes: number) =>
  ResponsesTest.toolCall({ name, arguments: { minutes }, callId: "call_0" })

const parameters = Schema.Struct({ minutes: Schema.Number })

const tools = () => {
  const keys: Array<string> = []
  const handler = (name: string) => ({ minutes }: typeof parameters.Type, invocation: ResponseTool.Invocation) => {
    keys.push(invocation.idempotencyKey)
    return Effect.as(Effect.sleep(`${minutes} minutes`), `${name} ${minutes}`)
  }
  return {
    keys,
    tools: [
      ResponseTool.make({ name: "build", parameters, async: true, handler: handler("built") }),
      ResponseTool.make({ name: "look", parameters, handler: handler("seen") })
    ]
  } as const
}

const settings = { id: "c", model: "m" } as const

const outputs = <E, R>(conversation: Conversation.Conversation<R, E>) =>
  Effect.map(
    conversation.history,
    (history) => history.flatMap((item) => item.type === "function_call_output" ? [item.output] : [])
  )

const pass = (minutes: number) => TestClock.adjust(`${minutes} minutes`)

const statuses = <E, R>(conversation: Conversation.Conversation<R, E>) =>
  Effect.map(conversation.background, (calls) => calls.map(({ attempt, status }) => `${attempt} ${status}`))

const provided = (script: ResponsesTest.Script) =>
  Effect.provide(Layer.merge(ResponsesTest.layer(script), ConversationJournal.layerMemory))

describe("calls that are open under one call_id", () => {
  it.scoped("have an output each, if both are of an async tool and the later one ends first", () =>
    Effect.gen(function*() {
      const { keys, tools: given } = tools()
      const conversation = yield* Conversation.open({ ...settings, tools: given })
      yield* run(conversation.run("a"))
      yield* run(conversation.run("b"))
      yield* pass(5)
      assert.deepStrictEqual(yield* statuses(conversation), ["1 running", "1 ended"])
      yield* run(conversation.run("c"))
      assert.deepStrictEqual(yield* outputs(conversation), ["built 5"])
      yield* pass(5)
      yield* run(conversation.resume)
      assert.deepStrictEqual(yield* outputs(conversation), ["built 5", "built 10"])
      assert.strictEqual(new Set(keys).size, 2)
      assert.strictEqual(keys.length, 2)
      const loaded = yield* Conversation.open({ ...settings, tools: given })
      assert.deepStrictEqual(yield* loaded.history, yield* conversation.history)
      assert.deepStrictEqual(yield* loaded.background, [])
    }).pipe(provided([call("build", 10), call("build", 5), text("x"), text("y")])))

  it.scoped("have an output each, if the one of the async tool ends while the other tool runs", () =>
    Effect.gen(function*() {
      const { tools: given } = tools()
      const conversation = yield* Conversation.open({ ...settings, tools: given })
      yield* run(conversation.run("a"))
      const fiber = yield* Effect.fork(run(conversation.run("b")))
      yield* pass(5)
      assert.deepStrictEqual(yield* statuses(conversation), ["1 ended"])
      yield* pass(5)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* outputs(conversation), ["seen 10", "built 5"])
    }).pipe(provided([call("build", 5), call("look", 10), text("x")])))

  it.scoped("are the same calls for the process that goes on with them", () =>
    Effect.gen(function*() {
      const { keys, tools: given } = tools()
      const killed = yield* Effect.scoped(Effect.gen(function*() {
        const conversation = yield* Conversation.open({ ...settings, tools: given })
        yield* run(conversation.run("a"))
        yield* run(conversation.run("b"))
        yield* pass(5)
        return yield* statuses(conversation)
      }))
      assert.deepStrictEqual(killed, ["1 running", "1 ended"])
      const conversation = yield* Conversation.open({ ...settings, tools: given })
      assert.deepStrictEqual(yield* statuses(conversation), ["1 unknown", "1 ended"])
      yield* run(conversation.resume)
      const [second, first] = yield* outputs(conversation)
      assert.strictEqual(second, "built 5")
      assert.match(JSON.stringify(first), /outcome is unknown/)
      assert.strictEqual(keys.length, 2)
    }).pipe(provided([call("build", 10), call("build", 5), text("x"), text("y")])))
})
