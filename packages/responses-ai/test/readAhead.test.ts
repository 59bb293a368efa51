/** A streamed response is read to its end whatever its consumer does, and what is unread is bounded. */
import type * as AiError from "@effect/ai/AiError"
import * as LanguageModel from "@effect/ai/LanguageModel"
import { assert, describe, it } from "@effect/vitest"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as ResponsesTest from "effect-responses/ResponsesTest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as ResponsesAiConfig from "../src/ResponsesAiConfig.ts"
import { toResponsesError } from "../src/ResponsesAiError.ts"
import * as ResponsesOpenAiClient from "../src/ResponsesOpenAiClient.ts"
import { model } from "./support/ways.ts"

const over = (script: ResponseScript.Script) =>
  Layer.provideMerge(model, Layer.provideMerge(ResponsesOpenAiClient.layerWithoutHttp, ResponsesTest.layer(script)))

const inner = Effect.map(LanguageModel.generateText({ prompt: "And?" }), ({ text }) => text)

const innerInTime = Effect.flatMap(
  Effect.fork(inner),
  (fiber) => Effect.zipRight(TestClock.adjust("1 second"), Fiber.join(fiber))
)

const long = ResponseScript.text("x".repeat(2000), { chunkSize: 1 })
const andOn = ResponseScript.text("And on")

/** The second response is so slow that the first one has come in whole before. */
const script = [long, ResponseScript.turn([ResponseScript.wait("1 second"), andOn])]

interface Read {
  readonly text: string
  /** What the model answered when it was asked in the middle of the stream. */
  readonly answers: ReadonlyArray<string>
  readonly error: AiError.AiError | undefined
}

/** Asks the model again at the first delta, and takes nothing more until that is answered. */
const read = (maxUnreadSize?: number): Effect.Effect<Read, AiError.AiError, LanguageModel.LanguageModel> =>
  Effect.gen(function*() {
    const answers: Array<string> = []
    let text = ""
    const stream = LanguageModel.streamText({ prompt: "Hi" }).pipe(
      ResponsesAiConfig.withStreamOverrides(maxUnreadSize === undefined ? {} : { maxUnreadSize }),
      Stream.runForEach((part) => {
        if (part.type !== "text-delta") return Effect.void
        text += part.delta
        return answers.length > 0 ? Effect.void : Effect.map(innerInTime, (answer) => void answers.push(answer))
      })
    )
    const error = yield* Effect.match(stream, { onFailure: (error) => error, onSuccess: () => undefined })
    return { text, answers, error }
  })

describe("a stream whose consumer asks the model in between", () => {
  it.effect("is read to its end, and nothing of it is lost", () =>
    Effect.gen(function*() {
      const { answers, error, text } = yield* read()
      assert.deepStrictEqual(answers, ["And on"])
      assert.isUndefined(error)
      assert.strictEqual(text, "x".repeat(2000))
    }).pipe(Effect.provide(over(script))))

  it.effect("is not too large where its consumer keeps up", () =>
    Effect.gen(function*() {
      const stream = LanguageModel.streamText({ prompt: "Hi" }).pipe(
        ResponsesAiConfig.withStreamOverrides({ maxUnreadSize: 20_000 })
      )
      const length = yield* Stream.runFold(stream, 0, (sum, part) => part.type === "text-delta" ? sum + 1 : sum)
      assert.strictEqual(length, 2000)
    }).pipe(Effect.provide(over(script))))

  it.effect("fails where more is unread than may be, after what came before, and the other call is answered", () =>
    Effect.gen(function*() {
      const { answers, error, text } = yield* read(20_000)
      assert.deepStrictEqual(answers, ["And on"])
      assert(error !== undefined)
      assert.strictEqual(error._tag, "HttpRequestError")
      const cause = Option.getOrThrow(toResponsesError(error))
      assert(cause._tag === "ConnectionError")
      assert.deepInclude(cause, { reason: "Overrun", delivery: "partial" })
      assert.include(cause.message, "maxUnreadSize")
      // About 200 characters each.
      assert.isAbove(text.length, 20)
      assert.isBelow(text.length, 1000)
      assert.strictEqual(yield* (yield* ResponsesTest.ResponsesTest).abandoned, 1)
    }).pipe(Effect.provide(over(script))))
})

/** As large in what no delta is read for. */
const large: Readonly<Record<string, unknown>> = {
  "texts in a list": Array.from({ length: 100 }, () => "x".repeat(100)),
  "long names": { ["x".repeat(10_000)]: 1 },
  "many small values": Array.from({ length: 1250 }, () => 1),
  "many levels": JSON.parse(`${"[".repeat(1250)}${"]".repeat(1250)}`)
}

describe("what is unread is counted", () => {
  for (const [name, value] of Object.entries(large)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { error } = yield* read(9000)
        assert.strictEqual(error?._tag, "HttpRequestError")
      }).pipe(Effect.provide(over([
        ResponseScript.turn([
          ResponseScript.events([{ type: "response.output_text.delta", item_id: "m", delta: "x" }]),
          ResponseScript.events(Array.from({ length: 3 }, () => ({ type: "response.of_tomorrow", value })))
        ]),
        ResponseScript.text("And on")
      ]))))
  }
})

describe("a stream that is left", () => {
  it.effect("early gives the response up", () =>
    Effect.gen(function*() {
      yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
        Stream.takeUntil((part) => part.type === "text-delta"),
        Stream.runDrain
      )
      assert.strictEqual(yield* inner, "And on")
      assert.strictEqual(yield* (yield* ResponsesTest.ResponsesTest).abandoned, 1)
    }).pipe(Effect.provide(over([ResponseScript.turn([long, ResponseScript.silence()]), andOn]))))

  it.effect("by interruption gives the response up", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" })))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* inner, "And on")
    }).pipe(Effect.provide(over([ResponseScript.silence({ after: 2 }), andOn]))))
})
