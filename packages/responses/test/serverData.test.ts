/**
 * Whatever a server sends: no public function that takes an event, an item or a response throws, none gives a defect, and
 * each gives what its type says.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Duration,
  Effect,
  Either,
  Exit,
  Fiber,
  Inspectable,
  Option,
  Schema,
  Stream,
  TestClock,
  type Tracer
} from "effect"
import * as Connector from "../src/Connector.ts"
import * as PublicContinuation from "../src/Continuation.ts"
import * as Conversation from "../src/Conversation.ts"
import type * as ConversationError from "../src/ConversationError.ts"
import * as ConversationEvent from "../src/ConversationEvent.ts"
import * as EffectResponses from "../src/index.ts"
import * as Continuation from "../src/internal/compare/continuation.ts"
import * as Rule from "../src/internal/compare/rule.ts"
import * as wireError from "../src/internal/wire/wireError.ts"
import * as ResponseEvent from "../src/ResponseEvent.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponseRequest from "../src/ResponseRequest.ts"
import * as Responses from "../src/Responses.ts"
import * as ResponseScript from "../src/ResponseScript.ts"
import * as ResponsesError from "../src/ResponsesError.ts"
import * as ResponsesFetch from "../src/ResponsesFetch.ts"
import * as ResponsesTelemetry from "../src/ResponsesTelemetry.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"
import * as UnstableContinuation from "../src/unstable/Continuation.ts"
import * as UnstableEndpoint from "../src/unstable/Endpoint.ts"
import * as ResponseSteps from "../src/unstable/ResponseSteps.ts"
import * as UnstableTimeouts from "../src/unstable/Timeouts.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as ServerFrames from "./support/serverFrames.ts"
import * as Thorough from "./support/thorough.ts"
import { transports } from "./support/transports.ts"

/** What came in one frame. */
interface Given {
  readonly frame: string
  /** `undefined`: the frame is no event. */
  readonly event: ResponseEvent.ServerEvent | undefined
  readonly response: ResponseEvent.Response | undefined
  /** The items of the event, and one of a frame of its own, as a caller echoes them. */
  readonly items: ReadonlyArray<ResponseItem.ResponseItem>
  readonly error: ResponsesError.ResponsesError
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const give = (frame: string, itemText: string): Given => {
  const event = Either.getOrUndefined(ResponseEvent.decode(frame, "partial"))
  const found: Readonly<Record<string, unknown>> = { ...event }
  const { item, response } = found
  const output = isRecord(response) && Array.isArray(response["output"]) ? response["output"] : []
  return {
    frame,
    event,
    response: event !== undefined && !ResponseEvent.isFailure(event) && "response" in event &&
        Schema.is(ResponseEvent.Response)(response)
      ? response
      : undefined,
    items: [...output, item, JSON.parse(itemText)].filter(isRecord) as unknown as Given["items"],
    error: wireError.fromFrame({ ...event }, { delivery: "partial" })
  }
}

type Check = (given: Given) => void

type Table = Readonly<Record<string, Readonly<Record<string, Check>>>>

const ofEvent = (check: (event: ResponseEvent.ServerEvent) => void): Check => ({ event }) => {
  if (event !== undefined) check(event)
}

const judges = (is: (event: ResponseEvent.ServerEvent) => boolean): Check =>
  ofEvent((event) => assert.isBoolean(is(event)))

/** Decodes to the very value, or says why not. */
const decodes = <A>(schema: Schema.Schema<A>): Check => ({ frame }) => {
  const value = Either.getOrUndefined(Either.try((): unknown => JSON.parse(frame)))
  for (const one of [value, isRecord(value) ? value["response"] : undefined]) {
    const decoded = Schema.decodeUnknownEither(schema)(one)
    if (Either.isRight(decoded)) assert.strictEqual(decoded.right, one)
    else assert.isAbove(decoded.left.message.length, 0)
  }
}

const isText = (value: unknown) => assert.isString(value)

const requests = ({ items }: Given): ReadonlyArray<ResponseRequest.ResponseRequest> => [
  { model: "m", input: items },
  { model: "m", input: [ResponseItem.user("a"), ...items, ResponseItem.user("b")], previous_response_id: "resp_1" }
]

const encodes =
  (encode: (request: ResponseRequest.ResponseRequest) => Either.Either<unknown, unknown>): Check => (given) => {
    for (const request of requests(given)) {
      const encoded = encode(request)
      if (Either.isLeft(encoded)) assert.instanceOf(encoded.left, ResponsesError.InvalidRequest)
    }
  }

const context = (given: Given, script: ResponseScript.Script): ResponseScript.Context => ({
  request: { model: "m", input: given.items },
  responseId: "resp_1",
  createdAt: 0,
  index: Array.isArray(script) ? 0 : 1,
  input: given.items,
  cached: 1
})

const script: ResponseScript.Script = [ResponseScript.text("Hello")]

const spanWith = (annotate: (span: Tracer.Span) => void): void => {
  const attributes = new Map<string, unknown>()
  annotate({ attribute: (name: string, value: unknown) => attributes.set(name, value) } as unknown as Tracer.Span)
  for (const value of attributes.values()) {
    assert.isTrue(typeof value === "string" ? value.length <= 256 : Number.isFinite(value))
  }
}

const sending: ResponsesTelemetry.Sending = {
  transport: "websocket",
  input: "full",
  bytesSent: 1,
  bytesSaved: 0,
  queued: Duration.zero,
  firstEvent: Duration.zero,
  recoveries: []
}

const isPlan = (plan: Continuation.Plan): void => assert.include(["Delta", "Full"], plan._tag)

/** As a transport does, turn after turn: the response with its output becomes the head that a longer history goes on from. */
const chains = (rule: Continuation.Rule): Check => ({ items, response }) => {
  const asked = { model: "m", input: items }
  const head = rule.commit(rule.plan([], asked), { response: response ?? { id: "resp_1" }, output: items })
  const heads = head === undefined ? [] : [head]
  isPlan(rule.plan(heads, { model: "m", input: [...items, ...items, ResponseItem.user("b")] }))
  isPlan(rule.plan(heads, { model: "m", input: items.toReversed() }))
}

const lookAt = Schema.Struct({ at: Schema.String })
const tools = [
  ResponseTool.make({
    name: "look",
    parameters: lookAt,
    needsApproval: ({ at }) => at.length > 9,
    handler: ({ at }) => Effect.succeed(at)
  }),
  ResponseTool.custom({ name: "grep", needsApproval: true, handler: (input) => Effect.succeed(input) })
]

const isCall = (item: ResponseItem.ResponseItem): item is ResponseTool.Call =>
  item.type === "function_call" || item.type === "custom_tool_call"

const answers =
  (answer: (call: ResponseTool.Call) => Effect.Effect<unknown, ResponseTool.ToolFailed>): Check => ({ items }) => {
    for (const call of items.filter(isCall)) {
      const exit = Effect.runSyncExit(answer(call))
      if (Exit.isSuccess(exit)) continue
      const error = Option.getOrThrowWith(Cause.failureOption(exit.cause), () => new Error(Cause.pretty(exit.cause)))
      assert.strictEqual(error._tag, "ToolFailed")
      isText(error.message)
    }
  }

/** All functions that take what a server sent, by the module that exports them. */
const total: Table = {
  Connector: {
    refused: ({ event, frame }) => {
      const headers: unknown = isRecord(event) ? event["headers"] : undefined
      const error = Connector.refused({
        status: 429,
        headers: isRecord(headers) ? headers as Readonly<Record<string, string>> : {},
        body: frame
      })
      isText(error.message)
      ResponsesFetch.toAnswer(error)
    }
  },
  Continuation: {
    automatic: chains(Rule.of(PublicContinuation.automatic)),
    off: chains(Rule.of(PublicContinuation.off))
  },
  "unstable/Continuation": {
    plan: (given) => {
      for (const request of requests(given)) isPlan(UnstableContinuation.plan(undefined, request))
    },
    commit: chains({ plan: Continuation.planFrom, commit: UnstableContinuation.commit }),
    full: (given) => {
      for (const request of requests(given)) isPlan(UnstableContinuation.full(request, { _tag: "Off" }))
    }
  },
  ResponseTool: {
    make: answers((call) => Effect.mapError(tools[0]!.handle(call), (error) => error)),
    custom: answers((call) => tools[1]!.handle(call)),
    run: answers((call) => ResponseTool.run(tools, call)),
    answer: answers((call) => ResponseTool.answer(tools, call, "fail")),
    needsApproval: answers((call) => ResponseTool.needsApproval(tools, call)),
    output: answers((call) => Effect.sync(() => ResponseTool.output(call, "")))
  },
  ConversationEvent: { isConversationEvent: judges(ConversationEvent.isConversationEvent) },
  ResponseEvent: {
    Response: decodes(ResponseEvent.Response),
    ResponseEvent: decodes(ResponseEvent.ResponseEvent),
    read: ({ event, frame }) => {
      const read = ResponseEvent.read(frame)
      if (event === undefined) isText(read)
      else assert.isTrue(isRecord(read))
    },
    decode: ({ frame }) => {
      const decoded = ResponseEvent.decode(frame, "partial")
      if (Either.isLeft(decoded)) assert.isAbove(decoded.left.message.length, 0)
    },
    isFailure: judges(ResponseEvent.isFailure),
    isEnd: judges(ResponseEvent.isEnd),
    isTerminal: judges(ResponseEvent.isTerminal),
    isOutput: judges(ResponseEvent.isOutput),
    isUnknown: judges((event) => ResponseEvent.isFailure(event) || ResponseEvent.isUnknown(event)),
    responseId: ofEvent((event) => {
      const id = ResponseEvent.responseId(event)
      assert.isTrue(id === undefined || (typeof id === "string" && id !== ""))
    })
  },
  Conversation: {
    lastTurns: ({ items }) => assert.isAtMost(Conversation.lastTurns(1)(items).length, items.length)
  },
  ResponseItem: {
    ResponseItem: decodes(ResponseItem.ResponseItem),
    text: ({ items, response }) => {
      for (const item of [...items, ...response?.output ?? []]) isText(ResponseItem.text(item))
    }
  },
  ResponseRequest: {
    items: (given) => {
      for (const request of requests(given)) assert.strictEqual(ResponseRequest.items(request), request.input)
    },
    validate: encodes(ResponseRequest.validate),
    toFrame: encodes(ResponseRequest.toFrame),
    toBody: encodes(ResponseRequest.toBody)
  },
  "unstable/ResponseSteps": {
    pick: (given) => assert.isDefined(ResponseSteps.pick(script, context(given, script))),
    steps: (given) =>
      assert.isAbove(ResponseSteps.steps(ResponseScript.text("Hello"), context(given, script)).length, 3)
  },
  ResponsesError: {
    isUnsent: ({ error }) => assert.isBoolean(ResponsesError.isUnsent(error)),
    canFallBack: ({ error }) => assert.isBoolean(ResponsesError.canFallBack(error)),
    ConnectionError: ({ error }) => isText(error.message),
    PreviousResponseNotFound: ({ error }) => isText(String(error)),
    ResponseFailed: ({ error }) => {
      if (error._tag === "ResponseFailed") assert.isBoolean(error.retryable)
      isText(JSON.stringify(error))
    },
    MalformedEvent: ({ frame }) => {
      const decoded = ResponseEvent.decode(frame, "partial")
      if (Either.isLeft(decoded)) isText(Inspectable.toStringUnknown(decoded.left))
    }
  },
  ResponsesFetch: {
    toAnswer: ({ error }) => {
      const answer = ResponsesFetch.toAnswer(error)
      if (answer !== undefined) assert.isFalse(new Response(answer.body, answer).ok)
    }
  },
  ResponsesTelemetry: {
    annotateOpen: ofEvent((event) =>
      spanWith((span) => ResponsesTelemetry.annotateOpen(span, { ...sending, id: ResponseEvent.responseId(event) }))
    ),
    annotateEnd: ({ response }) => {
      if (response !== undefined) spanWith((span) => ResponsesTelemetry.annotateEnd(span, response))
    }
  }
}

/** They take it by way of a transport: see below, and `Conversation.calls.test.ts`. */
const overTransports: Readonly<Record<string, ReadonlyArray<string>>> = {
  Responses: ["open", "stream", "forEach", "collect", "create", "warmUp", "retry"],
  ResponsesRetry: ["retry"],
  ResponsesTest: ["make", "layer"],
  ResponsesFetch: ["make"],
  ResponsesSocket: ["make", "layer", "layerConfig"],
  ResponsesHttp: ["make", "layer", "layerConfig"],
  ResponsesFallback: ["make", "layer"],
  Conversation: ["make"]
}

/** Builders of turns: they take what a program writes. */
const builders = [
  "item text message refusal toolCall customToolCall reasoning raw events wait completed incomplete failed error",
  "silence close drop unfinished badFrame forget expire pings turn"
].join(" ").split(" ")

/** What is exported: to users, and to sister packages. */
const modules: Readonly<Record<string, object>> = {
  ...EffectResponses,
  "unstable/Continuation": UnstableContinuation,
  "unstable/Endpoint": UnstableEndpoint,
  "unstable/ResponseSteps": ResponseSteps,
  "unstable/Timeouts": UnstableTimeouts
}

/** They take nothing that a server sent. */
const none: Readonly<Record<string, ReadonlyArray<string>>> = {
  Connector: ["Connector", "unreachable"],
  Continuation: ["TypeId"],
  Profile: ["openAi", "azure", "strict", "xAi", "validate"],
  ResponseItem: [
    "message",
    "user",
    "functionCallOutput",
    "mcpApprovalResponse",
    "configurationUpdate",
    "compactionTrigger",
    "unknown"
  ],
  ResponseScript: builders,
  Responses: ["Responses", "orElse"],
  ResponsesError: ["Delivery", "InvalidRequest"],
  ResponsesFallback: ["ResponsesFallback"],
  ResponsesSocket: ["ResponsesSocket", "layerMetrics", "recycleBefore", "defaultReconnect"],
  ResponsesTest: ["ResponsesTest", ...builders],
  ResponsesMetrics: ["connections", "running", "waiting", "affineHits", "forks", "headsLost", "overruns", "watch"],
  ResponsesTelemetry: [
    "responses",
    "bytesSent",
    "bytesSaved",
    "recoveries",
    "fallback",
    "probes",
    "queued",
    "firstEvent",
    "count",
    "measures",
    "spanName",
    "requestAttributes"
  ],
  Conversation: ["open"],
  ConversationApproval: ["Approval"],
  ConversationError: [
    "TooManyRounds",
    "BudgetSpent",
    "PendingRound",
    "ApprovalRequired",
    "ApprovalNotPending",
    "ConversationTaken",
    "JournalFailed"
  ],
  ConversationJournal: [
    "ConversationJournal",
    "Entry",
    "makeMemory",
    "layerMemory",
    "makeFile",
    "layerFile"
  ],
  ResponseTool: ["ToolFailed", "InvalidTool", "definitions", "parameters"],
  ResponseToolError: ["ToolFailed", "InvalidTool"],
  "unstable/Continuation": ["make"],
  "unstable/Endpoint": ["fromConfig", "urls"],
  "unstable/Timeouts": ["positive"]
}

describe("what a server sends", () => {
  const checks = Object.entries(total).flatMap(([module, functions]) =>
    Object.entries(functions).map(([name, check]) => [`${module}.${name}`, check] as const)
  )

  const keepalive = "{\"type\":\"keepalive\"}"
  /** What chance found only after some hundred runs. */
  const odd: Array<[frame: string, item: string]> = [
    [keepalive, "{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":{\"toString\":1},\"input\":\"a\"}"]
  ]

  // The texts, as what is read of them may be too deep to be shown.
  it.prop("makes no function throw", [ServerFrames.frame, ServerFrames.item], ([frame, item]) => {
    const given = give(frame, item)
    for (const [name, check] of checks) {
      try {
        check(given)
      } catch (cause) {
        throw new Error(name, { cause })
      }
    }
  }, { fastCheck: { numRuns: Thorough.amount(120, 40), examples: odd } })

  it("is given to every function that takes it", () => {
    const judged = (module: string): ReadonlyArray<string> => [
      ...Object.keys(total[module] ?? {}),
      ...overTransports[module] ?? [],
      ...none[module] ?? []
    ]
    const forgotten = Object.entries(modules).flatMap(([module, functions]) =>
      Object.keys(functions).filter((name) => !judged(module).includes(name)).map((name) => `${module}.${name}`)
    )
    assert.deepStrictEqual(forgotten, [])
  })
})

const request = { model: "m", input: "hi" }

/** With the parts of what they give that a program looks at first. */
const ways: Readonly<Record<string, Effect.Effect<unknown, ResponsesError.ResponsesError, Responses.Responses>>> = {
  create: Effect.map(Responses.create(request), ({ id, output }) => {
    isText(id)
    for (const item of output) isText(ResponseItem.text(item))
  }),
  stream: Stream.runForEach(Responses.stream(request), (event) => Effect.sync(() => isText(event.type))),
  forEach: Responses.forEach(request, (event) => isText(event.type)),
  "open and collect": Effect.scoped(Effect.flatMap(Responses.open(request), Responses.collect)),
  warmUp: Effect.map(Responses.warmUp(request), isText)
}

/** Ended well or with a failure of ours that can be shown, by the library as far as it did end. */
const check = (exit: Exit.Exit<unknown, ResponsesError.ResponsesError>): void => {
  if (Exit.isSuccess(exit)) return
  const error = Option.getOrThrowWith(Cause.failureOption(exit.cause), () => new Error(Cause.pretty(exit.cause)))
  assert.isAbove(error.message.length, 0)
}

describe("a request that is answered with anything", () => {
  for (const [name, way] of Object.entries(ways)) {
    it.scoped.prop(
      `over a socket: ${name}`,
      [ServerFrames.frames],
      ([frames]) =>
        Effect.flatMap(FakeServer.make, (server) =>
          Effect.gen(function*() {
            const asked = yield* Effect.fork(Effect.exit(way))
            const connection = yield* server.connection
            yield* connection.request
            yield* connection.send(...frames)
            // What has not ended by then has stalled.
            yield* TestClock.adjust("2 minutes")
            check(yield* Fiber.join(asked))

            const next = yield* Effect.fork(Responses.create(request))
            yield* TestClock.adjust("1 second")
            const again = connection.isClosed() ? yield* server.connection : connection
            yield* again.request
            yield* again.send(...FakeServer.answer("resp_next"))
            assert.strictEqual((yield* Fiber.join(next)).id, "resp_next")
          }).pipe(Effect.provide(server.layer({ stallTimeout: "1 minute", firstEventTimeout: "1 minute" })))),
      {
        fastCheck: { numRuns: Thorough.amount(12, 4) }
      }
    )
  }

  for (const [transport, make] of transports.filter(([name]) => name !== "socket")) {
    for (const [name, way] of Object.entries(ways)) {
      // Sent over a socket only.
      if (name === "warmUp") continue
      it.effect.prop(`over ${transport}: ${name}`, [ServerFrames.frames], ([frames]) =>
        Effect.gen(function*() {
          check(yield* Effect.exit(way))
          assert.isString((yield* Responses.create(request)).id)
        }).pipe(Effect.provide(make([ResponseScript.raw(frames), ResponseScript.text("And on")]))), {
        fastCheck: { numRuns: Thorough.amount(6, 3) }
      })
    }
  }
})

describe("a conversation that is answered with anything", () => {
  const tools = [
    ResponseTool.make({ name: "look", parameters: lookAt, handler: ({ at }) => Effect.succeed(at) }),
    ResponseTool.custom({ name: "grep", handler: (input) => Effect.succeed(input) })
  ]
  type Ask = (conversation: Conversation.Conversation) => Stream.Stream<unknown, ResponsesError.ResponsesError | Failed>
  type Failed =
    | ResponseTool.ToolFailed
    | ConversationError.TooManyRounds
    | ConversationError.BudgetSpent
    | ConversationError.PendingRound

  const asks: Readonly<Record<string, Ask>> = {
    send: (conversation) => conversation.send("Hi"),
    run: (conversation) => conversation.run("Hi"),
    "run and resume": (conversation) => Stream.catchAll(conversation.run("Hi"), () => conversation.resume)
  }

  /** `send` leaves calls to its caller. */
  const outputs = (history: ReadonlyArray<ResponseItem.ResponseItem>) =>
    history.filter(isCall).flatMap((call) =>
      history.some((item) => item.type === `${call.type}_output` && "call_id" in item && item.call_id === call.call_id)
        ? []
        : [ResponseTool.output(call, "")]
    )

  for (const [name, ask] of Object.entries(asks)) {
    it.effect.prop(
      `${name}: ends, and the conversation goes on`,
      [ServerFrames.frames],
      ([frames]) =>
        Effect.gen(function*() {
          // A retry would wait for a clock that stands still.
          const conversation = yield* Conversation.make({ model: "m", tools, maxRounds: 3, retry: false })
          const exit = yield* Effect.exit(Stream.runDrain(ask(conversation)))
          if (Exit.isFailure(exit)) {
            assert.isTrue(Option.isSome(Cause.failureOption(exit.cause)), Cause.pretty(exit.cause))
          }
          const before = yield* conversation.history
          yield* Stream.runDrain(conversation.send([...outputs(before), ResponseItem.user("And?")]))
          const history = yield* conversation.history
          assert.isString(JSON.stringify(history))
          assert.strictEqual(ResponseItem.text(history.at(-1)!), "And on")
        }).pipe(Effect.provide(ResponsesTest.layer((request) => {
          const last = ResponseRequest.items(request).at(-1)
          return last !== undefined && ResponseItem.text(last) === "And?"
            ? ResponseScript.text("And on")
            : ResponseScript.raw(frames)
        }))),
      { fastCheck: { numRuns: Thorough.amount(20, 7) } }
    )
  }
})

interface Message {
  readonly event: string | undefined
  readonly data: { readonly type?: string }
}

/** Half of a surrogate pair has no bytes. */
const encoded = (text: string | undefined) => new TextDecoder().decode(new TextEncoder().encode(text))

const isLine = (line: string): boolean => /^(?:event|data): /.test(line)

/** Each message has one event, and nothing but the lines for it. */
const messages = (body: string): ReadonlyArray<Message> =>
  body.split("\n\n").slice(0, -1).map((message) => {
    const lines = message.split(/\r\n|\r|\n/)
    assert.isTrue(lines.every(isLine))
    const data = lines.filter((line) => line.startsWith("data: "))
    assert.strictEqual(data.length, 1)
    return {
      event: lines.find((line) => line.startsWith("event: "))?.slice(7),
      data: JSON.parse(data.join("").slice(6))
    }
  })

describe("a fetch that is answered with anything", () => {
  it.scoped.prop(
    "gives events that clients can read, or breaks off as a network does",
    [ServerFrames.frames],
    ([frames]) =>
      Effect.gen(function*() {
        const service = yield* ResponsesTest.make([ResponseScript.raw(frames), ResponseScript.text("And on")])
        const fetch = yield* Effect.provideService(ResponsesFetch.make(), Responses.Responses, service)
        const ask = Effect.tryPromise({
          try: async () => {
            const body = JSON.stringify({ ...request, stream: true })
            const answer = await fetch("https://api.openai.com/v1/responses", { method: "POST", body })
            return { status: answer.status, text: await answer.text() }
          },
          catch: (thrown) => ({ thrown })
        })
        const first = yield* Effect.either(ask)
        if (Either.isLeft(first)) assert.instanceOf(first.left.thrown, TypeError)
        else if (first.right.status !== 200) assert.isDefined(JSON.parse(first.right.text).error.message)
        else {
          const found = messages(first.right.text)
          for (const { data, event } of found) {
            if (event !== undefined) assert.strictEqual(event, encoded(data.type))
          }
          assert.isTrue(found.length > 0)
        }
        const next = yield* ask
        assert.strictEqual(messages(next.text).at(-1)?.data.type, "response.completed")
      }),
    { fastCheck: { numRuns: Thorough.amount(40, 13) } }
  )
})
