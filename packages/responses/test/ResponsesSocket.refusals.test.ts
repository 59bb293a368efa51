import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Profile from "../src/Profile.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import { isUnsent } from "../src/ResponsesError.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { answer, ask, begin, first, hello, hi, more, turn } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { notRefusals, refusals } from "./support/refusals.ts"
import { socket } from "./support/socket.ts"

const error = (frame: object) => ({ type: "error", ...frame })
const unsupported = error({ status: 400, error: { message: "Unsupported parameter: previous_response_id" } })
const forgotten = error({
  status: 400,
  error: { code: "previous_response_not_found", message: "Previous response with id 'resp_1' not found." }
})
const badTool = error({ status: 400, error: { code: "invalid_function_parameters", message: "No object" } })

const stats = Effect.flatMap(ResponsesSocket, (service) => service.stats)

/** A request whose delta is refused; the full one is answered. */
const refusedTurn = Effect.fnUntraced(function*(
  connection: FakeServer.FakeConnection,
  request: ResponseRequest,
  refusal: object,
  id: string
) {
  const fiber = yield* begin(request)
  const delta = yield* connection.request
  yield* connection.send(refusal)
  const full = yield* connection.request
  yield* connection.send(...answer(id, [hi], request.stream_id))
  return { delta, full, opened: yield* Fiber.join(fiber) }
})

/** A request that is refused, whatever it is. */
const failedTurn = Effect.fnUntraced(function*(
  connection: FakeServer.FakeConnection,
  request: ResponseRequest,
  ...frames: ReadonlyArray<object>
) {
  const fiber = yield* begin(request)
  const sent = yield* connection.request
  yield* connection.send(...frames)
  return { sent, error: yield* Effect.flip(Fiber.join(fiber)) }
})

const history = [hello, hi, more]
const longer = [...history, hi, more]
const longest = [...longer, hi, more]

describe("a refusal of the response to continue", () => {
  for (const [what, frame] of Object.entries(refusals)) {
    for (const store of [undefined, false, true]) {
      const asked = (input: ReadonlyArray<ResponseItem.ResponseItem>, fields: Partial<ResponseRequest> = {}) =>
        ask(input, { store, ...fields })

      socket(
        `${what}, store ${store}, chosen by the library: repaired once, unseen`,
        (server) =>
          Effect.gen(function*() {
            const { connection } = yield* first(server, asked([hello]), "resp_1")
            const { delta, full, opened } = yield* refusedTurn(connection, asked(history), error(frame), "resp_2")
            assert.deepInclude(delta, { previous_response_id: "resp_1", input: [more] })
            assert.notProperty(full, "previous_response_id")
            assert.deepStrictEqual(full["input"], history)
            assert.deepStrictEqual(opened.recoveries.map(({ _tag }) => _tag), ["ResentInFull"])
            const isForgotten = opened.recoveries.some(({ error }) => error._tag === "PreviousResponseNotFound")
            assert.deepInclude(opened, {
              input: "full",
              reason: { _tag: isForgotten ? "Forgotten" : "ChainingRefused" }
            })
            assert.deepInclude(yield* stats, { deltasRefused: 1, resentInFull: 1, chaining: true })
            // The refused head is gone, and the new one is continued.
            const other = yield* turn(connection, asked([hello, hi, hello]), "resp_3")
            assert.notProperty(other.sent, "previous_response_id")
          })
      )

      socket(
        `${what}, store ${store}, named by the caller: the caller's error, and nothing ran`,
        (server) =>
          Effect.gen(function*() {
            const { connection } = yield* first(server, asked([hello]), "resp_1")
            const named = asked([more], { previous_response_id: "resp_1" })
            const { error: failure, sent } = yield* failedTurn(connection, named, error(frame))
            assert.strictEqual(sent["previous_response_id"], "resp_1")
            assert.isTrue(
              failure._tag === "PreviousResponseNotFound" || failure._tag === "ResponseFailed",
              failure._tag
            )
            assert.isTrue(isUnsent(failure))
            assert.deepInclude(yield* stats, { deltasRefused: 0, resentInFull: 0 })
            const next = yield* turn(connection, asked(history), "resp_2")
            assert.notProperty(next.sent, "previous_response_id")
          })
      )
    }
  }

  for (const store of [false, true]) {
    socket(
      `is repaired once: what is said to the full request is the caller's, store ${store}`,
      (server) =>
        Effect.gen(function*() {
          const { connection } = yield* first(server, ask([hello], { store }), "resp_1")
          const fiber = yield* begin(ask(history, { store }))
          yield* connection.request
          yield* connection.send(unsupported)
          yield* connection.request
          yield* connection.send(unsupported)
          assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "ResponseFailed")
          const next = yield* turn(connection, ask(history, { store }), "resp_2")
          assert.notProperty(next.sent, "previous_response_id")
        })
    )
  }

  socket(
    "after the response began is the caller's, as something may have run; the head is gone",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
        const failed = yield* failedTurn(
          connection,
          ask(history, { store: true }),
          FakeServer.created("resp_2"),
          unsupported
        )
        assert.deepInclude(failed.error, { _tag: "ResponseFailed", delivery: "unacknowledged" })
        const next = yield* turn(connection, ask(history, { store: true }), "resp_3")
        assert.notProperty(next.sent, "previous_response_id")
      })
  )

  socket(
    "after output is the caller's, also where the server does not announce responses",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* begin(ask([hello]))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(...answer("resp_1", [hi]).slice(1))
        yield* Fiber.join(fiber)
        const failed = yield* failedTurn(connection, ask(history), FakeServer.delta("He"), unsupported)
        assert.deepInclude(failed.error, { _tag: "ResponseFailed", delivery: "partial" })
        assert.strictEqual((yield* stats).deltasRefused, 0)
      })
  )

  socket("is repaired on another connection where this one serves nothing more", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello]), "resp_1")
      const fiber = yield* begin(ask(history))
      yield* connection.request
      yield* connection.send(unsupported)
      const next = yield* server.connection
      assert.deepStrictEqual((yield* next.request)["input"], history)
      yield* next.send(...answer("resp_2", [hi]))
      assert.deepStrictEqual((yield* Fiber.join(fiber)).recoveries.map(({ _tag }) => _tag), ["ResentInFull"])
    }), { profile: { ...Profile.openAi, usableAfterError: false } })

  socket("on another lane takes the head from the lane that had it", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello], { stream_id: "a" }), "resp_1")
      yield* refusedTurn(connection, ask(history, { stream_id: "b" }), { ...unsupported, stream_id: "b" }, "resp_2")
      const next = yield* turn(connection, ask([hello, hi, hello], { stream_id: "a" }), "resp_3")
      assert.notProperty(next.sent, "previous_response_id")
    }))
})

describe("a failure of a delta that does not name the response", () => {
  for (const store of [undefined, false, true]) {
    for (
      const [what, ...frames] of [
        ["in answer to the request", badTool],
        ["after the response began", FakeServer.created("resp_x"), badTool]
      ] as const
    ) {
      socket(
        `${what}, store ${store}: not repaired, and asked again it goes out in full`,
        (server) =>
          Effect.gen(function*() {
            const { connection } = yield* first(server, ask([hello], { store }), "resp_1")
            yield* turn(connection, ask(history, { store }), "resp_2")
            const failed = yield* failedTurn(connection, ask(longer, { store }), ...frames)
            assert.strictEqual(failed.sent["previous_response_id"], "resp_2")
            assert.deepInclude(failed.error, { _tag: "ResponseFailed", code: "invalid_function_parameters" })
            // The older head of the conversation is not tried either.
            const next = yield* turn(connection, ask(longer, { store }), "resp_3")
            assert.notProperty(next.sent, "previous_response_id")
            assert.deepStrictEqual(next.sent["input"], longer)
            assert.deepInclude(yield* stats, { deltasRefused: 0, chaining: true })
          })
      )
    }
  }

  for (const [what, frame] of Object.entries(notRefusals)) {
    socket(`${what}: not repaired`, (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const { error: failure } = yield* failedTurn(connection, ask(history), error(frame))
        assert.strictEqual(failure._tag, "ResponseFailed")
        assert.strictEqual((yield* stats).deltasRefused, 0)
      }))
  }

  for (const status of [401, 403, 429, 503]) {
    socket(`status ${status} keeps the heads that are stored`, (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
        yield* failedTurn(connection, ask(history, { store: true }), error({ status, error: { message: "No" } }))
        const next = yield* turn(connection, ask(history, { store: true }), "resp_2")
        assert.deepInclude(next.sent, { previous_response_id: "resp_1", input: [more] })
      }))
  }

  socket("leaves other conversations alone", (server) =>
    Effect.gen(function*() {
      const other = ResponseItem.user("Other")
      const { connection } = yield* first(server, ask([other], { store: true }), "resp_o")
      yield* turn(connection, ask([hello], { store: true }), "resp_1")
      yield* failedTurn(connection, ask(history, { store: true }), badTool)
      const next = yield* turn(connection, ask([other, hi, more], { store: true }), "resp_o2")
      assert.strictEqual(next.sent["previous_response_id"], "resp_o")
    }))
})

describe("a server that refuses chaining", () => {
  const talk = (connection: FakeServer.FakeConnection) => {
    let items: ReadonlyArray<ResponseItem.ResponseItem> = history
    let count = 1
    const next = <A>(run: (request: ResponseRequest, id: string) => A) => {
      const asked = ask(items)
      items = [...items, hi, more]
      return run(asked, `resp_${++count}`)
    }
    return {
      refused: Effect.suspend(() => next((request, id) => refusedTurn(connection, request, unsupported, id))),
      served: Effect.suspend(() => next((request, id) => turn(connection, request, id)))
    }
  }

  socket(
    "is not asked after the second refusal in a row: everything travels, and reason and stats say so",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const { refused, served } = talk(connection)
        yield* refused
        yield* refused
        assert.deepInclude(yield* stats, { deltasRefused: 2, resentInFull: 2, chaining: false })
        for (let count = 0; count < 3; count++) {
          const { opened, sent } = yield* served
          assert.notProperty(sent, "previous_response_id")
          assert.deepInclude(opened, { input: "full", reason: { _tag: "ChainingRefused" }, recoveries: [] })
        }
        assert.deepInclude(yield* stats, { deltasRefused: 2, deltas: 0 })
      })
  )

  socket(
    "is tried again after a minute, then after two, and trusted when it continues",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const { refused, served } = talk(connection)
        yield* refused
        yield* refused
        yield* TestClock.adjust("59999 millis")
        assert.notProperty((yield* served).sent, "previous_response_id")
        yield* TestClock.adjust("1 millis")
        yield* refused
        assert.isFalse((yield* stats).chaining)
        yield* TestClock.adjust("119999 millis")
        assert.notProperty((yield* served).sent, "previous_response_id")
        yield* TestClock.adjust("1 millis")
        assert.property((yield* served).sent, "previous_response_id")
        assert.deepInclude(yield* stats, { chaining: true, deltasRefused: 3 })
        yield* refused
        assert.isTrue((yield* stats).chaining)
      })
  )

  socket("is asked on where a delta succeeds between two refusals", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello]), "resp_1")
      const { refused, served } = talk(connection)
      for (let count = 0; count < 3; count++) {
        yield* refused
        assert.property((yield* served).sent, "previous_response_id")
      }
      assert.deepInclude(yield* stats, { deltasRefused: 3, chaining: true })
    }))

  socket("is not one that refuses the full request as well", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello]), "resp_1")
      for (const id of ["resp_2", "resp_3", "resp_4"]) {
        const fiber = yield* begin(ask(history))
        yield* connection.request
        yield* connection.send(unsupported)
        yield* connection.request
        yield* connection.send(unsupported)
        yield* Effect.flip(Fiber.join(fiber))
        yield* turn(connection, ask([hello]), id)
      }
      assert.deepInclude(yield* stats, { deltasRefused: 3, resentInFull: 0, chaining: true })
    }))

  socket("is not one that has lost what it stored", (server) =>
    Effect.gen(function*() {
      let { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
      for (const [input, id] of [[history, "resp_2"], [longer, "resp_3"], [longest, "resp_4"]] as const) {
        yield* connection.close(1006)
        const fiber = yield* begin(ask(input, { store: true }))
        connection = yield* server.connection
        const sent = yield* connection.request
        if (sent["previous_response_id"] !== undefined) {
          yield* connection.send(forgotten)
          assert.notProperty(yield* connection.request, "previous_response_id")
        }
        yield* connection.send(...answer(id, [hi]))
        yield* Fiber.join(fiber)
      }
      // The stored ones are not tried a third time; what the connection itself has is continued.
      assert.deepInclude(yield* stats, { deltasRefused: 2, chaining: true })
      const next = yield* turn(connection, ask([...longest, hi, more], { store: true }), "resp_5")
      assert.strictEqual(next.sent["previous_response_id"], "resp_4")
      yield* TestClock.adjust("1 minute")
      yield* connection.close(1006)
      const last = yield* first(server, ask([...longest, hi, more, hi, more], { store: true }), "resp_6")
      assert.strictEqual(last.sent["previous_response_id"], "resp_5")
    }))

  socket(
    "takes a request in full that is larger than a message may be: nothing is sent, and no defect",
    (server) =>
      Effect.gen(function*() {
        const long = ResponseItem.user("x".repeat(200))
        const { connection } = yield* first(server, ask([hello, long]), "resp_1")
        yield* turn(connection, ask([hello, long, hi, long]), "resp_2")
        const fiber = yield* begin(ask([hello, long, hi, long, hi, more]))
        assert.property(yield* connection.request, "previous_response_id")
        yield* connection.send(unsupported)
        assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { reason: "TooLarge", delivery: "unsent" })
      }),
    { profile: { ...Profile.openAi, maxFrameBytes: 640 } }
  )
})

describe("ids", () => {
  for (
    const [name, profile] of Object.entries({
      openAi: Profile.openAi,
      azure: Profile.azure,
      xAi: Profile.xAi,
      strict: Profile.strict
    })
  ) {
    const isContinued = name === "openAi" || name === "azure"
    const options = { profile, baseUrl: "http://ids.test/v1" }

    socket(
      `${name}: a stored response is ${isContinued ? "" : "not "}continued on a new connection`,
      (server) =>
        Effect.gen(function*() {
          const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
          yield* connection.close(1006)
          const { opened, sent } = yield* first(server, ask(history, { store: true }), "resp_2")
          assert.strictEqual(sent["previous_response_id"], isContinued ? "resp_1" : undefined)
          assert.deepStrictEqual(sent["input"], isContinued ? [more] : history)
          assert.deepStrictEqual(opened.reason, isContinued ? undefined : { _tag: "NewConnection" })
        }),
      options
    )

    socket(`${name}: … after its age limit, in the middle of a turn`, (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
        const fiber = yield* begin(ask(history, { store: true }))
        assert.strictEqual((yield* connection.request)["previous_response_id"], "resp_1")
        yield* connection.send(
          error({ status: 400, error: { code: "websocket_connection_limit_reached", message: "Old" } })
        )
        const next = yield* server.connection
        const sent = yield* next.request
        assert.strictEqual(sent["previous_response_id"], isContinued ? "resp_1" : undefined)
        yield* next.send(...answer("resp_2", [hi]))
        assert.deepStrictEqual((yield* Fiber.join(fiber)).recoveries.map(({ _tag }) => _tag), ["Reconnected"])
      }), options)

    socket(`${name}: the latest response of a connection is continued on it`, (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
        const { sent } = yield* turn(connection, ask(history, { store: true }), "resp_2")
        assert.deepInclude(sent, { previous_response_id: "resp_1", input: [more] })
      }), options)
  }

  const repeating = { profile: { ...Profile.openAi, uniqueIds: false } }

  socket("that are not unique: no older response of the connection is continued", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
      yield* turn(connection, ask([more], { store: true }), "resp_2")
      const { sent } = yield* turn(connection, ask(history, { store: true }), "resp_3")
      assert.notProperty(sent, "previous_response_id")
    }), repeating)

  socket("that are not unique: nor a response of another lane", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello], { stream_id: "a" }), "resp_1")
      const { sent } = yield* turn(connection, ask(history, { stream_id: "b" }), "resp_2")
      assert.notProperty(sent, "previous_response_id")
    }), repeating)

  socket("that are not unique: nor one whose id another lane has got since", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello], { stream_id: "a" }), "resp_1")
      yield* turn(connection, ask([more], { stream_id: "b" }), "resp_1")
      const { sent } = yield* turn(connection, ask(history, { stream_id: "a" }), "resp_2")
      assert.notProperty(sent, "previous_response_id")
    }), repeating)

  socket("that are not unique: one id for all is continued from the last", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello]), "resp_1")
      yield* turn(connection, ask(history), "resp_1")
      const { sent } = yield* turn(connection, ask(longer), "resp_1")
      assert.deepInclude(sent, { previous_response_id: "resp_1", input: [more] })
    }), repeating)

  socket(
    "that are not unique: what would be sent on a new connection is too large in full",
    (server) =>
      Effect.gen(function*() {
        const long = ResponseItem.user("x".repeat(200))
        const { connection } = yield* first(server, ask([long], { store: true }), "resp_1")
        yield* connection.close(1006)
        const failure = yield* Effect.flip(Effect.flatMap(begin(ask([long, hi, long], { store: true })), Fiber.join))
        assert.deepInclude(failure, { reason: "TooLarge", delivery: "unsent" })
        assert.strictEqual(server.dials(), 1)
      }),
    { profile: { ...Profile.openAi, uniqueIds: false, maxFrameBytes: 500 } }
  )
})
