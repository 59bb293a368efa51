import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { connect, end, type Frame, output, response } from "./client.ts"

const { text, toolCall, turn, wait } = ResponseScript

/** Says one thing, waits, and says another; a successor says what it saw. */
const slow: ResponseScript.Script = (request, context) =>
  request.input === "Go"
    ? turn([text("One"), wait("1 minute"), text("Two")])
    : text(`saw ${context.input.length}`)

const create = { type: "response.create", model: "test", input: "Go" }

const start = Effect.fnUntraced(function*(options: ResponsesServer.Options, more: object = {}) {
  const server = yield* ResponsesServer.make(options)
  const client = yield* connect(server.url)
  yield* client.send({ ...create, ...more })
  const { response: { id } } = yield* client.next
  yield* Effect.repeat(client.next, { until: (frame) => frame.type !== "response.in_progress" })
  const steer = (body: object = {}) =>
    client.send({ type: "response.steer", previous_response_id: id, input: "Faster", ...body })
  const until = (type: string) => Effect.repeat(client.next, { until: (frame) => frame.type === type })
  return { server, client, id, steer, until }
})

const failure = (frame: Frame): { readonly code: string; readonly steer: object } => {
  assert.strictEqual(frame.type, "response.steer.failed")
  return { code: frame.error.code ?? "", steer: Reflect.get(frame, "steer") }
}

describe("steering", () => {
  it.scoped("accepted: the response gives way at the next boundary, and its successor follows by itself", () =>
    Effect.gen(function*() {
      const { client, id, server, steer, until } = yield* start({ script: slow }, { stream_id: "main", temperature: 0 })
      yield* until("response.output_item.done")
      yield* steer()
      yield* steer({ input: [{ role: "user", content: [{ type: "input_text", text: "Much" }] }] })
      const accepted = [yield* client.next, yield* client.next]
      yield* TestClock.adjust("1 minute")
      const incomplete = yield* client.next
      const successor = yield* client.rest
      assert.deepStrictEqual(accepted.map(({ type }) => type), ["response.steer.accepted", "response.steer.accepted"])
      assert.deepStrictEqual(
        [...accepted, incomplete].map((frame) => frame.sequence_number),
        [8, 9, 10],
        "numbered on"
      )
      assert.strictEqual(incomplete.type, "response.incomplete")
      const ended: Readonly<Record<string, unknown>> = { ...incomplete.response }
      assert.deepStrictEqual(ended["incomplete_details"], { reason: "steered" })
      assert.strictEqual(incomplete.response.output.length, 1)
      assert.strictEqual(successor[0]?.type, "response.created")
      assert.isTrue(successor.every((frame) => frame.stream_id === "main"))
      const { metadata, previous_response_id, ...settings } = response(successor)
      assert.strictEqual(previous_response_id, id)
      assert.strictEqual(metadata.context_items, "4", "Go, One, Faster, Much")
      assert.strictEqual(Reflect.get(settings, "temperature"), 0)
      assert.deepStrictEqual((yield* server.stats).responses, {
        abandoned: 0,
        closed: 0,
        completed: 1,
        error: 0,
        failed: 0,
        incomplete: 1
      })
    }))

  it.scoped("a response that ends by itself is followed all the same", () =>
    Effect.gen(function*() {
      const script: ResponseScript.Script = [
        turn([text("One", { chunkSize: 1 }), wait("1 minute", { after: 5 })]),
        text("Two")
      ]
      const { client, steer } = yield* start({ script })
      yield* steer()
      yield* Effect.repeat(client.next, { until: (frame) => frame.type === "response.steer.accepted" })
      yield* TestClock.adjust("1 minute")
      const first = yield* client.rest
      assert.include(["response.completed", "response.incomplete"], end(first).type)
      assert.strictEqual(response(yield* client.rest).metadata.context_items, "3")
    }))

  it.scoped("pending: calls come first, and their outputs bring the input along", () =>
    Effect.gen(function*() {
      const script: ResponseScript.Script = (request, context) =>
        request.input === "Go"
          ? turn([toolCall({ name: "f", callId: "c1" }), wait("1 minute"), text("Two")])
          : text(`saw ${context.input.map((item) => item.type).join(" ")}`)
      const { client, id, steer, until } = yield* start({ script })
      yield* until("response.output_item.done")
      yield* steer()
      yield* until("response.steer.accepted")
      yield* TestClock.adjust("1 minute")
      yield* until("response.completed")
      const pending: Readonly<Record<string, unknown>> = { ...yield* client.next }
      assert.strictEqual(pending["type"], "response.steer.pending")
      assert.strictEqual(pending["reason"], "waiting_for_required_input")
      assert.deepStrictEqual(pending["required_input"], [{ type: "function_call_output", call_id: "c1", name: "f" }])
      const frames = yield* client.turn({ input: [output("c1", "x")], previous_response_id: id })
      const [message] = response(frames).output
      assert.strictEqual(
        message?.content[0]?.text,
        "saw message function_call message message function_call_output"
      )
    }))

  const invalid: ReadonlyArray<readonly [name: string, body: object]> = [
    ["a field too much", { stream_id: "main" }],
    ["no input", { input: undefined }],
    ["an empty list", { input: [] }],
    ["another role", { input: [{ role: "system", content: "x" }] }],
    ["another item", { input: [output("c1", "x")] }],
    ["a part that is no input", { input: [{ role: "user", content: [{ type: "output_text", text: "x" }] }] }],
    ["a field too much in an item", { input: [{ role: "user", content: "x", id: "msg_1" }] }]
  ]

  it.scoped.each(invalid)("invalid_input: %s", ([, body]) =>
    Effect.gen(function*() {
      const { client, steer, until } = yield* start({ script: slow })
      yield* until("response.output_item.done")
      yield* steer(body)
      assert.strictEqual(failure(yield* client.next).code, "invalid_input")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(end(yield* client.rest).type, "response.completed", "and it goes on")
    }))

  it.scoped("response_not_found, response_already_completed", () =>
    Effect.gen(function*() {
      const { client, id, steer } = yield* start({ script: [text("One")] })
      yield* client.rest
      yield* steer({ previous_response_id: "resp_0" })
      const unknown = failure(yield* client.next)
      assert.strictEqual(unknown.code, "response_not_found")
      assert.deepStrictEqual(unknown.steer, { previous_response_id: "resp_0", input: "Faster" }, "the input comes back")
      yield* steer({ previous_response_id: id })
      assert.strictEqual(failure(yield* client.next).code, "response_already_completed")
    }))

  it.scoped("response_not_active: the end was said, and something still trails it", () =>
    Effect.gen(function*() {
      const script: ResponseScript.Script = [turn([text("One"), ResponseScript.unfinished, ResponseScript.silence()])]
      const ended: ResponseScript.Script = [turn([text("One"), ResponseScript.completed, ResponseScript.silence()])]
      const first = yield* start({ script: ended })
      yield* first.until("response.completed")
      yield* first.steer()
      assert.strictEqual(failure(yield* first.client.next).code, "response_not_active")
      const second = yield* start({ script })
      yield* second.until("response.output_item.done")
      yield* second.steer()
      assert.strictEqual((yield* second.client.next).type, "response.steer.accepted", "it was never ended")
    }))

  it.scoped("steering_not_supported: the model, a warm-up's settings, a conversation", () =>
    Effect.gen(function*() {
      const model = yield* start({ script: slow, canSteer: (model) => model !== "test" })
      yield* model.until("response.output_item.done")
      yield* model.steer()
      assert.strictEqual(failure(yield* model.client.next).code, "steering_not_supported")
      const old = yield* start({ script: slow }, { model: "gpt-5.4-mini" })
      yield* old.until("response.output_item.done")
      yield* old.steer()
      assert.strictEqual(failure(yield* old.client.next).code, "steering_not_supported")
      const managed = yield* start({ script: slow }, {
        context_management: [{ type: "compaction", compact_threshold: 100_000 }]
      })
      yield* managed.until("response.output_item.done")
      yield* managed.steer()
      assert.strictEqual(failure(yield* managed.client.next).code, "steering_not_supported")
    }))

  it.scoped("too_many_pending_steers", () =>
    Effect.gen(function*() {
      const { client, steer, until } = yield* start({ script: slow, maxSteers: 1 })
      yield* until("response.output_item.done")
      yield* steer()
      yield* steer()
      assert.strictEqual((yield* client.next).type, "response.steer.accepted")
      assert.strictEqual(failure(yield* client.next).code, "too_many_pending_steers")
    }))

  it.scoped("successor_creation_failed: the response fails, and the input comes back with its id", () =>
    Effect.gen(function*() {
      const failed = ResponseScript.failed({ code: "server_error", message: "m" })
      const call = toolCall({ name: "f", callId: "c1" })
      const { client, steer, until } = yield* start({ script: [turn([call, wait("1 minute"), failed])] })
      yield* until("response.output_item.done")
      yield* steer()
      const accepted: Readonly<Record<string, unknown>> = { ...yield* client.next }
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* client.next).type, "response.failed")
      const { code, steer: returned } = failure(yield* client.next)
      assert.strictEqual(code, "successor_creation_failed")
      assert.deepStrictEqual(returned, { ...Object(accepted["steer"]), input: "Faster" })
    }))
})
