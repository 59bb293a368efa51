/** The two runs of the demo, against local servers that fail on purpose, or against the vendor. */
import { type Responses, ResponsesSocket } from "effect-responses"
import { NodeResponses, NodeResponsesHttp } from "effect-responses-node"
import { ResponsesServer } from "effect-responses-server"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Agent from "./agent.ts"
import * as Outcome from "./outcome.ts"
import * as Scenario from "./scenario.ts"
import * as Task from "./task.ts"
import type { View } from "./view.ts"

const titles = {
  socket: "Over the socket, with HTTP behind it",
  http: "Over HTTP only"
}

/** One run, in sight. Wants a socket only to count its connections: HTTP has none. */
const side = (options: {
  readonly title: string
  readonly view: View
  readonly request: Task.Request
  readonly beforeTurn?: ((turn: number) => Effect.Effect<void>) | undefined
  readonly connections: Effect.Effect<number>
}): Effect.Effect<Outcome.Side, never, Responses.Responses> =>
  Effect.gen(function*() {
    const { beforeTurn, request, title, view } = options
    yield* view.show({ _tag: "RunStarted", title })
    const [time, run] = yield* Effect.timed(Agent.run({ request, beforeTurn, show: view.show }))
    yield* view.show({ _tag: "RunEnded", run })
    return { run, time, connections: yield* options.connections }
  })

const connectionsOf = (socket: ResponsesSocket.Service) => Effect.map(socket.stats, (stats) => stats.connections)

/** 24 would do to show what happens; only a long history shows what it is worth. */
const localToolCalls = 48

/** A model that is paid for. */
const liveToolCalls = 24

const apiKey = Redacted.make("demo-key-of-the-local-server")

/** `deltaDelay`: for the eye, the time between two deltas of the server. */
export const local = (options: {
  readonly view: View
  readonly model: string
  readonly deltaDelay: Duration.DurationInput
}) =>
  Effect.gen(function*() {
    const { deltaDelay, model, view } = options
    const request = Task.request({ model, toolCalls: localToolCalls })
    const serve = ResponsesServer.make({ apiKey, deltaDelay })

    const overSocket = Effect.gen(function*() {
      const server = yield* serve
      const withSocket = Effect.gen(function*() {
        const socket = yield* ResponsesSocket.ResponsesSocket
        const beforeTurn = (turn: number) =>
          Effect.forEach(Scenario.eventsBefore(turn), ({ happen, says }) =>
            Effect.zipRight(view.show({ _tag: "Fault", says }), happen({ server, socket })), { discard: true })
        const connections = connectionsOf(socket)
        return yield* side({ title: titles.socket, view, request, beforeTurn, connections })
      })
      return yield* Effect.provide(
        withSocket,
        NodeResponses.layer({
          apiKey,
          baseUrl: server.url,
          // The defaults wait for longer than a demo may.
          reconnect: Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(1)),
          probe: { first: 0 }
        })
      )
    })

    const overHttp = Effect.gen(function*() {
      const server = yield* serve
      return yield* Effect.provide(
        side({ title: titles.http, view, request, connections: Effect.succeed(0) }),
        NodeResponsesHttp.layer({ apiKey, baseUrl: server.url })
      )
    })

    // What the log would say of the fallback is in the view.
    const socket = yield* Logger.withMinimumLogLevel(Effect.scoped(overSocket), LogLevel.Warning)
    const http = yield* Effect.scoped(overHttp)
    return Outcome.make({ socket, http, faults: Scenario.faults, deterministic: true })
  })

export const live = (options: { readonly view: View; readonly model: string }) =>
  Effect.gen(function*() {
    const { model, view } = options
    const request = Task.request({ model, toolCalls: liveToolCalls })
    const socket = yield* Effect.flatMap(ResponsesSocket.ResponsesSocket, (socket) =>
      side({ title: titles.socket, view, request, connections: connectionsOf(socket) })).pipe(
        Effect.provide(NodeResponses.layerConfig())
      )
    const http = yield* Effect.provide(
      side({ title: titles.http, view, request, connections: Effect.succeed(0) }),
      NodeResponsesHttp.layerConfig()
    )
    return Outcome.make({ socket, http, faults: [], deterministic: false })
  })
