import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck, Schema } from "effect"
import * as ResponseEvent from "../src/ResponseEvent.ts"

const decode = (frame: string) => ResponseEvent.decode(frame, "unacknowledged")
const event = (value: object): ResponseEvent.ServerEvent => Either.getOrThrow(decode(JSON.stringify(value)))
const response = { id: "resp_1" }

describe("ResponseEvent", () => {
  describe("decode", () => {
    const malformed: ReadonlyArray<readonly [frame: string, description: string]> = [
      ["", "a message that is not JSON"],
      ["{\"type\":\"response.crea", "a message that is not JSON"],
      ["[DONE]", "a message that is not JSON"],
      ["1", "a message that is not an object"],
      ["null", "a message that is not an object"],
      ["\"response.created\"", "a message that is not an object"],
      ["[{\"type\":\"error\"}]", "a message that is not an object"],
      ["{}", "a message without a type"],
      ["{\"type\":1}", "a message without a type"],
      ["{\"type\":null,\"id\":\"resp_1\"}", "a message without a type"],
      ["{\"id\":\"resp_1\",\"error\":null}", "a message without a type"],
      ["{\"type\":\"response.created\"}", "response.created without a valid `response`"],
      ["{\"type\":\"response.created\",\"response\":{}}", "response.created without a valid `response`"],
      ["{\"type\":\"response.completed\",\"response\":{\"id\":\"\"}}", "response.completed without a valid `response`"],
      [
        "{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"output\":{}}}",
        "response.completed without a valid `response`"
      ],
      ["{\"type\":\"response.incomplete\",\"response\":null}", "response.incomplete without a valid `response`"],
      ["{\"type\":\"response.output_text.delta\"}", "response.output_text.delta without a valid `delta`"],
      ["{\"type\":\"response.output_text.delta\",\"delta\":1}", "response.output_text.delta without a valid `delta`"],
      ["{\"type\":\"response.output_text.done\",\"text\":null}", "response.output_text.done without a valid `text`"],
      ["{\"type\":\"response.output_item.done\",\"item\":[]}", "response.output_item.done without a valid `item`"],
      ["{\"type\":\"response.content_part.added\"}", "response.content_part.added without a valid `part`"],
      [
        "{\"type\":\"response.function_call_arguments.done\"}",
        "response.function_call_arguments.done without a valid `arguments`"
      ]
    ]
    for (const [frame, description] of malformed) {
      it(`refuses ${JSON.stringify(frame)}`, () => {
        const error = Either.getOrThrow(Either.flip(ResponseEvent.decode(frame, "partial")))
        assert.deepInclude(error, { _tag: "MalformedEvent", description, frame, delivery: "partial" })
      })
    }

    it("keeps no more than the beginning of what it refuses", () => {
      const error = Either.getOrThrow(Either.flip(decode("x".repeat(1 << 20))))
      assert.strictEqual(error.frame.length, 200)
    })

    const good: ReadonlyArray<object> = [
      { type: "response.created", response },
      { type: "response.completed", response: { ...response, output: [], usage: null, a_new_field: 1 } },
      { type: "response.completed", response: { ...response, output: null } },
      { type: "response.output_text.delta", delta: "", logprobs: [] },
      { type: "response.output_text.delta", delta: "a", stream_id: "lane", sequence_number: 3 },
      { type: "response.output_item.done", item: { type: "an_item_of_tomorrow", x: 1 } },
      { type: "response.output_text.annotation.added", annotation: { type: "url_citation" } },
      { type: "response.reasoning_summary_part.added", part: { type: "summary_text" } },
      { type: "response.reasoning_summary_part.done", part: { type: "summary_of_tomorrow", text: null } },
      { type: "response.completed", response: { ...response, output: [null, 1] } },
      { type: "response.of_tomorrow", x: [1, { y: null }] },
      { type: "keepalive" },
      { type: "codex.rate_limits", limits: {} },
      { type: "" },
      { type: "constructor" },
      { type: "__proto__" },
      { type: "error", error: null },
      { type: "response.failed" },
      { error: { message: "Broke", type: "api_error" } },
      { error: "Broke" }
    ]
    for (const value of good) {
      it(`keeps ${JSON.stringify(value)} as it came`, () => {
        assert.deepStrictEqual(event(value), value)
      })
    }

    const types = FastCheck.constantFrom(
      "response.created",
      "response.completed",
      "response.output_text.delta",
      "response.output_item.done",
      "error",
      "response.failed",
      "response.of_tomorrow"
    )
    const nearlyEvents = FastCheck.tuple(
      types,
      FastCheck.dictionary(
        FastCheck.constantFrom("response", "delta", "item", "error", "code", "text", "stream_id"),
        FastCheck.oneof(FastCheck.jsonValue(), FastCheck.constant({ id: "resp_1" }))
      )
    ).map(([type, fields]) => JSON.stringify({ type, ...fields }))

    it.prop(
      "never throws, and gives what JSON.parse gives or a refusal",
      [FastCheck.oneof(FastCheck.string(), FastCheck.json(), nearlyEvents)],
      ([frame]) => {
        const decoded = decode(frame)
        if (Either.isLeft(decoded)) return assert.notStrictEqual(decoded.left.message, "")
        assert.deepStrictEqual(decoded.right, JSON.parse(frame))
        assert.isBoolean(ResponseEvent.isTerminal(decoded.right))
        ResponseEvent.responseId(decoded.right)
      }
    )
  })

  describe("what an event means", () => {
    const delta = { type: "response.output_text.delta", delta: "a" }
    const table: ReadonlyArray<readonly [object, meaning: "progress" | "output" | "end" | "failure"]> = [
      [{ type: "response.created", response }, "progress"],
      [{ type: "response.queued", response }, "progress"],
      [{ type: "response.in_progress", response }, "progress"],
      [{ type: "keepalive" }, "progress"],
      [{ type: "codex.rate_limits" }, "progress"],
      [{ type: "responsesapi.websocket_timing" }, "progress"],
      [delta, "output"],
      [{ type: "response.output_item.added", item: {} }, "output"],
      [{ type: "response.reasoning_summary_text.delta", delta: "" }, "output"],
      [{ type: "response.web_search_call.in_progress" }, "output"],
      [{ type: "response.of_tomorrow" }, "output"],
      [{ type: "response.completed", response }, "end"],
      [{ type: "response.incomplete", response }, "end"],
      [{ type: "response.failed", response }, "failure"],
      [{ type: "error", code: "server_error" }, "failure"],
      [{ error: { message: "Broke" } }, "failure"]
    ]
    for (const [value, meaning] of table) {
      it(`${JSON.stringify(value)} is ${meaning}`, () => {
        const it = event(value)
        assert.deepStrictEqual({
          output: ResponseEvent.isOutput(it),
          end: ResponseEvent.isEnd(it),
          failure: ResponseEvent.isFailure(it),
          terminal: ResponseEvent.isTerminal(it)
        }, {
          output: meaning === "output",
          end: meaning === "end",
          failure: meaning === "failure",
          terminal: meaning === "end" || meaning === "failure"
        })
      })
    }

    const ids: ReadonlyArray<readonly [object, string | undefined]> = [
      [{ type: "response.created", response }, "resp_1"],
      [{ type: "response.done", response_id: "resp_2" }, "resp_2"],
      [{ type: "response.done", response, response_id: "resp_2" }, "resp_1"],
      [{ type: "response.done", response: "resp_1" }, undefined],
      [{ type: "response.done", response: { id: 1 }, response_id: 2 }, undefined],
      [{ type: "response.done", response: { id: "" }, response_id: "" }, undefined],
      [{ type: "response.done", response: { id: "" }, response_id: "resp_2" }, "resp_2"],
      [delta, undefined]
    ]
    for (const [value, id] of ids) {
      it(`${JSON.stringify(value)} names ${id ?? "no response"}`, () => {
        assert.strictEqual(ResponseEvent.responseId(event(value)), id)
      })
    }

    it("an unknown event is told from a known one", () => {
      assert.isTrue(ResponseEvent.isUnknown(event({ type: "response.of_tomorrow" }) as ResponseEvent.ResponseEvent))
      assert.isTrue(ResponseEvent.isUnknown(event({ type: "toString" }) as ResponseEvent.ResponseEvent))
      assert.isFalse(ResponseEvent.isUnknown(event(delta) as ResponseEvent.ResponseEvent))
    })
  })

  it("the schema accepts what a stream gives, and nothing else", () => {
    const is = Schema.is(ResponseEvent.ResponseEvent)
    assert.isTrue(is({ type: "response.created", response }))
    assert.isTrue(is({ type: "response.of_tomorrow" }))
    for (
      const value of [null, {}, { type: 1 }, { type: "response.created" }, { type: "error" }, {
        type: "response.failed"
      }]
    ) {
      assert.isFalse(is(value))
    }
  })

  it("the schemas say why they refuse what is nested too deep to be written", () => {
    const deep: unknown = JSON.parse(`${"[".repeat(20_000)}${"]".repeat(20_000)}`)
    for (const schema of [ResponseEvent.ResponseEvent, ResponseEvent.Response]) {
      const decoded = Schema.decodeUnknownEither(schema as Schema.Schema<unknown>)(deep)
      assert(Either.isLeft(decoded))
      assert.include(decoded.left.message, "Expected")
    }
  })

  it("a switch over the type narrows, and a misspelt type does not compile", () => {
    const render = (event: ResponseEvent.ResponseEvent): string => {
      switch (event.type) {
        case "response.output_text.delta":
          return event.delta
        case "response.completed":
          return event.response.id
        case "response.output_item.done":
          return event.item.type === "function_call" ? event.item.name : ""
        // @ts-expect-error no event is called so
        case "response.output_text.dleta":
          return ""
        // @ts-expect-error a failure is no event of a stream
        case "response.failed":
          return ""
        default:
          // @ts-expect-error only some events have it
          return event.delta ?? ""
      }
    }
    const isDelta = (event: ResponseEvent.ResponseEvent) =>
      // @ts-expect-error no event is called so
      event.type === "response.output_text.dleta"
    const raw = (event: ResponseEvent.ResponseEvent): unknown =>
      ResponseEvent.isUnknown(event) ? event["whatever"] : event.type
    const text: ResponseEvent.Of<"response.output_text.delta"> = { type: "response.output_text.delta", delta: "a" }
    assert.strictEqual(render(text), "a")
    assert.isFalse(isDelta(text))
    assert.strictEqual(raw(text), "response.output_text.delta")
  })
})
