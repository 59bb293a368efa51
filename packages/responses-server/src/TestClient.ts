/**
 * A WebSocket to a server and what comes over it, frame by frame. It knows as little of the protocol as it can: for tests
 * of servers, and of what a client should have seen.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { WebSocket } from "ws"

/**
 * The upgrade was refused, or nothing answered (`status` 0).
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectError extends Data.TaggedError("ConnectError")<{
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}> {
  override get message(): string {
    return this.status === 0
      ? `No connection: ${this.body}`
      : `The upgrade was refused with ${this.status}: ${this.body}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export type Frame = Readonly<Record<string, unknown>>

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Objects are sent as JSON, strings as they are, bytes as a binary frame. */
  readonly send: (message: object | string | Uint8Array) => Effect.Effect<void>
  /** The next frame. What is no JSON object comes as `{ type: "raw", raw }`, a binary frame as `{ type: "binary", raw }`. */
  readonly next: Effect.Effect<Frame>
  /** The frames up to the one that ends a response. */
  readonly rest: Effect.Effect<ReadonlyArray<Frame>>
  /** Sends `response.create` and gives the frames of the answer. */
  readonly create: (body: object) => Effect.Effect<ReadonlyArray<Frame>>
  /** Done when the answer to a ping has come. */
  readonly ping: Effect.Effect<void>
  readonly closed: Effect.Effect<{ readonly code: number; readonly reason: string }>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class TestClient extends Context.Tag("effect-responses-server/TestClient")<TestClient, Service>() {}

const ends: ReadonlySet<unknown> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "error",
  undefined
])

const parse = (text: string): Frame => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // Said below.
  }
  return { type: "raw", raw: text }
}

const toData = (message: object | string | Uint8Array): string | Uint8Array =>
  typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message)

const ignore = () => {}

/**
 * Connects to the `url` of a server, for as long as the scope is open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect: (url: string, options?: {
  readonly apiKey?: Redacted.Redacted | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}) => Effect.Effect<Service, ConnectError, Scope.Scope> = Effect.fnUntraced(function*(url, options = {}) {
  const { apiKey, headers } = options
  const frames = yield* Queue.unbounded<Frame>()
  const closed = yield* Deferred.make<{ readonly code: number; readonly reason: string }>()
  const key = apiKey === undefined ? {} : { authorization: `Bearer ${Redacted.value(apiKey)}` }

  const ws = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new WebSocket(`${url.replace(/^http/, "ws")}/responses`, {
        headers: { ...key, ...headers },
        perMessageDeflate: false
      })
    ),
    (ws) => Effect.sync(() => ws.terminate())
  )
  ws.on("message", (data: Uint8Array, isBinary) => {
    const text = data.toString()
    frames.unsafeOffer(isBinary ? { type: "binary", raw: text } : parse(text))
  })
  ws.on("close", (code, reason) => Deferred.unsafeDone(closed, Effect.succeed({ code, reason: reason.toString() })))
  yield* Effect.async<void, ConnectError>((resume) => {
    const fail = (status: number, headers: Frame, body: string) =>
      resume(Effect.fail(new ConnectError({ status, headers, body })))
    ws.on("error", (error) => fail(0, {}, error.message))
    ws.on("open", () => resume(Effect.void))
    ws.on("unexpected-response", (request, response) => {
      let body = ""
      response.on("data", (data) => (body += String(data)))
      response.on("end", () => {
        request.destroy()
        fail(response.statusCode ?? 0, response.headers, body)
      })
    })
  })

  const next = Queue.take(frames)
  const rest = Effect.gen(function*() {
    const all: Array<Frame> = []
    for (;;) {
      const frame = yield* next
      all.push(frame)
      if (ends.has(frame["type"])) return all
    }
  })
  const send: Service["send"] = (message) => Effect.sync(() => ws.send(toData(message), ignore))
  const client: Service = {
    send,
    next,
    rest,
    create: (body) => Effect.zipRight(send({ ...body, type: "response.create" }), rest),
    ping: Effect.async((resume) => {
      ws.once("pong", () => resume(Effect.void))
      ws.ping(undefined, undefined, ignore)
    }),
    closed: Deferred.await(closed)
  }
  return client
})
