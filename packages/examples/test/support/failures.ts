/** What happens when something goes wrong: the README's table, and for each of its rows a way to make it happen. */
import { ConfigError, Deferred, Effect, Exit, Fiber, Layer, Redacted, Schedule, Scope, Stream } from "effect"
import { Conversation, type ResponseRequest, Responses, ResponseScript, type ResponsesError } from "effect-responses"
import { NodeResponses, NodeResponsesSocket } from "effect-responses-node"
import { ResponsesServer, Upgrade } from "effect-responses-server"

/** The cells of a row, in Markdown. */
export interface Row {
  readonly happens: string
  readonly does: string
  readonly sees: string
  /** Empty where there is no failure. */
  readonly delivery: string
  /** Has it happen, and tells what a caller saw. */
  readonly run: Effect.Effect<Seen, unknown, Scope.Scope>
}

export interface Seen {
  readonly sees: string
  readonly delivery: string
  /** How often the server began to answer the request. */
  readonly ran: number
}

const apiKey = Redacted.make("sk-failures")

const request: ResponseRequest.ResponseRequest = { model: "m", input: "Hi", store: false }

const code = (...words: ReadonlyArray<string | undefined>) =>
  words.filter((word) => word !== undefined).map((word) => `\`${word}\``).join(" ")

type Failure = ResponsesError.ResponsesError | ConfigError.ConfigError

const ofFailure = (error: Failure): Omit<Seen, "ran"> => {
  if (ConfigError.isConfigError(error)) return { sees: code("ConfigError"), delivery: "" }
  const delivery = "delivery" in error ? error.delivery : "unsent"
  return { sees: code(error._tag, "reason" in error ? error.reason : undefined), delivery: code(delivery) }
}

const ofOpen = ({ reason, recoveries, transport }: Responses.OpenResponse): string =>
  [
    transport === "http" ? "Events over HTTP" : "Events",
    ...recoveries.map(({ _tag }) => code(_tag)),
    ...recoveries.length === 0 && reason?._tag === "NewConnection" ? [code("NewConnection")] : []
  ].join(", ")

/** One request, taken to its end. */
const ask = (asked: ResponseRequest.ResponseRequest = request) =>
  Effect.scoped(
    Effect.flatMap(Responses.open(asked), (response) => Effect.as(Stream.runDrain(response.events), ofOpen(response)))
  )

/** A conversation that is continued after something has happened. */
const goingOn =
  (what: (server: ResponsesServer.Service) => Effect.Effect<unknown>): NonNullable<Situation["act"]> => (server) =>
    Effect.gen(function*() {
      const input = [{ type: "message", role: "user", content: "Hi" }] as const
      const { output } = yield* Responses.create({ ...request, input })
      yield* what(server)
      return yield* ask({ ...request, input: [...input, ...output, ...input] })
    })

/** HTTP served, for that reason. */
const askInstead = (reason: ResponsesError.ConnectionError["reason"]) =>
  Effect.scoped(
    Effect.flatMap(Responses.open(request), (response) => {
      const [recovery] = response.recoveries
      return recovery?.error._tag === "ConnectionError" && recovery.error.reason === reason
        ? Effect.as(Stream.runDrain(response.events), ofOpen(response))
        : Effect.dieMessage(`${reason} was not the reason, but ${recovery?.error.message ?? "nothing"}`)
    })
  )

/** A response that has begun, and that another fiber reads. */
const held = Effect.flatMap(
  Effect.flatMap(Deferred.make<void>(), (begun) =>
    Effect.as(
      Effect.forkScoped(
        Effect.zipRight(
          Effect.tap(Responses.open(request), () => Deferred.succeed(begun, undefined)),
          Effect.never
        )
      ),
      begun
    )),
  Deferred.await
)

/** The only place there is. */
const onePlace = { maxConnections: 1, maxLanes: 1 } as const

interface Situation {
  readonly options?: Partial<NodeResponses.Options>
  readonly upgrades?: ReadonlyArray<Upgrade.Upgrade>
  readonly script?: ResponseScript.Script
  readonly socketOnly?: boolean
  /** Default: one request. */
  readonly act?: (
    server: ResponsesServer.Service
  ) => Effect.Effect<string, ResponsesError.ResponsesError, Responses.Responses | Scope.Scope>
}

const situation = (
  { act = () => ask(), options, script, socketOnly, upgrades }: Situation
): Row["run"] =>
  Effect.gen(function*() {
    const server = yield* ResponsesServer.make({ apiKey, script, upgrades })
    const settings = { apiKey, baseUrl: server.url, reconnect: Schedule.stop, ...options }
    const layer: Layer.Layer<Responses.Responses, ConfigError.ConfigError> = socketOnly === true
      ? NodeResponsesSocket.layer(settings)
      : NodeResponses.layer(settings)
    const seen = yield* act(server).pipe(
      Effect.provide(layer),
      Effect.match({
        onFailure: (error: Failure) => ofFailure(error),
        onSuccess: (sees) => ({ sees, delivery: "" })
      })
    )
    const { abandoned, closed, completed, failed, incomplete } = (yield* server.stats).responses
    return { ...seen, ran: abandoned + closed + completed + failed + incomplete }
  })

const { drop, error, failed, silence, text, turn } = ResponseScript

const long = turn([text("A longer answer, in several pieces")])

/** The program that asks outlives the Layer. */
const closeWhileRunning: Row["run"] = Effect.gen(function*() {
  const server = yield* ResponsesServer.make({ apiKey, script: () => turn([long, silence({ after: 5 })]) })
  const scope = yield* Scope.make()
  const services = yield* Layer.buildWithScope(NodeResponses.layer({ apiKey, baseUrl: server.url }), scope)
  const response = yield* Effect.provide(Responses.open(request), services)
  const fiber = yield* Effect.fork(Stream.runDrain(Stream.drop(response.events, 4)))
  yield* Effect.yieldNow()
  yield* Scope.close(scope, Exit.void)
  return { ...ofFailure(yield* Effect.flip(Fiber.join(fiber))), ran: 1 }
})

/** The Layer is provided to the effect that makes the conversation. */
const useAfterClose: Row["run"] = Effect.gen(function*() {
  const server = yield* ResponsesServer.make({ apiKey })
  const layer = NodeResponses.layer({ apiKey, baseUrl: server.url })
  const conversation = yield* Effect.provide(Conversation.make({ model: "m" }), layer)
  const error = yield* Effect.flip(Stream.runDrain(conversation.send("Hi")))
  return { ...ofFailure(error), ran: (yield* server.requests).length }
})

export const rows: ReadonlyArray<Row & { readonly ran: number }> = [
  {
    happens: "The request is wrong (empty model, bad `stream_id`, …)",
    does: "Sends nothing",
    sees: "`InvalidRequest`",
    delivery: "`unsent`",
    ran: 0,
    run: situation({ act: () => ask({ ...request, model: "" }) })
  },
  {
    happens: "An option is wrong: the URL, a header, a missing key",
    does: "Builds no Layer",
    sees: "`ConfigError`",
    delivery: "",
    ran: 0,
    run: situation({ options: { baseUrl: "ftp://example.com" } })
  },
  {
    happens: "No connection can be opened: refused, unreachable, no answer in time, closed with 1008 before any answer",
    does:
      "Tries again where that can help, for 15 seconds at the most, then HTTP; HTTP serves at once until the socket is back",
    sees: "Events over HTTP, `FellBack`",
    delivery: "",
    ran: 1,
    run: situation({ upgrades: [Upgrade.refuse(503)] })
  },
  {
    happens: "… with 401 or 403",
    does: "Asks an `apiKey` that is an Effect once more; HTTP would fail too",
    sees: "`ConnectionError` `Refused`",
    delivery: "`unsent`",
    ran: 0,
    run: situation({ upgrades: [Upgrade.refuse(401)] })
  },
  {
    happens:
      "The request is larger than one message may be (15 MiB), or the server closes with 1009 on more than 1 MiB",
    does: "HTTP, for this request; nothing is dialled",
    sees: "Events over HTTP, `FellBack`",
    delivery: "",
    ran: 1,
    run: situation({ act: () => ask({ ...request, input: "x".repeat(15 * 1024 * 1024) }) })
  },
  {
    happens: "The connection is lost while idle, is too old, does not answer a ping, or the key changes",
    does: "Opens a new one, before the next request is sent",
    sees: "Events, `NewConnection`",
    delivery: "",
    ran: 2,
    run: situation({
      act: goingOn((server) => Effect.zipRight(server.disconnect({ code: 1012 }), server.waitFor("ConnectionClosed")))
    })
  },
  {
    happens: "It is lost before the request was sent, or the server says \"60 minutes\" first",
    does: "Sends the request on a new connection, once",
    sees: "Events, `Reconnected`",
    delivery: "",
    ran: 1,
    run: situation({
      script: (_, { index }) =>
        index > 0 ? text("Hello") : error({
          status: 400,
          code: "websocket_connection_limit_reached",
          message: "60 minutes are over"
        })
    })
  },
  {
    happens: "It is lost after the request was sent, and nothing was answered",
    does: "Nothing, as the server may be at work; with `repeat: \"unacknowledged\"` the same as above",
    sees: "`ConnectionError` `Lost`",
    delivery: "`unacknowledged`",
    ran: 1,
    run: situation({ script: () => drop() })
  },
  {
    happens: "It is lost in the middle of the output",
    does: "Nothing: you have seen part of it",
    sees: "`ConnectionError` `Lost`",
    delivery: "`partial`",
    ran: 1,
    run: situation({ script: () => turn([long, drop({ after: 5 })]) })
  },
  {
    happens: "The server forgot the response that was continued, or refuses to continue from it",
    does: "Sends everything, once; after two refusals in a row everything travels for a while",
    sees: "Events, `ResentInFull`",
    delivery: "",
    ran: 2,
    run: situation({ act: goingOn((server) => server.forget("all")) })
  },
  {
    happens: "… and you had named it yourself",
    does: "Nothing: only you have the rest",
    sees: "`PreviousResponseNotFound`",
    delivery: "`unsent`",
    ran: 0,
    run: situation({ act: () => ask({ ...request, previous_response_id: "resp_0" }) })
  },
  {
    happens: "`response.failed`, or an `error` in any shape",
    does: "Keeps the connection, where the server does (`profile`)",
    sees: "`ResponseFailed`",
    delivery: "`partial`",
    ran: 1,
    run: situation({ script: () => turn([long, failed({ code: "server_error", message: "Try again" })]) })
  },
  {
    happens: "A message that is no event",
    does: "Gives the response up, and its connection unless that serves others",
    sees: "`MalformedEvent`",
    delivery: "`partial`",
    ran: 1,
    run: situation({ script: () => turn([long, ResponseScript.badFrame("notJson", { after: 5 })]) })
  },
  {
    happens: "No first event within `firstEventTimeout`",
    does: "Gives the response up, and its connection unless that serves others",
    sees: "`ConnectionError` `FirstEventTimeout`",
    delivery: "`unacknowledged`",
    ran: 1,
    run: situation({ script: () => silence(), options: { firstEventTimeout: "20 millis" } })
  },
  {
    happens: "The socket opens, but three requests in a row have no answer",
    does: "The next request goes over HTTP; after each interval one request tries the socket again",
    sees: "Events over HTTP, `FellBack`",
    delivery: "",
    ran: 4,
    run: situation({
      script: (_, { index }) => index < 3 ? drop() : text("Hello"),
      act: (server) =>
        Effect.replicateEffect(Effect.ignore(ask()), 3).pipe(
          Effect.zipRight(server.waitFor("ResponseEnded", 3)),
          Effect.zipRight(ask())
        )
    })
  },
  {
    happens: "The response puts out more than `maxOutputSize`",
    does: "Gives the response up, and its connection unless that serves others",
    sees: "`ConnectionError` `Overrun`",
    delivery: "`partial`",
    ran: 1,
    run: situation({ script: () => long, options: { maxOutputSize: 300 } })
  },
  {
    happens: "No event, no ping, nothing within `stallTimeout`",
    does: "Gives the response up, and its connection unless that serves others",
    sees: "`ConnectionError` `Stalled`",
    delivery: "`partial`",
    ran: 1,
    run: situation({ script: () => turn([long, silence({ after: 5 })]), options: { stallTimeout: "20 millis" } })
  },
  {
    happens: "No end within `turnTimeout`",
    does: "Gives the response up, and its connection unless that serves others",
    sees: "`ConnectionError` `TurnTimeout`",
    delivery: "`partial`",
    ran: 1,
    run: situation({ script: () => turn([long, silence({ after: 5 })]), options: { turnTimeout: "50 millis" } })
  },
  {
    happens: "Other responses hold every place for longer than `queueTimeout` (`QueueTimeout`)",
    does: "HTTP, for this request",
    sees: "Events over HTTP, `FellBack`",
    delivery: "",
    ran: 2,
    run: situation({
      options: { ...onePlace, queueTimeout: "20 millis" },
      script: (_, { index }) => index > 0 ? text("Hello") : turn([long, silence({ after: 5 })]),
      act: () => Effect.zipRight(held, askInstead("QueueTimeout"))
    })
  },
  {
    happens: "`maxWaiting` requests wait already (`QueueFull`)",
    does: "HTTP, for this request",
    sees: "Events over HTTP, `FellBack`",
    delivery: "",
    ran: 2,
    run: situation({
      options: { ...onePlace, maxWaiting: 1 },
      script: (_, { index }) => index > 0 ? text("Hello") : turn([long, silence({ after: 5 })]),
      act: () =>
        Effect.gen(function*() {
          yield* held
          yield* Effect.forkScoped(ask())
          yield* Effect.yieldNow()
          return yield* askInstead("QueueFull")
        })
    })
  },
  {
    happens: "The fiber that asks holds every place itself, with responses that it does not read (`NoRoom`)",
    does: "HTTP, for this request: it would wait for itself",
    sees: "Events over HTTP, `FellBack`",
    delivery: "",
    ran: 2,
    run: situation({
      options: onePlace,
      script: (_, { index }) => index > 0 ? text("Hello") : turn([long, silence({ after: 5 })]),
      act: () => Effect.zipRight(Responses.open(request), askInstead("NoRoom"))
    })
  },
  {
    happens: "More waits for slow readers than `maxUnread` allows",
    does: "Gives up the response with most of it; the others go on",
    sees: "`ConnectionError` `Overrun`",
    delivery: "`partial`",
    ran: 2,
    run: situation({
      options: { maxConnections: 1, maxUnread: { response: 1024 } },
      script: (_, { index }) =>
        index > 0 ? text("x".repeat(2 ** 21), { chunkSize: 2 ** 21 }) : turn([long, silence({ after: 5 })]),
      act: () => Effect.zipRight(held, ask())
    })
  },
  {
    happens: "You stop listening",
    does: "Closes the connection, which stops the work, unless that serves others; or drains the rest (`onEarlyEnd`)",
    sees: "Events",
    delivery: "",
    ran: 2,
    run: situation({
      script: (_, { index }) => index > 0 ? text("Hello") : turn([long, silence({ after: 5 })]),
      act: () => Effect.zipRight(Effect.scoped(Responses.open(request)), ask())
    })
  },
  {
    happens: "The Layer is closed",
    does: "Ends what runs, closes the socket with 1000",
    sees: "`ConnectionError` `Closed`",
    delivery: "`partial`",
    ran: 1,
    run: closeWhileRunning
  },
  {
    happens: "… and was provided to the effect that made a `Conversation`, which is used after that",
    does: "Sends nothing: provide the Layer to the whole program",
    sees: "`ConnectionError` `Closed`",
    delivery: "`unsent`",
    ran: 0,
    run: useAfterClose
  }
]
