import { assert, describe } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Responses from "../src/Responses.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { begin, collect, firstTurn, request, run, serve, socket, wholeAnswer } from "./support/socket.ts"

const limitReached = {
  type: "error",
  status: 400,
  error: { code: "websocket_connection_limit_reached", message: "60 minutes are over" }
}

describe("a turn", () => {
  const connected = Effect.fnUntraced(function*(server: FakeServer.FakeServer) {
    const fiber = yield* Effect.fork(Effect.either(collect(Responses.stream(request))))
    const connection = yield* server.connection
    yield* connection.request
    return { connection, outcome: Fiber.join(fiber) }
  })

  const failed = Effect.fnUntraced(function*(
    server: FakeServer.FakeServer,
    ...frames: ReadonlyArray<object | string | Uint8Array>
  ) {
    const { connection, outcome } = yield* connected(server)
    yield* connection.send(...frames)
    const either = yield* outcome
    assert(either._tag === "Left")
    return { connection, error: either.left }
  })

  socket("sends the request without what does not belong on a socket", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(run())
      const connection = yield* server.connection
      assert.deepStrictEqual(yield* connection.request, { type: "response.create", model: "m", input: "hi" })
      yield* connection.send(...FakeServer.answer("resp_1"))
      yield* Fiber.join(fiber)
      assert.strictEqual(connection.target.url, "wss://api.openai.com/v1/responses")
      assert.strictEqual(connection.target.headers["authorization"], "Bearer sk-secret")
    }))

  socket("bad input is refused before anything is dialled", (server) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Responses.open({ model: " ", input: "hi" })))
      assert(error._tag === "InvalidRequest")
      assert.strictEqual(error.field, "model")
      assert.strictEqual(server.dials(), 0)
    }))

  socket(
    "events reach the caller as they came: unknown ones too, in order, also before response.created",
    (server) =>
      Effect.gen(function*() {
        const frames = [
          { type: "codex.rate_limits", primary: { used_percent: 3 } },
          FakeServer.created("resp_1"),
          { type: "response.brand_new", nested: { a: [1, null] } },
          FakeServer.delta("x"),
          { type: "keepalive" },
          FakeServer.completed("resp_1")
        ]
        const { connection, outcome } = yield* connected(server)
        for (const frame of frames) yield* connection.send(frame)
        const either = yield* outcome
        assert(either._tag === "Right")
        assert.deepStrictEqual(either.right, frames)
      })
  )

  socket("an incomplete response ends the stream and keeps its reason", (server) =>
    Effect.gen(function*() {
      const { connection, outcome } = yield* connected(server)
      const incomplete = {
        type: "response.incomplete",
        response: { id: "resp_1", status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }
      }
      yield* connection.send(FakeServer.created("resp_1"), incomplete)
      const either = yield* outcome
      assert(either._tag === "Right")
      assert.deepStrictEqual(either.right.at(-1), incomplete)
    }))

  socket(
    "response.failed fails the stream after what came before it, and the connection serves on",
    (server) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const fiber = yield* Effect.fork(Scope.extend(Responses.open(request), scope))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"), FakeServer.delta("He"), {
          type: "response.failed",
          response: { id: "resp_1", status: "failed", error: { code: "server_error", message: "Sorry" } }
        })
        const seen: Array<string> = []
        const { events } = yield* Fiber.join(fiber)
        const error = yield* Effect.flip(Stream.runForEach(events, (event) => Effect.sync(() => seen.push(event.type))))
        assert.deepStrictEqual(seen, ["response.created", "response.output_text.delta"])
        assert(error._tag === "ResponseFailed")
        assert.deepStrictEqual([error.code, error.delivery, error.retryable, error.responseId], [
          "server_error",
          "partial",
          true,
          "resp_1"
        ])
        assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(connection.isClosed())
      })
  )

  for (
    const [shape, frame] of [
      ["nested", { type: "error", status: 400, error: { code: "context_length_exceeded", message: "Too long" } }],
      ["flat", { type: "error", sequence_number: 2, code: "context_length_exceeded", message: "Too long" }],
      ["untyped", { error: { code: "context_length_exceeded", message: "Too long", type: "api_error" } }]
    ] as const
  ) {
    socket(
      `an error frame, ${shape}, fails open with its code and message, and the connection serves on`,
      (server) =>
        Effect.gen(function*() {
          const { connection, error } = yield* failed(server, frame)
          assert(error._tag === "ResponseFailed")
          assert.deepStrictEqual([error.code, error.description], ["context_length_exceeded", "Too long"])
          assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
        })
    )
  }

  socket("an unknown previous response is an error of its own that names the id", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(
        Effect.flip(Effect.scoped(Responses.open({ ...request, previous_response_id: "resp_0" })))
      )
      const connection = yield* server.connection
      assert.strictEqual((yield* connection.request)["previous_response_id"], "resp_0")
      yield* connection.send({
        type: "error",
        status: 400,
        error: { code: "previous_response_not_found", message: "Previous response with id 'resp_0' not found." }
      })
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "PreviousResponseNotFound")
      assert.strictEqual(error.previousResponseId, "resp_0")
      assert.deepStrictEqual(yield* serve(connection, "resp_1"), wholeAnswer)
    }))

  for (
    const [what, frame] of [
      ["not JSON", "{\"type\":"],
      ["no object", "[1]"],
      ["without a type", "{}"],
      ["binary", new Uint8Array([1, 2])],
      ["a known event without what it is for", { type: "response.output_text.delta" }],
      ["an end without a response", { type: "response.completed" }]
    ] as const
  ) {
    socket(
      `a frame that is ${what} fails the turn, and the next turn has another connection`,
      (server) =>
        Effect.gen(function*() {
          const { connection, error } = yield* failed(server, FakeServer.created("resp_1"), frame)
          assert.strictEqual(error._tag, "MalformedEvent")
          yield* connection.closed
          yield* firstTurn(server)
        })
    )
  }

  for (const code of [1000, 1001, 1006, 1009, 1011, 1012]) {
    socket(`a close with ${code} before the end is a failure that names the code`, (server) =>
      Effect.gen(function*() {
        const { connection, outcome } = yield* connected(server)
        yield* connection.send(FakeServer.created("resp_1"), FakeServer.delta("x"))
        yield* connection.close(code)
        const either = yield* outcome
        assert(either._tag === "Left" && either.left._tag === "ConnectionError")
        assert.deepStrictEqual([either.left.reason, either.left.closeCode, either.left.delivery], [
          "Lost",
          code,
          "partial"
        ])
        yield* firstTurn(server)
      }))
  }

  for (const code of [1000, 1006, 1011]) {
    socket(
      `a close with ${code} before any event names the code, and the request is not repeated`,
      (server) =>
        Effect.gen(function*() {
          const { connection, outcome } = yield* connected(server)
          yield* connection.close(code)
          const either = yield* outcome
          assert(either._tag === "Left" && either.left._tag === "ConnectionError")
          assert.strictEqual(either.left.delivery, "unacknowledged")
          assert.include(either.left.message, `close code ${code}`)
          assert.strictEqual(server.dials(), 1)
        })
    )
  }

  socket("news that the server is at work is not output yet", (server) =>
    Effect.gen(function*() {
      const { connection, outcome } = yield* connected(server)
      yield* connection.send(FakeServer.created("resp_1"), { type: "response.in_progress", response: { id: "resp_1" } })
      yield* connection.close(1006)
      const either = yield* outcome
      assert(either._tag === "Left" && either.left._tag === "ConnectionError")
      assert.strictEqual(either.left.delivery, "unacknowledged")
    }))

  socket(
    "a connection that breaks before the request is out is replaced, and the request sent there",
    (server) =>
      Effect.gen(function*() {
        server.failSends(1)
        const fiber = yield* Effect.fork(Effect.scoped(Responses.open(request)))
        yield* server.connection
        const second = yield* server.connection
        yield* second.request
        yield* second.send(...FakeServer.answer("resp_1"))
        const response = yield* Fiber.join(fiber)
        assert.deepStrictEqual(response.recoveries.map((recovery) => recovery._tag), ["Reconnected"])
      })
  )

  socket("a request is moved to a new connection once, not for ever", (server) =>
    Effect.gen(function*() {
      server.failSends(5)
      const error = yield* Effect.flip(Effect.scoped(Responses.open(request)))
      assert(error._tag === "ConnectionError")
      assert.strictEqual(error.delivery, "unsent")
      assert.strictEqual(server.dials(), 2)
    }))

  socket("a close with 1008 right after the upgrade counts as a refused upgrade", (server) =>
    Effect.gen(function*() {
      const { connection, outcome } = yield* connected(server)
      yield* connection.close(1008, "policy")
      const either = yield* outcome
      assert(either._tag === "Left" && either.left._tag === "ConnectionError")
      assert.deepStrictEqual([either.left.reason, either.left.delivery, either.left.closeCode], [
        "Refused",
        "unsent",
        1008
      ])
    }))

  socket("what trails the end never begins the next response", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const fiber = yield* Effect.fork(collect(Responses.stream(request)))
      yield* connection.request
      yield* connection.send(
        { type: "response.done", response: { id: "resp_1" } },
        { type: "response.done", response: { id: "resp_0" } },
        FakeServer.completed("resp_1"),
        ...FakeServer.answer("resp_2")
      )
      assert.deepStrictEqual(yield* Fiber.join(fiber), FakeServer.answer("resp_2"))
    }))

  socket("nor does what trails it by several responses", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
      const fiber = yield* Effect.fork(collect(Responses.stream(request)))
      yield* connection.request
      const [created, ...rest] = FakeServer.answer("resp_3")
      yield* connection.send(FakeServer.completed("resp_1"), created, FakeServer.completed("resp_1"), ...rest)
      assert.deepStrictEqual(yield* Fiber.join(fiber), FakeServer.answer("resp_3"))
    }))

  for (const sent of [[], [FakeServer.created("resp_b")], [FakeServer.created("resp_b"), FakeServer.delta("b")]]) {
    const delivery = sent.length === 2 ? "partial" : "unacknowledged"
    socket(
      `what ends the connection for one lane says nothing of how far another one came: ${delivery}, ${sent.length} events`,
      (server) =>
        Effect.gen(function*() {
          const onLane = (stream_id: string) => (event: object) => ({ ...event, stream_id })
          const left = yield* Effect.fork(Stream.runHead(Responses.stream({ ...request, stream_id: "a" })))
          const connection = yield* server.connection
          yield* connection.request
          yield* connection.send(onLane("a")(FakeServer.created("resp_a")))
          yield* Fiber.join(left)
          const fiber = yield* Effect.fork(Stream.runDrain(Responses.stream({ ...request, stream_id: "b" })))
          yield* connection.request
          yield* connection.send(...sent.map(onLane("b")), onLane("a")(limitReached))
          const error = yield* Effect.flip(Fiber.join(fiber))
          assert.deepInclude(error, { _tag: "ConnectionError", reason: "Expired", delivery })
          assert.strictEqual(server.dials(), 1)
        }),
      { onEarlyEnd: "drain" }
    )
  }

  socket("a server that gives every response the same id is served too", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      assert.deepStrictEqual(yield* serve(connection, "resp_1"), wholeAnswer)
    }))

  socket(
    "a caller that stops early closes the connection, and its late events reach nobody",
    (server) =>
      Effect.gen(function*() {
        const early = yield* Effect.fork(collect(Stream.take(Responses.stream(request), 1)))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"))
        yield* Fiber.join(early)
        yield* connection.closed
        yield* connection.send(FakeServer.delta("late"))
        const fiber = yield* Effect.fork(collect(Responses.stream(request)))
        const next = yield* server.connection
        yield* next.request
        yield* connection.send(FakeServer.delta("later"), FakeServer.completed("resp_1"))
        yield* next.send(...FakeServer.answer("resp_2"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), FakeServer.answer("resp_2"))
      })
  )

  socket("or the rest is drained, if asked for, before the next request is sent", (server) =>
    Effect.gen(function*() {
      const early = yield* Effect.fork(collect(Stream.take(Responses.stream(request), 1)))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"))
      yield* Fiber.join(early)
      const fiber = yield* Effect.fork(collect(Responses.stream(request)))
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      yield* connection.send(FakeServer.delta("late"), FakeServer.completed("resp_1"))
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_2"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), FakeServer.answer("resp_2"))
      assert.strictEqual(server.dials(), 1)
    }), { onEarlyEnd: "drain" })

  socket(
    "a consumer that is slower than the network pauses the socket, and nothing is lost",
    (server) =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const fiber = yield* Responses.stream(request).pipe(
          Stream.tap(() => Deferred.await(gate)),
          Stream.runCount,
          Effect.fork
        )
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"))
        yield* Effect.yieldNow()
        const large = FakeServer.delta("x".repeat(100_000))
        for (let sent = 0; sent < 30; sent++) yield* connection.send(large)
        assert.isTrue(connection.isPaused())
        yield* connection.send(FakeServer.completed("resp_1"))
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(fiber), 32)
        assert.isFalse(connection.isPaused())
      })
  )

  socket(
    "an answer that its caller leaves unread, while the socket is paused, does not hold up the next",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        const { scope } = yield* begin(connection, "resp_2")
        yield* connection.send(FakeServer.delta("x".repeat(2_000_000)))
        assert.isTrue(connection.isPaused())
        yield* connection.send(FakeServer.completed("resp_2"))
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(connection.isPaused())
        assert.deepStrictEqual(yield* serve(connection, "resp_3"), wholeAnswer)
      })
  )

  socket(
    "events read after their scope was closed are a defect, and no empty answer",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        const { response, scope } = yield* begin(connection, "resp_2")
        yield* connection.send(FakeServer.completed("resp_2"))
        yield* Scope.close(scope, Exit.void)
        const exit = yield* Effect.exit(Stream.runDrain(response.events))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      })
  )

  socket("garbage and errors on an idle connection retire it quietly", (server) =>
    Effect.gen(function*() {
      const first = yield* firstTurn(server)
      yield* first.send({ type: "keepalive" })
      assert.isFalse(first.isClosed())
      yield* first.send("garbage")
      yield* first.closed
      const second = yield* firstTurn(server)
      yield* second.send({ type: "error", error: { message: "going down" } })
      yield* second.closed
      yield* firstTurn(server)
    }))

  socket("a key that the server quotes is taken out of the error", (server) =>
    Effect.gen(function*() {
      const { error } = yield* failed(server, { type: "error", status: 401, error: { message: "Bad key sk-secret" } })
      assert.notInclude(`${String(error)} ${error.message} ${JSON.stringify(error)}`, "sk-secret")
    }))

  socket("no part of a key gets into an error, wherever a frame is cut", (server) =>
    Effect.gen(function*() {
      for (let before = 150; before < 200; before++) {
        const { error } = yield* failed(server, `not JSON ${"x".repeat(before)}sk-secret`)
        assert(error._tag === "MalformedEvent")
        assert.notMatch(error.frame, /sk-/)
      }
    }))

  for (const onEarlyEnd of ["close", "drain"] as const) {
    socket(
      `what follows a malformed frame never reaches the next in line (${onEarlyEnd})`,
      (server) =>
        Effect.gen(function*() {
          const slow = yield* Deferred.make<void>()
          const first = yield* Responses.stream(request).pipe(
            Stream.tap(() => Deferred.await(slow)),
            Stream.runDrain,
            Effect.flip,
            Effect.fork
          )
          const connection = yield* server.connection
          yield* connection.request
          const second = yield* Effect.fork(collect(Responses.stream(request)))
          yield* connection.send(FakeServer.created("resp_1"))
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          yield* connection.send("garbage")
          const next = yield* server.connection
          yield* next.request
          yield* connection.send(FakeServer.delta("of the first"), FakeServer.completed("resp_1"))
          yield* next.send(...FakeServer.answer("resp_2"))
          assert.deepStrictEqual(yield* Fiber.join(second), FakeServer.answer("resp_2"))
          yield* Deferred.succeed(slow, undefined)
          assert.strictEqual((yield* Fiber.join(first))._tag, "MalformedEvent")
        }),
      { onEarlyEnd }
    )
  }

  socket(
    "a consumer that takes its time does not hold up the next: the server is done",
    (server) =>
      Effect.gen(function*() {
        const slow = yield* Deferred.make<void>()
        const first = yield* Effect.fork(
          Stream.runDrain(Stream.tap(Responses.stream(request), () => Deferred.await(slow)))
        )
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"))
        yield* Effect.repeatN(Effect.yieldNow(), 20)
        yield* connection.send(FakeServer.delta("x"), FakeServer.completed("resp_1"))
        assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
        yield* Deferred.succeed(slow, undefined)
        yield* Fiber.join(first)
      })
  )

  socket(
    "a server that never sends the rest of a drained answer holds up the next for 30 seconds at most",
    (server) =>
      Effect.gen(function*() {
        const early = yield* Effect.fork(Stream.runDrain(Stream.take(Responses.stream(request), 1)))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"))
        yield* Fiber.join(early)
        const fiber = yield* Effect.fork(collect(Responses.stream(request)))
        yield* TestClock.adjust("30 seconds")
        const next = yield* server.connection
        yield* next.request
        yield* next.send(...FakeServer.answer("resp_2"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), FakeServer.answer("resp_2"))
      }),
    { onEarlyEnd: "drain" }
  )

  socket("events can be read once, and say so", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const { response } = yield* begin(connection, "resp_2")
      yield* connection.send(FakeServer.completed("resp_2"))
      yield* Stream.runDrain(response.events)
      const exit = yield* Effect.exit(Stream.runDrain(response.events))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
    }))

  socket(
    "output begins a response that the server has not announced, and its events come as they are sent",
    (server) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const opening = yield* Effect.fork(Scope.extend(Responses.open(request), scope))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.delta("x"))
        const response = yield* Fiber.join(opening)
        assert.isUndefined(response.id)
        const types = yield* Stream.runCollect(response.events).pipe(
          Effect.map((events) => Array.from(events, ({ type }) => String(type))),
          Effect.fork
        )
        yield* connection.send(FakeServer.completed("resp_1"))
        assert.deepStrictEqual(yield* Fiber.join(types), ["response.output_text.delta", "response.completed"])
        assert.strictEqual(response.result()?.id, "resp_1")
        yield* Scope.close(scope, Exit.void)
      })
  )

  socket(
    "a response that the server has not announced has had its first event once it has output",
    (server) =>
      Effect.gen(function*() {
        const { connection, outcome } = yield* connected(server)
        yield* connection.send(FakeServer.delta("x"))
        yield* TestClock.adjust("3 minutes")
        yield* connection.send(FakeServer.completed("resp_1"))
        assert.strictEqual((yield* outcome)._tag, "Right")
      })
  )

  socket("output that no caller could take does not make a failure partial", (server) =>
    Effect.gen(function*() {
      const { connection, outcome } = yield* connected(server)
      yield* connection.send({ type: "vendor.news", text: "x" })
      yield* connection.close(1006)
      const either = yield* outcome
      assert(either._tag === "Left" && either.left._tag === "ConnectionError")
      assert.strictEqual(either.left.delivery, "unacknowledged")
    }))

  socket(
    "an end that names another response than the one that began is not its end",
    (server) =>
      Effect.gen(function*() {
        const { connection, outcome } = yield* connected(server)
        yield* connection.send(FakeServer.created("a"), FakeServer.completed("b"), FakeServer.delta("x"))
        yield* connection.send(FakeServer.completed("a"))
        const either = yield* outcome
        assert(either._tag === "Right")
        assert.deepStrictEqual(Array.from(either.right, (event) => Reflect.get(Object(event), "type")), [
          "response.created",
          "response.output_text.delta",
          "response.completed"
        ])
      })
  )

  socket("a server that names a lane of its own is served all the same", (server) =>
    Effect.gen(function*() {
      const { connection, outcome } = yield* connected(server)
      yield* connection.send(...FakeServer.answer("resp_1").map((event) => ({ ...event, stream_id: "default" })))
      assert.strictEqual((yield* outcome)._tag, "Right")
    }))

  for (
    const [what, frame] of [
      ["the age limit", {
        type: "error",
        status: 400,
        error: { code: "websocket_connection_limit_reached", message: "old" }
      }],
      ["a rate limit", { type: "response.failed", response: { id: "resp_1", error: { code: "rate_limit_exceeded" } } }]
    ] as const
  ) {
    socket(`${what} after the server has begun is no proof that nothing ran`, (server) =>
      Effect.gen(function*() {
        const { connection, outcome } = yield* connected(server)
        yield* connection.send(FakeServer.created("resp_1"), frame)
        const either = yield* outcome
        assert(either._tag === "Left" && "delivery" in either.left)
        assert.strictEqual(either.left.delivery, "unacknowledged")
      }))
  }

  socket("a warm-up asks for no output and gives the id to chain from", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Responses.warmUp(request))
      const connection = yield* server.connection
      assert.strictEqual((yield* connection.request)["generate"], false)
      yield* connection.send(FakeServer.created("resp_w"), FakeServer.completed("resp_w"))
      assert.strictEqual(yield* Fiber.join(fiber), "resp_w")
    }))
})

describe("what is nested too deep for anything that works on it", () => {
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`

  socket("as an error is a failure, and the connection serves on", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const fiber = yield* Effect.fork(run())
      yield* connection.request
      yield* connection.send(`{"type":"error","error":{"message":"no","details":${deep}}}`)
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "ResponseFailed")
      assert.deepStrictEqual(yield* serve(connection, "resp_3"), wholeAnswer)
    }))

  socket("as output reaches the caller, and the connection serves on", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const fiber = yield* Effect.fork(run())
      yield* connection.request
      const item = `{"type":"message","role":"assistant","content":${deep}}`
      yield* connection.send(
        FakeServer.created("resp_2"),
        `{"type":"response.completed","response":{"id":"resp_2","status":"completed","output":[${item}]}}`
      )
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["response.created", "response.completed"])
      assert.deepStrictEqual(yield* serve(connection, "resp_3"), wholeAnswer)
    }))

  socket("in a request is refused", (server) =>
    Effect.gen(function*() {
      yield* firstTurn(server)
      const content: ReadonlyArray<never> = JSON.parse(deep)
      const input = [{ type: "message", role: "user", content } as const]
      const error = yield* Effect.flip(Stream.runDrain(Responses.stream({ model: "m", input })))
      assert.strictEqual(error._tag, "InvalidRequest")
    }))
})

describe("what a server should not send", () => {
  socket("output before the beginning of a response is of none that is to come", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const fiber = yield* Effect.fork(collect(Responses.stream(request)))
      yield* connection.request
      yield* connection.send(FakeServer.delta("of the one before"), ...FakeServer.answer("resp_2"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), FakeServer.answer("resp_2"))
    }))

  socket("without a beginning, as some servers do, output is the response's own", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(collect(Responses.stream(request)))
      const connection = yield* server.connection
      for (const id of ["resp_1", "resp_2"]) {
        const running = id === "resp_1" ? fiber : yield* Effect.fork(collect(Responses.stream(request)))
        yield* connection.request
        yield* connection.send(FakeServer.delta("Hi"), FakeServer.completed(id))
        assert.deepStrictEqual(yield* Fiber.join(running), [FakeServer.delta("Hi"), FakeServer.completed(id)])
      }
    }))

  socket(
    "events of which none begins a response are bounded, and the request fails",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(run()))
        const connection = yield* server.connection
        yield* connection.request
        const large = { type: "vendor.news", text: "x".repeat(1 << 20) }
        for (let sent = 0; sent < 20; sent++) yield* connection.send(large)
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "MalformedEvent")
        yield* connection.closed
      })
  )

  socket(
    "a message of too many values fails the request and closes the connection",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(run()))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(`{"type":"error","error":{"message":"no","list":[${"{},".repeat(1_000_000)}{}]}}`)
        const error = yield* Fiber.join(fiber)
        assert(error._tag === "MalformedEvent")
        assert.include(error.description, "values")
        yield* connection.closed
      })
  )

  for (const onEarlyEnd of ["close", "drain"] as const) {
    socket(
      `output without end fails the request and closes the connection (${onEarlyEnd})`,
      (server) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.flip(Responses.forEach(request, () => {})))
          const connection = yield* server.connection
          yield* connection.request
          yield* connection.send(FakeServer.created("resp_1"))
          for (let index = 0; index < 4; index++) {
            yield* connection.send({
              type: "response.output_item.done",
              output_index: index,
              item: { type: "message", id: `msg_${index}`, role: "assistant", content: "x".repeat(400) }
            })
          }
          const error = yield* Fiber.join(fiber)
          assert(error._tag === "ConnectionError")
          assert.strictEqual(error.reason, "Overrun")
          yield* connection.closed
          const next = yield* Effect.fork(run())
          const successor = yield* server.connection
          yield* successor.request
          yield* successor.send(...FakeServer.answer("resp_2"))
          yield* Fiber.join(next)
        }),
      { maxOutputSize: 1000, onEarlyEnd }
    )
  }

  socket("a key in the reason of a close or the name of a field is in no error", (server) =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(Effect.flip(run()))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send({ type: "error", error: { message: "no", "sk-secret": { "sk-secret": "sk-secret" } } })
      const failed = yield* Fiber.join(first)
      assert.notInclude(JSON.stringify(failed) + failed.message, "sk-secret")
      const second = yield* Effect.fork(Effect.flip(run()))
      yield* connection.request
      yield* connection.close(4000, "no sk-secret here")
      const lost = yield* Fiber.join(second)
      assert.include(lost.message, "no <redacted> here")
    }))

  socket("no lane, where a request has one: only that one can be meant", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(collect(Responses.stream({ ...request, stream_id: "a" })))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_1"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), FakeServer.answer("resp_1"))
    }))
})
