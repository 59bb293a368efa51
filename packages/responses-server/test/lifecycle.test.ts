import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { connect, end, json, parseSse, post, type Response, response, stream, text } from "./client.ts"

const { turn } = ResponseScript

const lifeCycle = [
  "response.created",
  "response.in_progress",
  "response.output_item.added",
  "response.content_part.added",
  "response.output_text.delta",
  "response.output_text.delta",
  "response.output_text.done",
  "response.content_part.done",
  "response.output_item.done",
  "response.completed"
]

const hello = ResponseScript.text("Hello", { chunkSize: 3 })

describe("life cycle", () => {
  it.scoped("a response on a socket, numbered from 0", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: [hello] })
      const client = yield* connect(server.url)
      const frames = yield* client.turn({ input: "Hi", metadata: { mine: "1" } })
      assert.deepStrictEqual(frames.map((frame) => frame.type), lifeCycle)
      assert.deepStrictEqual(frames.map((frame) => frame.sequence_number), lifeCycle.map((_, index) => index))
      assert.strictEqual(text(frames), "Hello")
      assert.isTrue(frames.every((frame) => !("stream_id" in frame)))
      const { id, metadata, output } = response(frames)
      assert.match(id, /^resp_/)
      assert.strictEqual(metadata.mine, "1")
      assert.strictEqual(metadata.context_items, "1")
      assert.strictEqual(output[0]?.content[0]?.text, "Hello")
    }))

  it.scoped("the same frames over HTTP, with event names, and nothing after the last one", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: [hello] })
      const answer = yield* post(server.url, { input: "Hi", stream: true })
      assert.strictEqual(answer.status, 200)
      assert.include(answer.headers.get("content-type"), "text/event-stream")
      assert.match(answer.headers.get("x-request-id") ?? "", /^req_/)
      const messages = parseSse(yield* Effect.promise(() => answer.text()))
      assert.deepStrictEqual(messages.map(({ event }) => event), lifeCycle)
      assert.deepStrictEqual(messages.map(({ data }) => JSON.parse(data).type), lifeCycle)
    }))

  it.scoped("without stream, HTTP answers with the response", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: [hello] })
      const answer = yield* post(server.url, { input: "Hi" })
      const body = yield* json<Response>(answer)
      assert.strictEqual(body.object, "response")
      assert.strictEqual(body.status, "completed")
      assert.strictEqual(body.output[0]?.content[0]?.text, "Hello")
    }))

  it.scoped("events of a lane name it", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: [hello] })
      const client = yield* connect(server.url)
      const frames = yield* client.turn({ input: "Hi", stream_id: "main" })
      assert.isTrue(frames.every((frame) => frame.stream_id === "main"))
    }))

  it.scoped("requests on one lane are answered in turn", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: [turn([ResponseScript.text("one"), ResponseScript.wait("1 minute")]), ResponseScript.text("two")]
      })
      const client = yield* connect(server.url)
      const create = (input: string) => client.send({ type: "response.create", model: "test", input })
      yield* create("1")
      yield* create("2")
      yield* server.waitFor("RequestReceived", 2)
      yield* clockUntil(client.rest).pipe(
        Effect.tap((frames) => Effect.sync(() => assert.strictEqual(text(frames), "one")))
      )
      assert.strictEqual(text(yield* client.rest), "two")
    }))

  it.scoped("generate: false makes a response without output that can be continued", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: [hello] })
      const client = yield* connect(server.url)
      const warm = yield* client.turn({ input: "Hi", store: false, generate: false })
      assert.deepStrictEqual(warm.map((frame) => frame.type), ["response.created", "response.completed"])
      assert.deepStrictEqual(response(warm).output, [])
      const frames = yield* client.turn({
        store: false,
        previous_response_id: response(warm).id,
        input: [{ role: "user", content: "Go" }]
      })
      assert.strictEqual(text(frames), "Hello")
      assert.strictEqual(response(frames).metadata.context_items, "2")
    }))

  it.scoped("the clock of the program holds each delta", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: [hello], deltaDelay: "1 minute" })
      const client = yield* connect(server.url)
      const nothingLeft = Effect.map(server.sendToIdle({ type: "keepalive" }), (idle) => idle === 1)
      yield* client.send({ type: "response.create", model: "test", input: "Hi" })
      yield* Effect.repeat(client.next, { until: (frame) => frame.type === "response.content_part.added" })
      assert.isFalse(yield* nothingLeft)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* client.next).delta, "Hel")
      assert.isFalse(yield* nothingLeft)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(text(yield* client.rest), "lo")
    }))

  it.scoped("a script that has run out says so", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: [] })
      const client = yield* connect(server.url)
      const { error, status } = end(yield* client.turn({ input: "Hi" }))
      assert.strictEqual(status, 500)
      assert.strictEqual(error.code, "script_exhausted")
    }))

  it.scoped("frames from a script pass word for word", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: [turn([ResponseScript.raw([{ type: "codex.rate_limits", left: 1 }]), hello, ResponseScript.completed])]
      })
      const frames = yield* stream(server.url, { input: "Hi" })
      assert.strictEqual(JSON.stringify(frames[0]), "{\"type\":\"codex.rate_limits\",\"left\":1}")
      assert.deepStrictEqual(frames.slice(1).map((frame) => frame.type), lifeCycle)
    }))
})

/** Lets time pass until the effect is done: however often somebody sleeps, nobody sleeps for real. */
const clockUntil = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(
    effect,
    Effect.forever(Effect.zipRight(TestClock.adjust("1 minute"), Effect.promise(() => new Promise(setImmediate))))
  )
