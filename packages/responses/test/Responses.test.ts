import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Scope, Stream, TestClock } from "effect"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import * as Responses from "../src/Responses.ts"
import {
  ConnectionError,
  InvalidRequest,
  MalformedEvent,
  PreviousResponseNotFound,
  ResponseFailed,
  type ResponsesError
} from "../src/ResponsesError.ts"
import * as OpenResponse from "./support/openResponse.ts"

const request: ResponseRequest = { model: "m", input: "Hello" }

const created: ResponseEvent = { type: "response.created", response: { id: "resp_1" } }
const delta: ResponseEvent = { type: "response.output_text.delta", delta: "Hi" }
const item = { type: "message", role: "assistant", content: "Hi" } as const
const done: ResponseEvent = { type: "response.output_item.done", item }
const completed: ResponseEvent = { type: "response.completed", response: { id: "resp_1" } }

interface Transport extends Responses.Service {
  readonly requests: Array<ResponseRequest>
  /** `open` and `close`, in their order. */
  readonly log: Array<string>
}

const transport = (
  name: "websocket" | "http",
  open: Effect.Effect<Responses.OpenResponse["events"], ResponsesError>
): Transport => {
  const requests: Array<ResponseRequest> = []
  const log: Array<string> = []
  return {
    requests,
    log,
    open: (request) =>
      Effect.suspend(() => {
        requests.push(request)
        log.push("open")
        return Effect.zipRight(
          Effect.addFinalizer(() => Effect.sync(() => log.push("close"))),
          Effect.map(open, (events) => OpenResponse.make(name, events))
        )
      })
  }
}

const serving = (...events: ReadonlyArray<ResponseEvent>) =>
  transport("websocket", Effect.succeed(Stream.make(...events)))
const overHttp = () => transport("http", Effect.succeed(Stream.make(created, completed)))
const failing = (error: ResponsesError) => transport("websocket", Effect.fail(error))
/** Inside a span Effect wraps what fails. */
const original = <E>(self: Effect.Effect<unknown, E>): Effect.Effect<E, unknown> =>
  Effect.map(Effect.flip(self), Cause.originalError)

const within = (service: Responses.Service) => Effect.provideService(Responses.Responses, service)

const connectionError = (fields: Partial<ConstructorParameters<typeof ConnectionError>[0]>) =>
  new ConnectionError({ reason: "Refused", delivery: "unsent", description: "No.", ...fields })

const responseFailed = (delivery: "unsent" | "unacknowledged") =>
  new ResponseFailed({ description: "No.", delivery, frame: {}, status: 503 })

describe("orElse", () => {
  const fallsBack: ReadonlyArray<readonly [string, ConnectionError]> = [
    ["a server that has no socket", connectionError({ status: 426 })],
    ["a server that does not know the path", connectionError({ status: 404 })],
    ["a server that is down", connectionError({ status: 503 })],
    ["a close right after the upgrade", connectionError({ closeCode: 1008 })],
    ["no way to the server", connectionError({ reason: "Unreachable" })],
    ["a time-out of opening", connectionError({ reason: "OpenTimeout" })],
    ["a connection lost before sending", connectionError({ reason: "Lost", closeCode: 1006 })],
    ["a connection that was too old", connectionError({ reason: "Expired" })]
  ]
  for (const [name, error] of fallsBack) {
    it.scoped(`takes the second for ${name}, and records why`, () =>
      Effect.gen(function*() {
        const [first, second] = [failing(error), overHttp()]
        const response = yield* Responses.orElse(first, second).open(request)
        assert.strictEqual(response.transport, "http")
        assert.deepStrictEqual(response.recoveries, [{ _tag: "FellBack", error }])
        assert.deepStrictEqual(second.requests, [request])
      }))
  }

  const stays: ReadonlyArray<readonly [string, ResponsesError]> = [
    ["a key that is wrong", connectionError({ status: 401 })],
    ["a permission that is missing", connectionError({ status: 403 })],
    ["a key that cannot be had", connectionError({ reason: "Credentials" })],
    ["a Layer that is closed", connectionError({ reason: "Closed" })],
    ["a connection lost after sending", connectionError({ reason: "Lost", delivery: "unacknowledged" })],
    ["a connection lost after output", connectionError({ reason: "Lost", delivery: "partial" })],
    ["a request that is wrong", new InvalidRequest({ field: "model", description: "must be there" })],
    ["a chain that is gone", new PreviousResponseNotFound({ description: "Gone" })],
    ["a response that failed", responseFailed("unacknowledged")],
    ["a request that was refused", responseFailed("unsent")],
    ["noise", new MalformedEvent({ description: "noise", frame: "", delivery: "unacknowledged" })]
  ]
  for (const [name, error] of stays) {
    it.effect(`stays with the first for ${name}`, () =>
      Effect.gen(function*() {
        const second = overHttp()
        const result = yield* Effect.flip(Effect.scoped(Responses.orElse(failing(error), second).open(request)))
        assert.strictEqual(result, error)
        assert.strictEqual(second.requests.length, 0)
      }))
  }

  it.scoped("does not ask the second when the first serves", () =>
    Effect.gen(function*() {
      const second = overHttp()
      const response = yield* Responses.orElse(serving(created, completed), second).open(request)
      assert.strictEqual(response.transport, "websocket")
      assert.deepStrictEqual(response.recoveries, [])
      assert.strictEqual(second.requests.length, 0)
    }))

  it.effect("never takes a warm-up over HTTP, where it would be paid work", () =>
    Effect.gen(function*() {
      const second = overHttp()
      const error = connectionError({ status: 426 })
      const service = Responses.orElse(failing(error), second)
      assert.strictEqual(yield* original(within(service)(Responses.warmUp(request))), error)
      assert.strictEqual(second.requests.length, 0)
    }))

  it.effect("fails with the error of the second when that cannot serve either", () =>
    Effect.gen(function*() {
      const error = responseFailed("unacknowledged")
      const service = Responses.orElse(failing(connectionError({})), failing(error))
      assert.strictEqual(yield* Effect.flip(Effect.scoped(service.open(request))), error)
    }))

  it.effect("does not deliver an event twice: what fails after the opening stays a failure", () =>
    Effect.gen(function*() {
      const error = connectionError({ reason: "Lost" })
      const second = overHttp()
      const first = transport("websocket", Effect.succeed(Stream.concat(Stream.make(created), Stream.fail(error))))
      const events: Array<ResponseEvent> = []
      const result = yield* Responses.stream(request).pipe(
        Stream.runForEach((event) => Effect.sync(() => events.push(event))),
        within(Responses.orElse(first, second)),
        original
      )
      assert.strictEqual(result, error)
      assert.deepStrictEqual(events, [created])
      assert.strictEqual(second.requests.length, 0)
    }))

  it.scoped("tells of each step of a chain, the first one first", () =>
    Effect.gen(function*() {
      const [one, two] = [connectionError({ status: 426 }), connectionError({ status: 404 })]
      const response = yield* Responses.orElse(failing(one), Responses.orElse(failing(two), overHttp())).open(request)
      assert.deepStrictEqual(response.recoveries, [{ _tag: "FellBack", error: one }, { _tag: "FellBack", error: two }])
    }))

  it.scoped("counts the time that the first one took", () =>
    Effect.gen(function*() {
      const slow = failing(connectionError({}))
      const first: Responses.Service = { open: (request) => Effect.zipRight(TestClock.adjust(100), slow.open(request)) }
      const response = yield* Responses.orElse(first, overHttp()).open(request)
      assert.deepStrictEqual(response.firstEvent, Duration.millis(105))
    }))

  it.effect("connects the first, which is the one that needs it", () =>
    Effect.sync(() => {
      const [first, second] = [{ ...overHttp(), connect: Effect.void }, { ...overHttp(), connect: Effect.never }]
      assert.strictEqual(Responses.orElse(first, second).connect, first.connect)
    }))

  it.scoped("reads the same in a pipe", () =>
    Effect.gen(function*() {
      const response = yield* Responses.orElse(overHttp())(failing(connectionError({}))).open(request)
      assert.strictEqual(response.transport, "http")
    }))
})

describe("create", () => {
  it.effect("has the output that the last event brings", () =>
    Effect.gen(function*() {
      const other = { type: "message", role: "assistant", content: "All of it" } as const
      const end: ResponseEvent = {
        type: "response.completed",
        response: { id: "resp_1", output: [other], usage: null }
      }
      const response = yield* within(serving(created, done, end))(Responses.create(request))
      assert.deepStrictEqual(response, { id: "resp_1", output: [other], usage: null })
    }))

  for (const output of [undefined, []]) {
    it.effect(`puts the output together where the last event has ${output === undefined ? "none" : "an empty one"}`, () =>
      Effect.gen(function*() {
        const end: ResponseEvent = {
          type: "response.incomplete",
          response: { id: "resp_1", ...(output === undefined ? {} : { output }) }
        }
        const response = yield* within(serving(created, done, delta, done, end))(Responses.create(request))
        assert.deepStrictEqual(response.output, [item, item])
      }))
  }

  it.effect("can be run again", () =>
    Effect.gen(function*() {
      const service = serving(created, done, completed)
      const create = within(service)(Responses.create(request))
      assert.deepStrictEqual((yield* create).output, [item])
      assert.deepStrictEqual((yield* create).output, [item])
      assert.deepStrictEqual(service.log, ["open", "close", "open", "close"])
    }))

  it.effect("fails as its events fail", () =>
    Effect.gen(function*() {
      const error = responseFailed("unacknowledged")
      const service = transport("websocket", Effect.succeed(Stream.concat(Stream.make(created), Stream.fail(error))))
      assert.strictEqual(yield* original(within(service)(Responses.create(request))), error)
      assert.deepStrictEqual(service.log, ["open", "close"])
    }))

  it.effect("interrupted, gives the response up", () =>
    Effect.gen(function*() {
      const service = transport("websocket", Effect.succeed(Stream.concat(Stream.make(created), Stream.never)))
      const fiber = yield* Effect.fork(within(service)(Responses.create(request)))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(service.log, ["open", "close"])
    }))
})

describe("warmUp", () => {
  it.effect("asks for nothing to be put out, and gives the id to chain from", () =>
    Effect.gen(function*() {
      const service = serving(created, completed)
      assert.strictEqual(yield* within(service)(Responses.warmUp(request)), "resp_1")
      assert.deepStrictEqual(service.requests, [{ ...request, generate: false }])
    }))
})

describe("stream", () => {
  it.effect("runs onOpen before the first event", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      yield* Responses.stream(request, {
        onOpen: (response) => Effect.sync(() => log.push(`${response.transport} ${response.id}`))
      }).pipe(
        Stream.runForEach((event) => Effect.sync(() => log.push(event.type))),
        within(serving(created, delta, completed))
      )
      assert.deepStrictEqual(log, [
        "websocket resp_1",
        "response.created",
        "response.output_text.delta",
        "response.completed"
      ])
    }))

  it.effect("gives the response up when its reader leaves early", () =>
    Effect.gen(function*() {
      const service = transport("websocket", Effect.succeed(Stream.concat(Stream.make(created, delta), Stream.never)))
      const events = yield* Responses.stream(request).pipe(Stream.take(1), Stream.runCollect, within(service))
      assert.deepStrictEqual([...events], [created])
      assert.deepStrictEqual(service.log, ["open", "close"])
    }))

  it.effect("does nothing before it is run", () =>
    Effect.sync(() => {
      const service = serving(created, completed)
      const unused = Stream.provideService(Responses.stream(request), Responses.Responses, service)
      assert.isTrue(Effect.isEffect(Stream.runDrain(unused)))
      assert.deepStrictEqual(service.log, [])
    }))
})

describe("open", () => {
  it.effect("keeps the response until the caller's scope is closed", () =>
    Effect.gen(function*() {
      const service = serving(created, completed)
      const scope = yield* Scope.make()
      const response = yield* within(service)(Scope.extend(Responses.open(request), scope))
      yield* Stream.runDrain(response.events)
      assert.deepStrictEqual(service.log, ["open"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(service.log, ["open", "close"])
    }))
})
