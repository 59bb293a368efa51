/** A program that uses the library in one way, says what came of it, and has to end by itself. */
import * as Responses from "effect-responses/Responses"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as NodeResponses from "../../../src/NodeResponses.ts"

const [way = "", baseUrl = ""] = process.argv.slice(2)

const request = { model: "m", input: "hi", store: false }

const create = Effect.map(Responses.create(request), ({ status }) => String(status))

const failure = Effect.map(Effect.flip(create), (error) => "reason" in error ? error.reason : error._tag)

const interrupted = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.as(Effect.timeoutOption(Effect.interruptible(self), "300 millis"), "interrupted")

const ways: Readonly<
  Record<string, readonly [Effect.Effect<string, unknown, Responses.Responses>, Partial<NodeResponses.Options>]>
> = {
  completed: [create, { ping: "20 seconds" }],
  twice: [Effect.zipRight(create, create), {}],
  interrupted: [interrupted(create), {}],
  interruptedInTheMiddle: [
    Effect.as(Stream.runHead(Responses.stream(request)), "interrupted"),
    { onEarlyEnd: "drain" }
  ],
  forgotten: [
    Effect.as(Effect.zipRight(Effect.forkDaemon(Effect.ignore(create)), Effect.sleep("100 millis")), "left"),
    {}
  ],
  firstEvent: [failure, { firstEventTimeout: "200 millis" }],
  stalled: [failure, { stallTimeout: "200 millis" }],
  reconnect: [failure, { reconnect: Schedule.addDelay(Schedule.recurs(1), () => Duration.millis(100)) }],
  openTimeout: [create, { connectTimeout: "200 millis", reconnect: Schedule.stop }]
}

const [program, options] = ways[way] ?? [Effect.dieMessage(`No way ${way}`), {}]

const fiber = Effect.runFork(
  Effect.provide(program, NodeResponses.layer({ apiKey: Redacted.make("sk-survival"), baseUrl, ...options }))
)
console.log(await Effect.runPromise(Fiber.join(fiber)))
