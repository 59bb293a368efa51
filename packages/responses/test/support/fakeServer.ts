/** A server in memory, behind the `Connector` tag: tests take what it saw from queues and say what it sends. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import { type Connect, Connector, type Listener, type Target } from "../../src/Connector.ts"
import type { ConnectionError } from "../../src/ResponsesError.ts"
import * as ResponsesSocket from "../../src/ResponsesSocket.ts"

export interface FakeConnection {
  readonly number: number
  readonly target: Target
  /** The next request the client sends. */
  readonly request: Effect.Effect<Record<string, unknown>>
  /** The same, to the letter. */
  readonly frame: Effect.Effect<string>
  readonly send: (...frames: ReadonlyArray<object | string | Uint8Array>) => Effect.Effect<void>
  readonly close: (code: number, reason?: string) => Effect.Effect<void>
  /** Waits until the client has closed the connection. */
  readonly closed: Effect.Effect<void>
  readonly isClosed: () => boolean
  readonly isPaused: () => boolean
  /** Pings that came so far. */
  readonly pings: () => number
  /** From here on pings are answered, or not. */
  readonly answerPings: (answer: boolean) => void
  /** A ping or pong of the server's. */
  readonly sign: Effect.Effect<void>
}

/** `closed`: accepted, and closed with 1008 before it can be used. */
export type Dial = "accept" | "closed" | "never" | ConnectionError

export interface FakeServer {
  readonly connect: Connect
  /** The next connection that was opened. */
  readonly connection: Effect.Effect<FakeConnection>
  /** What happens to the next dials; accepted when nothing is left. */
  readonly plan: (...dials: ReadonlyArray<Dial>) => void
  readonly dials: () => number
  readonly open: () => number
  /** The next requests are not taken by the network. */
  readonly failSends: (times: number) => void
  /** The next request is not taken by the network until the connection ends: completes when it is being written. */
  readonly hangSend: Effect.Effect<Effect.Effect<void>>
  readonly layer: (
    options?: Partial<ResponsesSocket.Options>
  ) => Layer.Layer<Layer.Layer.Success<ReturnType<typeof ResponsesSocket.layer>>>
}

export const make: Effect.Effect<FakeServer> = Effect.gen(function*() {
  const connections = yield* Queue.unbounded<FakeConnection>()
  const planned: Array<Dial> = []
  let dials = 0
  let open = 0
  let failing = 0
  let hanging: Deferred.Deferred<void> | undefined

  const accept = (target: Target, listener: Listener, dial: "accept" | "closed") =>
    Effect.gen(function*() {
      const frames = yield* Queue.unbounded<string>()
      const closed = yield* Deferred.make<void>()
      const number = dials
      let ended = false
      let paused = false
      let pings = 0
      let answersPings = true
      let writing: ((error: Error) => void) | undefined
      open++
      const end = (code: number, reason: string) => {
        if (ended) return
        ended = true
        open--
        Deferred.unsafeDone(closed, Effect.void)
        listener.onClose({ code, reason })
        writing?.(new Error("write after end"))
      }
      yield* Queue.offer(connections, {
        number,
        target,
        frame: Queue.take(frames),
        request: Effect.map(Queue.take(frames), (frame): Record<string, unknown> => JSON.parse(frame)),
        send: (...frames) =>
          Effect.sync(() => {
            for (const frame of frames) {
              if (ended) return
              listener.onMessage(
                typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame)
              )
            }
          }),
        close: (code, reason = "") => Effect.sync(() => end(code, reason)),
        closed: Deferred.await(closed),
        isClosed: () => ended,
        isPaused: () => paused,
        pings: () => pings,
        answerPings: (answer) => {
          answersPings = answer
        },
        sign: Effect.sync(listener.onSign)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => end(1000, "closed by the client")))
      if (dial === "closed") end(1008, "policy")
      return {
        send: (text: string, done: (error?: Error) => void) => {
          if (hanging !== undefined) {
            Deferred.unsafeDone(hanging, Effect.void)
            hanging = undefined
            writing = done
          } else if (failing > 0) {
            failing--
            done(new Error("write failed"))
          } else {
            Queue.unsafeOffer(frames, text)
            done()
          }
          return text.length
        },
        ping: () => {
          pings++
          if (answersPings && !ended) listener.onSign()
        },
        pause: () => {
          paused = true
        },
        resume: () => {
          paused = false
        }
      }
    })

  const connect: Connect = (target, listener) =>
    Effect.suspend(() => {
      dials++
      const dial = planned.shift() ?? "accept"
      if (dial === "never") return Effect.never
      return typeof dial === "string" ? accept(target, listener, dial) : Effect.fail(dial)
    })

  return {
    connect,
    connection: Queue.take(connections),
    plan: (...next) => {
      planned.push(...next)
    },
    dials: () => dials,
    open: () => open,
    hangSend: Effect.map(Deferred.make<void>(), (writing) => {
      hanging = writing
      return Deferred.await(writing)
    }),
    failSends: (times) => {
      failing = times
    },
    /** One response at a time, unless the options say otherwise. */
    layer: (options) =>
      ResponsesSocket.layer({ apiKey: Redacted.make("sk-secret"), maxConnections: 1, maxLanes: 1, ...options }).pipe(
        Layer.provide(Layer.succeed(Connector, connect)),
        Layer.orDie
      )
  }
})

export const created = (id: string) => ({
  type: "response.created",
  response: { id, status: "in_progress", output: [] }
})

export const delta = (text: string) => ({ type: "response.output_text.delta", delta: text })

export const completed = (id: string) => ({
  type: "response.completed",
  response: { id, status: "completed", output: [] }
})

/** A whole small answer. */
export const answer = (id: string) => [created(id), delta("Hello"), completed(id)] as const
