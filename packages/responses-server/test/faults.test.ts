/** Every fault, as a line of a JSON script, and what a client without any knowledge of it sees. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, TestClock } from "effect"
import { ResponsesServer, ScriptFile, TestClient } from "effect-responses-server"
import { connect as dial, type Socket } from "node:net"
import { parseSse, post } from "./client.ts"
import { problem } from "./support/judge.ts"

const make = (file: unknown, options: ResponsesServer.Options = {}) =>
  Effect.flatMap(
    ScriptFile.decode(file),
    ({ script, upgrades }) => ResponsesServer.make({ script, upgrades, ...options })
  )

const hello = [
  "response.created",
  "response.in_progress",
  "response.output_item.added",
  "response.content_part.added",
  "response.output_text.delta",
  "response.output_text.done",
  "response.content_part.done",
  "response.output_item.done",
  "response.completed"
]

const begun = hello.slice(0, 3)

/** How the connection is after the frames. */
type After = "alive" | "cut" | { readonly code: number; readonly reason: string }

const rows: ReadonlyArray<
  readonly [name: string, turn: unknown, frames: ReadonlyArray<string | object>, after: After]
> = [
  ["nothing wrong", "Hello", hello, "alive"],
  ["silence before the first event", { silence: true }, [], "alive"],
  ["silence in the middle", ["Hello", { silence: { after: 3 } }], begun, "alive"],
  ["a close before the first event", { close: { code: 1013, reason: "busy" } }, [], { code: 1013, reason: "busy" }],
  ["a close at an event", ["Hello", { close: { code: 1011, after: 3 } }], begun, { code: 1011, reason: "" }],
  ["a clean close without an end", ["Hello", { close: { code: 1000, after: 3 } }], begun, { code: 1000, reason: "" }],
  ["1012", ["Hello", { close: { code: 1012, after: 1 } }], begun.slice(0, 1), { code: 1012, reason: "" }],
  ["a cut before the first event", { drop: true }, [], "cut"],
  ["a cut at an event", ["Hello", { drop: { after: 3 } }], begun, "cut"],
  ["a cut in the middle of a frame", ["Hello", { drop: { after: 3, bytes: 20 } }], begun, "cut"],
  ["a code that no frame can carry", ["Hello", { close: { code: 1006, after: 3 } }], begun, "cut"],
  ["a nested error", { error: { status: 500, code: "c", message: "m" } }, [
    { type: "error", status: 500, error: { type: "server_error", code: "c", message: "m", param: null } }
  ], "alive"],
  ["a flat error", { error: { shape: "flat", status: 400, code: "c", message: "m", param: "p" } }, [
    { type: "error", sequence_number: 0, status: 400, code: "c", message: "m", param: "p" }
  ], "alive"],
  ["an untyped error", { error: { shape: "untyped", message: "m" } }, [
    { error: { type: "api_error", message: "m" } }
  ], "alive"],
  ["an error without status or code", { error: { message: "m", type: "server_error" } }, [
    { type: "error", error: { type: "server_error", code: null, message: "m", param: null } }
  ], "alive"],
  ["status_code", { error: { statusCode: 503, code: "slow_down", message: "m" } }, [
    { type: "error", status_code: 503, error: { type: "server_error", code: "slow_down", message: "m", param: null } }
  ], "alive"],
  ["headers in the error", { error: { status: 429, code: "c", message: "m", headers: { "retry-after": "1" } } }, [
    {
      type: "error",
      status: 429,
      error: { type: "rate_limit_error", code: "c", message: "m", param: null, headers: { "retry-after": "1" } }
    }
  ], "alive"],
  [
    "headers beside the error",
    { error: { status: 429, code: "c", message: "m", headers: { "retry-after": "1" }, headersAt: "frame" } },
    [{
      type: "error",
      status: 429,
      headers: { "retry-after": "1" },
      error: { type: "rate_limit_error", code: "c", message: "m", param: null }
    }],
    "alive"
  ],
  ["an error in the middle", ["Hello", { error: { code: "c", message: "m", after: 3 } }], [...begun, "error"], "alive"],
  ["an error, then the connection goes", [{ error: { code: "c", message: "m" } }, { drop: true }], ["error"], "cut"],
  ["a failed response", ["Hello", { failed: { code: "server_error", message: "m" } }], [
    ...hello.slice(0, -1),
    "response.failed"
  ], "alive"],
  ["an incomplete one", ["Hello", { incomplete: "content_filter" }], [
    ...hello.slice(0, -1),
    "response.incomplete"
  ], "alive"],
  ["no terminal event", ["Hello", { unfinished: true }], hello.slice(0, -1), "alive"],
  [
    "two terminal events",
    ["Hello", { completed: true }, { completed: true }],
    [...hello, "response.completed"],
    "alive"
  ],
  ["response.done after the end", ["Hello", { completed: true }, { events: [{ type: "response.done" }] }], [
    ...hello,
    "response.done"
  ], "alive"],
  [
    "keepalives and unknown events",
    [
      "Hello",
      { raw: { frames: [{ type: "keepalive" }], after: 0 } },
      { events: { events: [{ type: "response.brand_new", x: 1 }], after: 4 } }
    ],
    ["keepalive", ...begun, "response.brand_new", ...hello.slice(3)],
    "alive"
  ],
  ["no JSON", ["Hello", { badFrame: { kind: "notJson", after: 3 } }], [
    ...begun,
    { type: "raw", raw: "This is not JSON." },
    ...hello.slice(3)
  ], "alive"],
  ["no object", ["Hello", { badFrame: { kind: "notObject", after: 3 } }], [
    ...begun,
    { type: "raw", raw: "[\"response.output_text.delta\"]" },
    ...hello.slice(3)
  ], "alive"],
  ["no event", ["Hello", { badFrame: { kind: "notEvent", after: 3 } }], [
    ...begun,
    { delta: "bad" },
    ...hello.slice(3)
  ], "alive"],
  ["half of an event", ["Hello", { badFrame: { kind: "truncated", after: 3 } }], [
    ...begun,
    "raw",
    ...hello.slice(3)
  ], "alive"],
  ["a binary frame", ["Hello", { badFrame: { kind: "binary", after: 3 } }], [
    ...begun,
    "binary",
    ...hello.slice(3)
  ], "alive"],
  ["20 MB", ["Hello", { badFrame: { kind: "huge", after: 3 } }], [
    ...begun,
    "response.padding",
    ...hello.slice(3)
  ], "alive"],
  ["the age limit before the first event", { expire: true }, ["error"], {
    code: 1000,
    reason: "connection limit reached"
  }],
  ["the age limit in the middle", ["Hello", { expire: { after: 3 } }], [...begun, "error"], {
    code: 1000,
    reason: "connection limit reached"
  }],
  [
    "several at once",
    [
      "Hello",
      { raw: { frames: [{ type: "keepalive" }], after: 1 } },
      { badFrame: { kind: "notJson", after: 2 } },
      { close: { code: 1011, after: 4 } }
    ],
    ["response.created", "keepalive", "raw", "response.in_progress"],
    { code: 1011, reason: "" }
  ]
]

const create = { type: "response.create", model: "test", input: "Hi" }

describe("faults on a socket", () => {
  it.scoped.each(rows)("%s", ([, turn, expected, after]) =>
    Effect.gen(function*() {
      const server = yield* make({ turns: [turn, "And on"] })
      const client = yield* TestClient.connect(server.url)
      yield* client.send(create)
      for (const one of expected) {
        const frame = yield* client.next
        if (typeof one === "string") assert.strictEqual(frame["type"], one)
        else assert.deepStrictEqual<object>(frame, one)
        if (typeof one === "string" && hello.includes(one)) assert.isUndefined(problem(frame))
      }
      if (after === "alive") {
        yield* client.send({ ...create, stream_id: "probe" })
        assert.strictEqual((yield* client.next)["stream_id"], "probe")
      } else if (after === "cut") {
        assert.strictEqual((yield* client.closed).code, 1006)
      } else {
        assert.deepStrictEqual(yield* client.closed, after)
      }
    }))

  it.scoped("20 MB are 20 MB", () =>
    Effect.gen(function*() {
      const server = yield* make({ turns: [{ badFrame: "huge" }] })
      const client = yield* TestClient.connect(server.url)
      yield* client.send(create)
      const frame = yield* client.next
      assert.strictEqual(JSON.stringify(frame).length, 20_000_000)
    }))

  it.scoped("pings are not answered any more, and are again", () =>
    Effect.gen(function*() {
      const server = yield* make({ turns: [["One", { pings: false }], ["Two", { pings: true }]] })
      const client = yield* TestClient.connect(server.url)
      yield* client.ping
      yield* client.create({ model: "test" })
      const pong = yield* Effect.fork(client.ping)
      // What is read after the ping says that the ping was read as well.
      yield* client.create({ model: "test" })
      assert.isNull(yield* pong.poll.pipe(Effect.map((exit) => exit._tag === "None" ? null : exit)))
      yield* client.ping
    }))

  it.scoped("a response is forgotten: the latest, the one that was named, all", () =>
    Effect.gen(function*() {
      const server = yield* make({
        turns: ["One", ["Two", { completed: true }, { forget: "previous" }], ["Three", {
          completed: true
        }, { forget: "latest" }]]
      })
      const client = yield* TestClient.connect(server.url)
      const ask = (previous?: unknown) =>
        Effect.map(client.create({ model: "test", input: "x", previous_response_id: previous }), (frames) => {
          const last = frames.at(-1) ?? {}
          return { type: last["type"], id: Reflect.get(Object(last["response"]), "id") as unknown }
        })
      const one = yield* ask()
      const two = yield* ask(one.id)
      assert.strictEqual((yield* ask(one.id)).type, "error", "the one that was named is gone")
      const three = yield* ask(two.id)
      assert.strictEqual(three.type, "response.completed")
      assert.strictEqual((yield* ask(three.id)).type, "error", "so is the latest")
    }))

  it.scoped("what follows a pause after the end finds the connection idle", () =>
    Effect.gen(function*() {
      const error = { error: { status: 400, code: "websocket_connection_limit_reached", message: "m" } }
      const server = yield* make({
        turns: [["Hello", { completed: true }, { wait: 60_000 }, error, { drop: true }], "And on"]
      })
      const client = yield* TestClient.connect(server.url)
      yield* client.create({ model: "test" })
      const next = yield* client.create({ model: "test" })
      assert.strictEqual(next.at(-1)?.["type"], "response.completed", "the lane is free")
      assert.strictEqual((yield* server.stats).inFlight, 0)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* client.next)["type"], "error")
      assert.strictEqual((yield* client.closed).code, 1006)
    }))

  it.scoped("slow: a pause before each delta, as the turn says", () =>
    Effect.gen(function*() {
      const server = yield* make({ turns: [{ lines: "Hello", chunkSize: 3, deltaDelay: 1000 }] })
      const client = yield* TestClient.connect(server.url)
      yield* client.send(create)
      yield* Effect.repeat(client.next, { until: (frame) => frame["type"] === "response.content_part.added" })
      for (const delta of ["Hel", "lo"]) {
        assert.strictEqual((yield* server.stats).inFlight, 1)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* client.next)["delta"], delta)
      }
      yield* client.rest
    }))
})

const upgradeHead = (url: string): string => {
  const { host } = new URL(url)
  return `GET /v1/responses HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
    "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

/** A bare TCP connection that has asked for a WebSocket, and everything that came back. */
const bare = Effect.fnUntraced(function*(url: string) {
  const { hostname, port } = new URL(url)
  const received: Array<Buffer> = []
  const socket = yield* Effect.acquireRelease(
    Effect.async<Socket>((resume) => {
      const socket = dial(Number(port), hostname, () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
      socket.on("data", (data) => received.push(data))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
  const closed = Effect.async<void>((resume) => {
    if (socket.closed) resume(Effect.void)
    else socket.once("close", () => resume(Effect.void))
  })
  socket.write(upgradeHead(url))
  return { socket, closed, received: () => Buffer.concat(received) }
})

/** A text frame as a client sends it: masked, here with nothing. */
const clientFrame = (text: string): Buffer => {
  const data = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | data.length, 0, 0, 0, 0]), data])
}

describe("faults of the upgrade", () => {
  it.scoped("refused: status, headers, body, in the order of the script, then accepted", () =>
    Effect.gen(function*() {
      const body = { error: { code: "slow_down", message: "m" } }
      const server = yield* make({
        upgrades: [
          { refuse: { status: 429, headers: { "retry-after": "3" }, body } },
          { refuse: { status: 426, body: "no JSON" } },
          { refuse: { status: 503 } }
        ]
      })
      const refused = yield* Effect.flip(TestClient.connect(server.url))
      assert.deepInclude(refused, { status: 429, body: JSON.stringify(body) })
      assert.strictEqual(refused.headers["retry-after"], "3")
      assert.match(String(refused.headers["x-request-id"]), /^req_/)
      assert.deepInclude(yield* Effect.flip(TestClient.connect(server.url)), { status: 426, body: "no JSON" })
      assert.strictEqual((yield* Effect.flip(TestClient.connect(server.url))).status, 503)
      const client = yield* TestClient.connect(server.url)
      assert.strictEqual((yield* client.create({ model: "test" })).at(-1)?.["type"], "response.completed")
    }))

  it.scoped("accepted and closed at once", () =>
    Effect.gen(function*() {
      const server = yield* make({ upgrades: [{ close: true }, { close: { code: 1013, reason: "later" } }] })
      assert.deepStrictEqual(yield* (yield* TestClient.connect(server.url)).closed, { code: 1008, reason: "" })
      assert.deepStrictEqual(yield* (yield* TestClient.connect(server.url)).closed, { code: 1013, reason: "later" })
    }))

  it.scoped("never answered", () =>
    Effect.gen(function*() {
      const server = yield* make({ upgrades: [{ stall: true }] })
      const { received, socket } = yield* bare(server.url)
      assert.strictEqual((yield* server.waitFor("ConnectionRefused")).status, 0)
      yield* post(server.url, {})
      assert.strictEqual(received().length, 0)
      assert.isFalse(socket.closed)
    }))

  it.scoped("cut", () =>
    Effect.gen(function*() {
      const server = yield* make({ upgrades: [{ cut: true }] })
      const { closed, received } = yield* bare(server.url)
      yield* closed
      assert.strictEqual(received().length, 0)
    }))

  it.scoped("no pings, and frames that nobody asked for", () =>
    Effect.gen(function*() {
      const server = yield* make({
        turns: [["Hello", { pings: true }]],
        upgrades: [{ accept: { pings: false, greeting: [{ type: "codex.rate_limits" }, "{"] } }]
      })
      const client = yield* TestClient.connect(server.url)
      assert.strictEqual((yield* client.next)["type"], "codex.rate_limits")
      assert.strictEqual((yield* client.next)["raw"], "{")
      const pong = yield* Effect.fork(client.ping)
      yield* client.create({ model: "test" })
      assert.strictEqual((yield* pong.poll)._tag, "None")
      yield* client.ping
    }))

  it.scoped("by hand, and back to the script", () =>
    Effect.gen(function*() {
      const server = yield* make({ turns: ["Hello"] })
      yield* server.onUpgrade({ _tag: "Close", code: 1008, reason: "policy" }, { times: 1 })
      assert.deepStrictEqual(yield* (yield* TestClient.connect(server.url)).closed, { code: 1008, reason: "policy" })
      yield* TestClient.connect(server.url)
      yield* server.onUpgrade({ _tag: "Refuse", status: 500 })
      assert.strictEqual((yield* Effect.flip(TestClient.connect(server.url))).status, 500)
      yield* server.acceptUpgrades
      yield* TestClient.connect(server.url)
    }))

  it.scoped("a cut at a byte sends exactly the bytes before it", () =>
    Effect.gen(function*() {
      for (const bytes of [0, 1, 300]) {
        const server = yield* make({ turns: [["Hello", { drop: { after: 0, bytes } }]] })
        const { closed, received, socket } = yield* bare(server.url)
        yield* server.waitFor("ConnectionOpened")
        socket.write(clientFrame(JSON.stringify(create)))
        yield* closed
        const all = received()
        const frame = all.subarray(all.indexOf("\r\n\r\n") + 4)
        assert.strictEqual(frame[0], 0x81, "a text frame")
        assert.isAbove(frame.readUInt16BE(2), 300, "that promises more")
        assert.strictEqual(frame.length, 4 + bytes)
      }
    }))
})

/** What a body says, and whether it came to its end. */
const bodyOf = (url: string, body: object) =>
  Effect.flatMap(post(url, body), (answer) =>
    Effect.promise(() =>
      answer.text().then(
        (text) => ({ answer, text, ended: true }),
        () => ({ answer, text: "", ended: false })
      )
    ))

const httpRows: ReadonlyArray<
  readonly [name: string, turn: unknown, status: number, events: ReadonlyArray<string> | "broken"]
> = [
  ["nothing wrong", "Hello", 200, hello],
  ["a body that ends early", ["Hello", { close: { code: 1000, after: 3 } }], 200, begun],
  ["a connection that is cut", ["Hello", { drop: { after: 3 } }], 200, "broken"],
  ["a cut in the middle of an event", ["Hello", { drop: { after: 3, bytes: 9 } }], 200, "broken"],
  ["no terminal event", ["Hello", { unfinished: true }], 200, hello.slice(0, -1)],
  ["two terminal events", ["Hello", { completed: true }, { completed: true }], 200, [
    ...hello,
    "response.completed"
  ]],
  ["an error in answer to the request", { error: { status: 503, code: "c", message: "m" } }, 503, []],
  ["an untyped error", { error: { shape: "untyped", message: "m" } }, 500, []],
  ["an error in the middle", ["Hello", { error: { code: "c", message: "m", after: 3 } }], 200, [
    ...begun,
    "error"
  ]],
  ["no JSON", ["Hello", { badFrame: { kind: "notJson", after: 3 } }], 200, [
    ...begun,
    "This is not JSON.",
    ...hello.slice(3)
  ]]
]

describe("faults over HTTP", () => {
  it.scoped.each(httpRows)("%s", ([, turn, status, events]) =>
    Effect.gen(function*() {
      const server = yield* make({ turns: [turn, "And on"] })
      const { answer, ended, text } = yield* bodyOf(server.url, { stream: true })
      assert.strictEqual(answer.status, status)
      if (status !== 200) assert.isNotEmpty(JSON.parse(text).error.message)
      else if (events === "broken") assert.isFalse(ended)
      else assert.deepStrictEqual(parseSse(text).map(({ data, event }) => event === "" ? data : event), events)
      assert.strictEqual((yield* post(server.url, {})).status, 200)
    }))

  it.scoped("without stream, what never ends well is a 502", () =>
    Effect.gen(function*() {
      const server = yield* make({ turns: [["Hello", { unfinished: true }], ["Hello", { drop: { after: 3 } }]] })
      assert.strictEqual((yield* post(server.url, {})).status, 502)
      const cut = yield* Effect.promise(() =>
        fetch(`${server.url}/responses`, { method: "POST", body: JSON.stringify({ model: "test" }) }).then(
          () => "answered",
          () => "cut"
        )
      )
      assert.strictEqual(cut, "cut")
    }))
})

describe("decode", () => {
  const bad: ReadonlyArray<readonly [name: string, file: unknown, message: RegExp]> = [
    ["no list", 1, /expected a list of turns or an object/],
    ["a field that is not known", { turn: [] }, /turn: unknown; there are turns, afterwards and upgrades/],
    ["a line that is not known", [{ txet: "x" }], /turns\[0\]: expected .*toolCall/],
    ["two names in a line", [{ text: "x", drop: true }], /turns\[0\]: expected/],
    [
      "a wrong type",
      ["x", ["y", { drop: { after: "3" } }]],
      /turns\[1\]\[1\]\.drop: .*after.*|turns\[1\]\[1\]\.drop: Expected/
    ],
    ["a field too much", [{ close: { code: 1000, why: "x" } }], /turns\[0\]\.close/],
    ["a wrong option", [{ lines: "x", chunkSize: "3" }], /turns\[0\]/],
    ["nothing to repeat", { turns: [], afterwards: "repeat" }, /nothing to repeat/],
    ["an upgrade that is not known", { upgrades: ["accept"] }, /upgrades\[0\]: expected an upgrade/]
  ]

  it.each(bad)("%s", (_, file, message) => {
    const decoded = ScriptFile.decode(file)
    assert(Either.isLeft(decoded))
    assert.match(decoded.left.message, message)
  })

  it.scoped("afterwards: an error, the model, the beginning again", () =>
    Effect.gen(function*() {
      const answers = Effect.fnUntraced(function*(file: unknown) {
        const server = yield* make(file)
        const bodies = yield* Effect.forEach([1, 2, 3], () => bodyOf(server.url, { input: "Hi" }))
        return bodies.map(({ text }) => /script_exhausted|One|Two|You said: Hi/.exec(text)?.[0])
      })
      const turns = ["One", "Two"]
      assert.deepStrictEqual(yield* answers(turns), ["One", "Two", "script_exhausted"])
      assert.deepStrictEqual(yield* answers({ turns, afterwards: "model" }), ["One", "Two", "You said: Hi"])
      assert.deepStrictEqual(yield* answers({ turns, afterwards: "repeat" }), ["One", "Two", "One"])
      assert.deepStrictEqual(yield* answers({ upgrades: [] }), Array.from({ length: 3 }, () => "You said: Hi"))
      assert.deepStrictEqual(yield* answers([{ model: true }]), [
        "You said: Hi",
        "script_exhausted",
        "script_exhausted"
      ])
    }))

  it.scoped("every kind of item", () =>
    Effect.gen(function*() {
      const turn = [
        { reasoning: { summary: "Hm", encrypted: "e" } },
        { reasoning: "Hm" },
        { toolCall: { name: "f", arguments: { a: 1 }, callId: "call_1" } },
        { customToolCall: { name: "g", input: "x" } },
        { refusal: "No" },
        { text: "Hello" },
        { item: { type: "web_search_call", id: "ws_1" } }
      ]
      const server = yield* make([{
        lines: turn,
        queued: true,
        usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 }
      }])
      const { text } = yield* bodyOf(server.url, {})
      const { output, usage } = JSON.parse(text)
      assert.deepStrictEqual(output.map((item: { readonly type: string }) => item.type), [
        "reasoning",
        "reasoning",
        "function_call",
        "custom_tool_call",
        "message",
        "message",
        "web_search_call"
      ])
      assert.strictEqual(output[0].encrypted_content, "e")
      assert.strictEqual(usage.total_tokens, 3)
    }))
})
