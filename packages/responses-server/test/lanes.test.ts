import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { WebSocket } from "ws"
import * as Thorough from "../../responses/test/support/thorough.ts"
import { connect, end, type Frame, response } from "./client.ts"

const create = (stream_id?: string) => ({ type: "response.create", model: "test", input: stream_id ?? "Hi", stream_id })

const names = (count: number) => Array.from({ length: count }, (_, index) => `lane-${index}`)

describe("lanes", () => {
  it.scoped("16 responses in flight; the 17th waits for a place, and the control frames for nobody", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: () => ResponseScript.turn([ResponseScript.text("x"), ResponseScript.wait("1 minute")])
      })
      const client = yield* connect(server.url)
      const lanes = names(17)
      for (const lane of lanes) yield* client.send(create(lane))
      yield* server.waitFor("RequestReceived", 17)
      const begun = new Set<string>()
      while (begun.size < 16) begun.add((yield* client.next).stream_id)
      const { inFlight, queued } = yield* server.stats
      assert.deepStrictEqual({ inFlight, queued }, { inFlight: 16, queued: 1 })
      assert.isFalse(begun.has("lane-16"))
      yield* TestClock.adjust("1 minute")
      yield* server.waitFor("ResponseEnded", 16)
      yield* Effect.repeat(client.next, { until: (frame) => frame.stream_id === "lane-16" })
      yield* TestClock.adjust("1 minute")
      yield* server.waitFor("ResponseEnded", 17)
    }))

  it.scoped("32 names for a connection; the unnamed lane is free, and the old names go on", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: () => ResponseScript.text("x") })
      const client = yield* connect(server.url)
      yield* client.turn({ input: "Hi" })
      for (const stream_id of names(32)) {
        assert.strictEqual(end(yield* client.turn({ input: "Hi", stream_id })).type, "response.completed")
      }
      const refused = end(yield* client.turn({ input: "Hi", stream_id: "one-more" }))
      assert.strictEqual(refused.status, 400)
      assert.strictEqual(refused.stream_id, "one-more")
      assert.strictEqual(refused.error.code, "websocket_stream_limit_reached")
      for (const stream_id of [undefined, "lane-0", "lane-31"]) {
        assert.strictEqual(end(yield* client.turn({ input: "Hi", stream_id })).type, "response.completed")
      }
      const other = yield* connect(server.url)
      assert.strictEqual(end(yield* other.turn({ input: "Hi", stream_id: "one-more" })).type, "response.completed")
    }))

  it.scoped("a slow lane does not hold up another, and its own requests come in turn", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: (request) =>
          request.stream_id === "slow"
            ? ResponseScript.turn([ResponseScript.text("x"), ResponseScript.wait("1 minute", { after: 1 })])
            : ResponseScript.text("y")
      })
      const client = yield* connect(server.url)
      yield* client.send(create("slow"))
      yield* client.send(create("slow"))
      assert.strictEqual((yield* client.next).stream_id, "slow")
      assert.isTrue((yield* client.turn({ stream_id: "fast" })).every(({ stream_id }) => stream_id === "fast"))
      yield* TestClock.adjust("1 minute")
      const first = yield* client.rest
      assert.isTrue(first.every(({ stream_id }) => stream_id === "slow"))
      assert.strictEqual((yield* client.next).sequence_number, 0)
    }))

  it.scoped("a fork continues from another lane's response, and keeps it when the fork fails", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: (request, { input }) =>
          request.instructions === "fail"
            ? ResponseScript.error({ status: 500, code: "server_error", message: "m" })
            : ResponseScript.text(`saw ${input.length}`)
      })
      const client = yield* connect(server.url)
      const ask = (more: object) => client.turn({ store: false, input: "x", ...more })
      const { id } = response(yield* ask({ stream_id: "a" }))
      assert.strictEqual(
        end(yield* ask({ stream_id: "b", previous_response_id: id, instructions: "fail" })).status,
        500
      )
      assert.strictEqual(response(yield* ask({ stream_id: "b", previous_response_id: id })).metadata.context_items, "3")
      assert.strictEqual(response(yield* ask({ stream_id: "a", previous_response_id: id })).metadata.context_items, "3")
    }))
})

/** A client that costs next to nothing: it hands on what comes. */
const open = (url: string, onFrame: (frame: Frame) => void) =>
  Effect.acquireRelease(
    Effect.async<WebSocket>((resume) => {
      const ws = new WebSocket(`${url.replace(/^http/, "ws")}/responses`, { perMessageDeflate: false })
      ws.on("message", (data: Buffer) => onFrame(JSON.parse(data.toString())))
      ws.on("open", () => resume(Effect.succeed(ws)))
    }),
    (ws) => Effect.sync(() => ws.terminate())
  )

describe("load", () => {
  const connections = Thorough.amount(200, 50)

  it.scopedLive(
    `${connections} connections with 16 lanes each: every event in order, none on the wrong lane`,
    () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({
          script: ({ input }) => ResponseScript.text(typeof input === "string" ? input : "", { chunkSize: 2 }),
          maxInFlight: 16
        })
        const lanes = names(16)
        const wrong: Array<string> = []
        const one = (number: number) =>
          Effect.gen(function*() {
            const next = new Map(lanes.map((lane) => [lane, 0]))
            const texts = new Map(lanes.map((lane) => [lane, ""]))
            let left = lanes.length
            let finish = () => {}
            const done = new Promise<void>((resolve) => (finish = resolve))
            const ws = yield* open(server.url, (frame) => {
              const { delta, sequence_number, stream_id, type } = frame
              const expected = next.get(stream_id)
              if (expected !== sequence_number) {
                wrong.push(`${number} ${stream_id}: ${sequence_number} after ${expected}`)
              }
              next.set(stream_id, sequence_number + 1)
              if (type === "response.output_text.delta") texts.set(stream_id, (texts.get(stream_id) ?? "") + delta)
              if (type === "response.completed" && --left === 0) finish()
            })
            for (const lane of lanes) {
              ws.send(JSON.stringify({ ...create(lane), input: `${number}/${lane}`, store: false }))
            }
            yield* Effect.promise(() => done)
            for (const [lane, text] of texts) if (text !== `${number}/${lane}`) wrong.push(`${number} ${lane}: ${text}`)
          })
        yield* Effect.forEach(Array.from({ length: connections }, (_, index) => index), one, {
          concurrency: "unbounded",
          discard: true
        })
        assert.deepStrictEqual(wrong, [])
        const { responses, ...stats } = yield* server.stats
        assert.deepInclude(stats, {
          cached: connections * 16,
          connections: { opened: connections, open: connections },
          inFlight: 0,
          queued: 0
        })
        assert.strictEqual(responses.completed, connections * 16)
      }),
    60_000
  )

  it.scopedLive("memory is flat, however many responses there were", () =>
    Effect.gen(function*() {
      setFlagsFromString("--expose-gc")
      const collect: unknown = runInNewContext("gc")
      const used = () => {
        if (typeof collect === "function") collect()
        return process.memoryUsage().heapUsed
      }
      const server = yield* ResponsesServer.make({
        script: () => ResponseScript.text("x".repeat(1000)),
        storeLimit: 50,
        recordLimit: 50
      })
      let finish = () => {}
      const ws = yield* open(server.url, ({ type }) => {
        if (type === "response.completed") finish()
      })
      const input = "y".repeat(1000)
      const ask = (count: number) =>
        Effect.promise(async () => {
          for (let index = 0; index < count; index++) {
            const done = new Promise<void>((resolve) => (finish = resolve))
            ws.send(JSON.stringify({ ...create(), input, stream_id: `lane-${index % 32}` }))
            await done
          }
        })
      const total = Number(process.env["RESPONSES_SERVER_LOAD"] ?? 2000)
      yield* ask(total / 4)
      const before = used()
      yield* ask(total)
      const growth = used() - before
      // A hundred bytes a response: one that is kept has more than two thousand.
      assert.isBelow(growth, Math.max(total * 100, 500_000))
      assert.strictEqual((yield* server.requests).length, 50)
      assert.strictEqual((yield* server.contexts).length, 50)
      assert.strictEqual((yield* server.stats).stored.responses, 50)
      assert.strictEqual((yield* server.stats).responses.completed, total * 1.25)
    }), 180_000)
})
