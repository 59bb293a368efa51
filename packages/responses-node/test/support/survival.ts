/** What tests of a bad network share: turns of which is known how far they came, and time that passes when it is told to. */
import * as Responses from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import type * as RawServer from "./rawServer.ts"

export const apiKey = Redacted.make("sk-survival")

export const request = { model: "m", input: "hi", store: false }

export const created = { type: "response.created", response: { id: "resp_1", output: [] } }
export const delta = {
  type: "response.output_text.delta",
  item_id: "msg_1",
  output_index: 0,
  content_index: 0,
  delta: "a"
}
export const completed = { type: "response.completed", response: { id: "resp_1", output: [] } }

/** How the response was got, once it has ended well. */
export const ask = Effect.scoped(Effect.tap(Responses.open(request), Responses.collect))

export const asking = (input: string) =>
  Effect.scoped(Effect.tap(Responses.open({ ...request, input }), Responses.collect))

export const stats = Effect.flatMap(ResponsesSocket.ResponsesSocket, (socket) => socket.stats)

export const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** The server saw the connection go; this side learns it within some turns of the event loop. */
export const closedOnThisSide = Effect.repeat(Effect.zipLeft(stats, eventLoopTurn), { while: ({ open }) => open })

/** A `TestClock` stands no fractions of a nanosecond, which chance would make. */
export const unjittered = Effect.withRandom(Random.fixed([0]))

/** Time passes, step by step, for as long as it takes. */
export const elapsing =
  (step: string & Parameters<typeof TestClock.adjust>[0]) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(self, Effect.forever(Effect.zipRight(TestClock.adjust(step), eventLoopTurn)))

/** A turn whose events are seen as they arrive here. */
export const listening = Effect.gen(function*() {
  const events = yield* Queue.unbounded<string>()
  const turn = Effect.flatMap(
    Responses.open(request),
    (response) => response.forEach(({ type }) => void events.unsafeOffer(type))
  )
  const fiber = yield* Effect.fork(Effect.either(Effect.scoped(turn)))
  return { event: Queue.take(events), outcome: Fiber.join(fiber) }
})

/** Asks for a sign of life, and waits for it: by then the other side has heard everything that was said before. */
const ping = (ws: RawServer.Peer["ws"]): Effect.Effect<void> =>
  Effect.async((resume) => {
    ws.once("pong", () => resume(Effect.void))
    ws.ping()
  })

/** Waits for the next sign of life that the other side asks for. */
const pinged = (ws: RawServer.Peer["ws"]): Effect.Effect<void> =>
  Effect.async((resume) => {
    ws.once("ping", () => resume(Effect.void))
  })

/** The next connection that is made, with the request on it. */
export const accepted = Effect.fnUntraced(function*(server: Effect.Effect.Success<typeof RawServer.make>) {
  const upgrade = yield* server.upgrade
  const peer = yield* upgrade.accept
  yield* peer.request
  return { ...peer, gone: upgrade.gone, ping: ping(peer.ws), pinged: pinged(peer.ws) }
})
