import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { ConnectionError, Delivery } from "../src/ResponsesError.ts"
import * as ResponsesHttp from "../src/ResponsesHttp.ts"
import { assertConnectionError, endsAfter } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { onMachine } from "./support/machine.ts"
import { request } from "./support/socket.ts"

/** A server that answers when it is told to, and sends what it is told to. */
const makeServer = Effect.gen(function*() {
  const asked = yield* Deferred.make<AbortSignal>()
  const answered = yield* Deferred.make<Response>()
  const client = HttpClient.make((request, _url, signal) =>
    Deferred.succeed(asked, signal).pipe(
      Effect.zipRight(Deferred.await(answered)),
      Effect.map((response) => HttpClientResponse.fromWeb(request, response))
    )
  )
  const encoder = new TextEncoder()
  let body: ReadableStreamDefaultController<Uint8Array> | undefined
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      body = controller
    }
  })
  /** Waits until what was sent has been read: the body is not on the test's clock. */
  const arrive = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))).pipe(
    Effect.repeatN(3),
    Effect.zipRight(TestClock.adjust(0))
  )
  return {
    client,
    signal: Deferred.await(asked),
    answer: Effect.zipRight(
      Deferred.succeed(answered, new Response(stream, { headers: { "content-type": "text/event-stream" } })),
      arrive
    ),
    send: (...frames: ReadonlyArray<object | string>) =>
      Effect.zipRight(
        Effect.sync(() => {
          for (const frame of frames) {
            const text = typeof frame === "string" ? frame : `data: ${JSON.stringify(frame)}\n\n`
            body?.enqueue(encoder.encode(text))
          }
        }),
        arrive
      )
  }
})

/** Runs one request to its end on such a server; `each` is done for each chunk of events. */
const running = (options: Partial<ResponsesHttp.Options> = {}, each: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function*() {
    const server = yield* makeServer
    const service = yield* Effect.provideService(
      ResponsesHttp.make({ apiKey: Redacted.make("sk-secret"), ...options }),
      HttpClient.HttpClient,
      server.client
    )
    const fiber = yield* service.open(request).pipe(
      Effect.flatMap(({ events }) => Stream.runForEachChunk(events, () => each)),
      Effect.scoped,
      Effect.flip,
      Effect.fork
    )
    const signal = yield* server.signal
    return { ...server, signal, fiber }
  })

describe("clocks over HTTP", () => {
  const created = FakeServer.created("resp_1")
  const he = FakeServer.delta("He")
  const cases: ReadonlyArray<{
    readonly what: string
    readonly reason: ConnectionError["reason"]
    readonly delivery: Delivery
    readonly limit: "2 minutes" | "10 minutes" | "20 minutes" | "3 seconds"
    /** `undefined`: not even the head of the answer. */
    readonly sent: ReadonlyArray<object> | undefined
    readonly options?: Partial<ResponsesHttp.Options>
  }> = [
    {
      what: "no answer, by default",
      reason: "FirstEventTimeout",
      delivery: "unacknowledged",
      limit: "2 minutes",
      sent: undefined
    },
    {
      what: "no first event, by default",
      reason: "FirstEventTimeout",
      delivery: "unacknowledged",
      limit: "2 minutes",
      sent: []
    },
    {
      what: "no answer within the time of the whole",
      reason: "TurnTimeout",
      delivery: "unacknowledged",
      limit: "3 seconds",
      sent: undefined,
      options: { turnTimeout: "3 seconds" }
    },
    {
      what: "no answer, where only the whole has a limit",
      reason: "TurnTimeout",
      delivery: "unacknowledged",
      limit: "20 minutes",
      sent: undefined,
      options: { firstEventTimeout: Infinity }
    },
    {
      what: "silence before any output, by default",
      reason: "Stalled",
      delivery: "unacknowledged",
      limit: "10 minutes",
      sent: [created]
    },
    {
      what: "silence in the middle, by default",
      reason: "Stalled",
      delivery: "partial",
      limit: "10 minutes",
      sent: [created, he]
    },
    {
      what: "no end, by default",
      reason: "TurnTimeout",
      delivery: "partial",
      limit: "20 minutes",
      sent: [created, he],
      options: { stallTimeout: Infinity }
    }
  ]
  for (const { delivery, limit, options, reason, sent, what } of cases) {
    if (sent !== undefined) {
      onMachine(
        `${what}: the same where the wall clock is set back, and soon after a sleep`,
        (machine) =>
          Effect.gen(function*() {
            const awake = yield* running(options)
            yield* awake.answer
            machine.setBack("1 hour")
            yield* awake.send(...sent)
            machine.setBack("1 hour")
            assertConnectionError(yield* endsAfter(awake.fiber, limit), reason, delivery)
            const asleep = yield* running(options)
            yield* Effect.zipRight(asleep.answer, asleep.send(...sent))
            machine.sleep(limit)
            yield* TestClock.adjust("30 seconds")
            assertConnectionError(yield* Fiber.join(asleep.fiber), reason, delivery)
          })
      )
    }

    it.scoped(`${what}: ${reason} after ${limit}, and the request is given up`, () =>
      Effect.gen(function*() {
        const { answer, fiber, send, signal } = yield* running(options)
        if (sent !== undefined) yield* Effect.zipRight(answer, send(...sent))
        assertConnectionError(yield* endsAfter(fiber, limit), reason, delivery)
        assert.isTrue(signal.aborted)
      }))
  }

  it.scoped("the first event is due from the sending of the request, not from the head of the answer", () =>
    Effect.gen(function*() {
      const { answer, fiber } = yield* running()
      yield* TestClock.adjust("90 seconds")
      yield* answer
      assertConnectionError(yield* endsAfter(fiber, "30 seconds"), "FirstEventTimeout", "unacknowledged")
    }))

  for (
    const [what, sign] of [["an event", he], [
      "a comment, as servers send to keep it alive",
      ": keepalive\n\n"
    ]] as const
  ) {
    it.scoped(`${what} is a sign of life`, () =>
      Effect.gen(function*() {
        const { answer, fiber, send } = yield* running({ stallTimeout: "10 seconds" })
        yield* Effect.zipRight(answer, send(created, he))
        for (let times = 0; times < 3; times++) {
          yield* TestClock.adjust("9999 millis")
          assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
          yield* send(sign)
        }
        assertConnectionError(yield* endsAfter(fiber, "10 seconds"), "Stalled", "partial")
      }))
  }

  it.scoped("a consumer that is slow is no stall of the server's, but has no longer than the whole may take", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { answer, fiber, send } = yield* running({ stallTimeout: "1 minute" }, Deferred.await(gate))
      yield* Effect.zipRight(answer, send(created))
      yield* send(FakeServer.delta("x".repeat(2_000_000)))
      yield* TestClock.adjust("930 seconds")
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(0)
      assertConnectionError(yield* endsAfter(fiber, "1 minute"), "Stalled", "partial")
    }))

  it.scoped("a consumer that never takes anything has as long as the whole may take", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { answer, fiber, send } = yield* running({ stallTimeout: "1 minute" }, Deferred.await(gate))
      yield* Effect.zipRight(answer, send(created))
      yield* send(FakeServer.delta("x".repeat(2_000_000)))
      yield* TestClock.adjust("1 hour")
      yield* Deferred.succeed(gate, undefined)
      assertConnectionError(yield* Fiber.join(fiber), "TurnTimeout", "partial")
    }))

  it.scoped("Infinity switches each of them off", () =>
    Effect.gen(function*() {
      const off = { firstEventTimeout: Infinity, stallTimeout: Infinity, turnTimeout: Infinity }
      const { answer, fiber, send } = yield* running(off)
      yield* TestClock.adjust("1 days")
      yield* answer
      yield* TestClock.adjust("1 days")
      yield* send(created)
      yield* TestClock.adjust("1 days")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* send("data: [DONE]\n\n")
      assertConnectionError(yield* Fiber.join(fiber), "Lost", "unacknowledged")
    }))

  for (const option of ["firstEventTimeout", "stallTimeout", "turnTimeout"]) {
    it.effect(`${option} must be a duration above zero`, () =>
      Effect.forEach(
        [0, -1, "soon", Number.NaN],
        (value) =>
          ResponsesHttp.make({ apiKey: Redacted.make("k"), [option]: value }).pipe(
            Effect.provideServiceEffect(HttpClient.HttpClient, Effect.map(makeServer, ({ client }) => client)),
            Effect.flip,
            Effect.tap((error) =>
              Effect.sync(() => assert.include(Cause.pretty(Cause.fail(error)), `(Invalid data at ${option}:`))
            )
          )
      ))
  }
})

it.scoped("a response that has ended is watched no longer, in a scope that lives on", () =>
  Effect.gen(function*() {
    const server = yield* makeServer
    const service = yield* Effect.provideService(
      ResponsesHttp.make({ apiKey: Redacted.make("sk-secret"), stallTimeout: Infinity, turnTimeout: Infinity }),
      HttpClient.HttpClient,
      server.client
    )
    const opening = yield* Effect.fork(service.open(request))
    yield* server.signal
    yield* server.answer
    yield* server.send(...FakeServer.answer("resp_1"))
    const response = yield* Fiber.join(opening)
    yield* response.forEach(() => {})
    assert.strictEqual(response.result()?.id, "resp_1")
    yield* TestClock.adjust("1 hour")
    assert.deepStrictEqual([...yield* TestClock.sleeps()], [])
  }))

onMachine(
  "the first event is timed by what the machine was awake, whatever its wall clock was set to",
  (machine) =>
    Effect.gen(function*() {
      const server = yield* makeServer
      const service = yield* Effect.provideService(
        ResponsesHttp.make({ apiKey: Redacted.make("sk-secret") }),
        HttpClient.HttpClient,
        server.client
      )
      const opening = yield* Effect.fork(service.open(request))
      yield* server.signal
      yield* TestClock.adjust("3 seconds")
      machine.sleep("1 minute")
      machine.setBack("1 hour")
      yield* server.answer
      yield* server.send(...FakeServer.answer("resp_1"))
      assert.deepStrictEqual((yield* Fiber.join(opening)).firstEvent, Duration.seconds(3))
    })
)
