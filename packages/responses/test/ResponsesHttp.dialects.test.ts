import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FastCheck, Redacted, Scope } from "effect"
import * as EventStream from "../src/internal/http/eventStream.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import * as ResponsesHttp from "../src/ResponsesHttp.ts"
import * as Thorough from "./support/thorough.ts"

const key = "sk-very-secret"
const request: ResponseRequest = { model: "m", input: "Hello" }

const created = { type: "response.created", response: { id: "resp_1", status: "in_progress" } }
const delta = (delta: string) => ({ type: "response.output_text.delta", item_id: "msg_1", delta })
const completed = { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
const turn = [created, delta("Grüße"), delta(" 🚀"), completed]

const json = (value: unknown) => JSON.stringify(value)
const pretty = (value: unknown) => JSON.stringify(value, undefined, 2)
const data = (text: string) => `data: ${text}\n\n`
const sse = (...events: ReadonlyArray<object>) => events.map((event) => data(json(event))).join("")
const text = new TextEncoder()

type Pieces = Iterable<string | Uint8Array>

interface Answer {
  readonly type?: string | undefined
  readonly status?: number
}

/** The runner of the tests must be heard between so many bodies. */
const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** What a caller gets of a body: its events, and the failure. */
const got = (pieces: Pieces, { status = 200, type = "text/event-stream" }: Answer = {}) =>
  Effect.gen(function*() {
    yield* eventLoopTurn
    let pulled = 0
    const iterator = pieces[Symbol.iterator]()
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled++
        const { done, value } = iterator.next()
        if (done === true) controller.close()
        else controller.enqueue(typeof value === "string" ? text.encode(value) : value)
      }
    }, { highWaterMark: 0 })
    const client = HttpClient.make((request) =>
      Effect.sync(() =>
        HttpClientResponse.fromWeb(request, new Response(stream, { status, headers: { "content-type": type } }))
      )
    )
    const http = yield* ResponsesHttp.make({ apiKey: Redacted.make(key), baseUrl: "https://example.test/v1" }).pipe(
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.orDie
    )
    const events: Array<object> = []
    const exit = yield* Effect.flatMap(http.open(request), (response) =>
      response.forEach((event) => {
        events.push(event)
      })).pipe(Effect.scoped, Effect.either)
    return { events, error: exit._tag === "Left" ? exit.left : undefined, pulled: () => pulled }
  })

const assertTurn = (answer: { readonly events: ReadonlyArray<object>; readonly error: unknown }, name: string) => {
  assert.isUndefined(answer.error, name)
  assert.deepStrictEqual(answer.events, turn, name)
}

const whole = { id: "resp_1", object: "response", status: "completed", output: [] }
const problem = { code: "context_length_exceeded", message: `Too long, ${key}`, type: "invalid_request_error" }

describe("the events of a body", () => {
  const bodies: ReadonlyArray<readonly [string, string]> = [
    ["frames with empty data", `data:\n\n${sse(created)}data: \n\n${sse(...turn.slice(1))}`],
    ["frames of several empty lines of data", `data:\ndata:\ndata\n\n${sse(...turn)}`],
    ["data of spaces only", `data:   \t \n\n${sse(...turn)}`],
    ["a frame that only primes", `event: message\nid: 0\nretry: 3000\ndata: \n\n${sse(...turn)}`],
    ["signs of life with a text", `event: ping\ndata: 2026-01-01 00:00\n\n${sse(...turn)}`],
    ["a byte order mark", `\uFEFF${sse(...turn)}`],
    ["blank lines before", `\n\n \n${sse(...turn)}`],
    ["fields of its own", sse(...turn).replaceAll("data:", "ts: 1\nx-trace\ndata:")],
    ["a name for each event", turn.map((event) => `event: ${event.type}\n${data(json(event))}`).join("")],
    ["the name that stands for none", turn.map((event) => `event: message\n${data(json(event))}`).join("")],
    ["types as names only", turn.map(({ type, ...rest }) => `event: ${type}\n${data(json(rest))}`).join("")],
    [
      "null in the place of the type",
      turn.map((event) => `event: ${event.type}\n${data(json({ ...event, type: null }))}`).join("")
    ],
    [
      "data printed over several lines",
      turn.map((event) => `${pretty(event).split("\n").map((line) => `data: ${line}`).join("\n")}\n\n`).join("")
    ],
    [
      "data printed over several lines of which the first has the field",
      turn.map((event) => data(pretty(event))).join("")
    ],
    ["JSON lines", turn.map((event) => `${json(event)}\n`).join("")],
    ["JSON lines without the last line end", turn.map(json).join("\n")],
    ["JSON over several lines each", turn.map(pretty).join("\n")],
    ["the marker of the end", `${sse(...turn)}data: [DONE]\n\n`],
    ["the marker of the end as a line", `${sse(...turn)}[DONE]\n`],
    ["no JSON after the end", `${sse(...turn)}${data("bye")}<html>`]
  ]
  const types = [
    "text/event-stream",
    "Text/Event-Stream;charset=utf8",
    "text/plain",
    "application/json",
    "application/x-ndjson",
    "application/octet-stream",
    ""
  ]
  for (const [name, body] of bodies) {
    it.effect(`are found whatever it calls itself, and with any line ends: ${name}`, () =>
      Effect.gen(function*() {
        for (const type of types) assertTurn(yield* got([body], { type }), type)
        for (const newline of ["\r\n", "\r"]) {
          assertTurn(yield* got([body.replaceAll("\n", newline)]), json(newline))
        }
      }))
  }

  it.effect.prop(
    "are the same wherever the network cuts it",
    [FastCheck.constantFrom(...bodies), FastCheck.array(FastCheck.nat(), { maxLength: 12 })],
    ([[name, body], cuts]) =>
      Effect.gen(function*() {
        const bytes = text.encode(body)
        const at = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length]
        const pieces = at.slice(1).map((end, index) => bytes.slice(at[index], end))
        assertTurn(yield* got(pieces), name)
      }),
    { fastCheck: { numRuns: Thorough.amount(100, 40) } }
  )

  it.effect("are lost, not malformed, where the body is cut off", () =>
    Effect.gen(function*() {
      const body = text.encode(sse(...turn.slice(0, 3)))
      const { first, step } = Thorough.steps(0)
      for (let end = first; end < body.length; end += step) {
        const { error, events } = yield* got([body.slice(0, end)])
        assert.deepInclude(error, { _tag: "ConnectionError", reason: "Lost" }, String(end))
        assert.deepStrictEqual(events, turn.slice(0, events.length))
      }
    }))

  it.effect("keep a type that is not known, and what only looks like an error", () =>
    Effect.gen(function*() {
      const events = [created, { type: "response.tool.error", message: "x" }, { type: "info", message: "x" }, completed]
      assert.deepStrictEqual((yield* got([sse(...events)])).events, events)
    }))
})

describe("a whole response", () => {
  it.effect("printed over several lines after a field keeps what is inside of it", () =>
    Effect.gen(function*() {
      const message = { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi" }] }
      const event = { type: "response.output_item.done", output_index: 0, item: message }
      const { events } = yield* got([sse(created) + data(pretty(event)) + sse(completed)])
      assert.deepStrictEqual(events, [created, event, completed])
    }))

  it.effect("is one in any layout, whatever the type", () =>
    Effect.gen(function*() {
      const events = [{ type: "response.completed", response: whole }]
      for (
        const body of [json(whole), pretty(whole), `\n ${pretty(whole)}\n\n`, data(json(whole)), data(pretty(whole))]
      ) {
        for (const type of ["application/json", "text/event-stream", "text/plain"]) {
          assert.deepStrictEqual((yield* got([body], { type })).events, events, `${type} ${body}`)
        }
      }
    }))

  it.effect("that has not ended is none", () =>
    Effect.gen(function*() {
      const { error } = yield* got([json({ ...whole, status: "queued" })], { type: "application/json" })
      assert.deepInclude(error, {
        _tag: "MalformedEvent",
        description: "a response that has not ended instead of its events"
      })
    }))
})

describe("the server's reason", () => {
  const failure = { error: problem }
  const bodies: ReadonlyArray<readonly [string, string]> = [
    ["an event", data(json({ type: "error", ...failure }))],
    ["an event without a type", data(json(failure))],
    ["an event with only a name", `event: error\n${data(json(failure))}`],
    ["an event with a name and the error itself", `event: error\n${data(json(problem))}`],
    ["an event with the type of the error", data(json(problem))],
    ["an event that failed", data(json({ type: "response.failed", response: { id: "resp_1", error: problem } }))],
    [
      "a failed response under the name of an error",
      `event: error\n${data(json({ type: "response.failed", response: { id: "resp_1", error: problem } }))}`
    ],
    ["a line of JSON", `${json(failure)}\n`],
    ["a line of JSON without its end", json(failure)],
    ["a line of JSON after the type of the error", `${json(problem)}\n`],
    ["JSON over several lines", pretty(failure)],
    ["JSON over several lines after the field of data", data(pretty(failure))],
    ["a list of errors", pretty([failure])],
    ["a field of its own", `error: ${json(problem)}\n\n`],
    ["a field of its own over several lines", `error: ${pretty(problem)}\n\n`],
    ["a field of its own with the error in it", `error:${json(failure)}\n`]
  ]
  for (const [name, body] of bodies) {
    it.effect(`reaches the error from the start and the middle, without the key: ${name}`, () =>
      Effect.gen(function*() {
        const answers = ["text/plain", "application/json"].map((type) => [body, type] as const)
        for (const before of ["", sse(created), `: ping\n\n${sse(created, delta("a"))}`]) {
          for (const after of ["", "\n\n", "\n\ndata: [DONE]\n\n", `\n\n${sse(completed)}`]) {
            answers.push([before + body + after, "text/event-stream"])
          }
        }
        for (const [whole, type] of answers) {
          const { error } = yield* got([whole], { type })
          assert.deepInclude(error, {
            _tag: "ResponseFailed",
            code: "context_length_exceeded",
            type: "invalid_request_error",
            description: "Too long, <redacted>"
          }, `${type} ${whole}`)
        }
      }))
  }

  const words: ReadonlyArray<readonly [string, string]> = [
    ["an event with a name", `event: error\n${data("The model crashed")}`],
    ["a field of its own", "error: The model crashed\n\n"],
    ["a message", data(json({ message: "The model crashed" }))],
    [
      "a message under the name that stands for none",
      `event: message\n${data(json({ message: "The model crashed" }))}`
    ],
    ["a detail", json({ detail: "The model crashed" })]
  ]
  for (const [name, body] of words) {
    it.effect(`can be words: ${name}`, () =>
      Effect.gen(function*() {
        assert.deepInclude((yield* got([body])).error, { _tag: "ResponseFailed", description: "The model crashed" })
      }))
  }

  it.effect("is read out of an event after a status that says no, too", () =>
    Effect.gen(function*() {
      for (const [name, body] of bodies) {
        const { error } = yield* got([body], { status: 400 })
        assert.deepInclude(error, {
          _tag: "ResponseFailed",
          code: "context_length_exceeded",
          status: 400,
          description: "Too long, <redacted>"
        }, name)
      }
      const page = "<html>\n<style>\nbody\n{\n}\n</style>"
      assert.deepInclude((yield* got([page], { status: 400 })).error, { description: page })
    }))

  it.effect("is the beginning of a page where there are no events", () =>
    Effect.gen(function*() {
      const page = `<!doctype html>\n<html>\n<p>Log in with ${key}</p>\n${"<br>\n".repeat(1000)}</html>`
      const table = [
        ["text/html; charset=utf-8", "text/html instead of events"],
        ["text/event-stream", "text that is no event"],
        ["application/json", "a message that is not JSON"]
      ] as const
      for (const [type, description] of table) {
        const { error } = yield* got([page], { type })
        assert(error?._tag === "MalformedEvent")
        assert.deepInclude(error, { description, delivery: "unacknowledged" })
        assert.match(error.frame, /^<!doctype html>\n<html>\n<p>Log in with <redacted>/)
      }
    }))

  it.effect("are the last words where the events end too early", () =>
    Effect.gen(function*() {
      const { error } = yield* got([`ts: 1\n${sse(created, delta("a"))}upstream reset, ${key}\n`])
      assert.deepInclude(error, {
        _tag: "ConnectionError",
        reason: "Lost",
        delivery: "partial",
        description: "The server ended its answer before the response had ended: upstream reset, <redacted>"
      })
    }))
})

describe("a body without an end", () => {
  const limit = 1 << 20
  const kibi = "x".repeat(1024)

  /** Whether the pieces were too much, and all that was told of them. */
  const fed = (pieces: Iterable<string>) => {
    const told: Array<string> = []
    let overflows = 0
    const stream = EventStream.make({
      onEvent: (data) => void told.push(data),
      onOther: (line) => void told.push(line),
      onOverflow: () => void overflows++
    }, limit)
    for (const piece of pieces) stream.feed(piece)
    return { isTooMuch: overflows > 0, told }
  }

  const repeated = function*(start: string, piece: string, size: number) {
    yield start
    for (let length = 0; length < size; length += piece.length) yield piece
  }

  const endless: ReadonlyArray<readonly [string, string, string]> = [
    ["one line", "", kibi],
    ["one line of data", "data: ", kibi],
    ["lines of data of one event", "", `data: ${kibi}\n`],
    ["empty lines of data of one event", "", "data\n".repeat(200)],
    ["names", "", `event: ${kibi}\n`],
    ["ids", "", `id: ${kibi}\n`],
    ["comments", "", `: ${kibi}\n\n`],
    ["JSON that is never closed", "{\n", `"${kibi}",\n`],
    ["brackets of one line", "{", "{".repeat(1024)],
    ["lines that are no field", "", `${kibi}\n`]
  ]
  for (const [name, start, piece] of endless) {
    it(`is given up before memory is: ${name}`, () => {
      assert.isFalse(fed(repeated(start, piece, 0.9 * limit)).isTooMuch)
      assert.isTrue(fed(repeated(start, piece, limit)).isTooMuch)
    })
  }

  it("is given up where its pieces would cost more than what is in them", () => {
    assert.isTrue(fed(repeated("data: ", "x", limit / 16)).isTooMuch)
  })

  it("is held no longer than until the next event, of any kind", () => {
    for (const piece of [`data: ${kibi}\n\n`, `{"x":"${kibi}"}\n`]) {
      assert.isFalse(fed(repeated("", piece, 3 * limit)).isTooMuch, piece.slice(0, 5))
    }
  })

  it("that is one large event is too large in one piece and in many", () => {
    const large = `data: ${"x".repeat(limit + 1)}\n\n`
    const pieces = (length: number) => Array.from({ length }, (_, at) => large.slice(at * 4096, (at + 1) * 4096))
    for (const body of [[large], pieces(Math.ceil(large.length / 4096))]) {
      assert.deepStrictEqual(fed(body), { isTooMuch: true, told: [] })
    }
  })

  it.effect("is given up early where it is no event", () =>
    Effect.gen(function*() {
      for (const line of ["<p>\n".repeat(1000), "{}\n".repeat(1000)]) {
        const { error, pulled } = yield* got(repeated("", line, 1 << 20), { type: "text/html" })
        assert.strictEqual(error?._tag, "MalformedEvent")
        assert.isBelow(pulled(), 40)
      }
    }))

  it.effect("after the end of the response is not read for ever", () =>
    Effect.gen(function*() {
      let pulled = 0
      let isOver = false
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(text.encode(sse(...turn))),
        pull: (controller) => {
          controller.enqueue(text.encode(": more\n\n".repeat(1000)))
          if (++pulled < 1000) return
          controller.close()
          isOver = true
        },
        cancel: () => {
          isOver = true
        }
      }, { highWaterMark: 0 })
      const client = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response(stream)))
      )
      const http = yield* ResponsesHttp.make({ apiKey: Redacted.make(key) }).pipe(
        Effect.provideService(HttpClient.HttpClient, client),
        Effect.orDie
      )
      const scope = yield* Scope.make()
      const response = yield* Scope.extend(http.open(request), scope)
      yield* response.forEach(() => {})
      yield* Effect.repeat(eventLoopTurn, { until: () => isOver })
      assert.isBelow(pulled, 50)
      yield* Scope.close(scope, Exit.void)
    }))
})
