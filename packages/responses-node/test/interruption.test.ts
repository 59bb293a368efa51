/**
 * A caller is interrupted at every step of a turn that the other side can see, and at random ones between them, over real
 * sockets. The next turn works and gets only its own events, and nothing is left on either side.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Upgrade from "effect-responses-server/Upgrade"
import * as ResponseEvent from "effect-responses/ResponseEvent"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import { ConnectionError } from "effect-responses/ResponsesError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as Thorough from "../../responses/test/support/thorough.ts"
import * as NodeResponses from "../src/NodeResponses.ts"
import * as NodeResponsesHttp from "../src/NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"

const apiKey = Redacted.make("sk-interruption")

/** `INTERRUPTIONS=1000 pnpm test` for more. */
const numRuns = Number(process.env["INTERRUPTIONS"] ?? Thorough.amount(40, 12))

const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const { expire, silence, text, turn, wait } = ResponseScript

/** What the server does is the first word that the user says. */
const script: ResponseScript.Script = (_, { input }) => {
  const last = input.at(-1)
  const said = last === undefined ? "" : ResponseItem.text(last)
  const answer = text(answerTo(said), { chunkSize: 3 })
  switch (said.split(" ", 1)[0]) {
    case "mute":
      return turn([silence()])
    case "stuck":
      return turn([answer, silence({ after: 6 })])
    case "slow":
      return turn([wait(1), answer], { deltaDelay: 1 })
    case "old":
      return turn([answer, expire({ after: 0 })])
    default:
      return answer
  }
}

const answerTo = (said: string) => `Answer to ${said}`

/** The last words of the user's, after a conversation that was had. */
const ask = (...said: ReadonlyArray<string>) => ({
  model: "m",
  store: false,
  input: said.flatMap((words, index) => [
    ResponseItem.user(words),
    ...(index === said.length - 1
      ? []
      : [ResponseItem.message("assistant", [{ type: "output_text", text: answerTo(words), annotations: [] }])])
  ])
})

interface Listening {
  readonly onEvent: (event: ResponseEvent.ResponseEvent) => void
  readonly text: () => string
  readonly hasOutput: Deferred.Deferred<void>
  readonly hasEnded: Deferred.Deferred<void>
}

const listening = Effect.gen(function*() {
  const hasOutput = yield* Deferred.make<void>()
  const hasEnded = yield* Deferred.make<void>()
  let all = ""
  const heard: Listening = {
    hasOutput,
    hasEnded,
    text: () => all,
    onEvent: (event) => {
      if (event.type === "response.output_text.delta") all += event.delta
      if (ResponseEvent.isOutput(event)) Deferred.unsafeDone(hasOutput, Effect.void)
      if (ResponseEvent.isEnd(event)) Deferred.unsafeDone(hasEnded, Effect.void)
    }
  }
  return heard
})

type Read = (
  request: ReturnType<typeof ask>,
  listening: Listening
) => Effect.Effect<void, unknown, Responses.Responses>

const reads: Readonly<Record<"stream" | "forEach", Read>> = {
  stream: (request, { onEvent }) =>
    Stream.runForEach(Responses.stream(request), (event) => Effect.sync(() => onEvent(event))),
  forEach: (request, { onEvent }) => Responses.forEach(request, onEvent)
}

interface Transport {
  readonly layer: (options: NodeResponses.Options) => Layer.Layer<Responses.Responses, unknown>
  readonly onEarlyEnd?: "drain"
  /** Upgrades are refused, so that HTTP serves. */
  readonly refused?: true
  readonly isSocket: boolean
}

/** One response at a time, so that others wait. */
const oneAtATime = { maxConnections: 1, maxLanes: 1 } as const

const transports: Readonly<Record<string, Transport>> = {
  "a WebSocket": { layer: NodeResponsesSocket.layer, isSocket: true },
  "a WebSocket that is drained": { layer: NodeResponsesSocket.layer, onEarlyEnd: "drain", isSocket: true },
  "HTTP": { layer: NodeResponsesHttp.layer, isSocket: false },
  "HTTP behind a WebSocket": { layer: NodeResponses.layer, refused: true, isSocket: false }
}

interface Stage {
  readonly server: ResponsesServer.Service
  readonly read: Read
  /** Begins a turn. */
  readonly begin: (
    ...said: ReadonlyArray<string>
  ) => Effect.Effect<{ readonly heard: Listening; readonly fiber: Fiber.RuntimeFiber<void, unknown> }>
  /** A whole turn, which must be answered. */
  readonly serve: (...said: ReadonlyArray<string>) => Effect.Effect<void>
  readonly close: Effect.Effect<void>
  /** Requests that the server got so far. */
  readonly received: Effect.Effect<number>
}

/**
 * A connection that is too old ends for all who run on it. Whether the server has begun with a request beside the one that was left
 * there is not known, so it is the caller's to ask again.
 */
const isExpiredBeside = (error: unknown): boolean =>
  error instanceof ConnectionError && error.reason === "Expired" && error.delivery === "unacknowledged"

/** Runs a course on a server and a Layer of its own, and looks for what is left of it. */
const onStage = (
  transport: Transport,
  read: Read,
  course: (stage: Stage) => Effect.Effect<void, unknown, Scope.Scope>,
  options: Partial<NodeResponses.Options> = {}
) =>
  Effect.gen(function*() {
    const server = yield* ResponsesServer.make({ apiKey, script })
    if (transport.refused === true) yield* server.refuseUpgrades({ status: 426 })
    const supervisor = yield* Supervisor.track
    const scope = yield* Scope.make()
    yield* Effect.gen(function*() {
      const context = yield* Layer.buildWithScope(
        transport.layer({
          apiKey,
          baseUrl: server.url,
          reconnect: Schedule.stop,
          recycle: Schedule.stop,
          onEarlyEnd: transport.onEarlyEnd,
          probe: { first: 0 },
          ...options
        }),
        scope
      )
      const asked = (said: ReadonlyArray<string>, heard: Listening) =>
        Effect.provide(read(ask(...said), heard), context)
      yield* course({
        server,
        read,
        begin: (...said) =>
          Effect.gen(function*() {
            const heard = yield* listening
            return { heard, fiber: yield* Effect.fork(asked(said, heard)) }
          }),
        serve: (...said) =>
          Effect.gen(function*() {
            const heard = yield* listening
            yield* asked(said, heard).pipe(Effect.retry({ times: 1, while: isExpiredBeside }), Effect.orDie)
            assert.strictEqual(heard.text(), answerTo(said.at(-1) ?? ""))
          }),
        close: Scope.close(scope, Exit.void),
        received: Effect.map(server.requests, (requests) => requests.length)
      })
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.scoped, Effect.supervised(supervisor))
    const isLeft = Effect.gen(function*() {
      const { connections, inFlight, queued } = yield* server.stats
      const fibers = yield* supervisor.value
      return { connections: connections.open, inFlight, queued, fibers: fibers.map((fiber) => String(fiber.id())) }
    })
    const nothing = { connections: 0, inFlight: 0, queued: 0, fibers: [] }
    const left = yield* Effect.iterate({ turns: 2000, left: yield* isLeft }, {
      while: ({ left, turns }) => turns > 0 && left.connections + left.inFlight + left.queued + left.fibers.length > 0,
      body: ({ turns }) => Effect.zipRight(eventLoopTurn, Effect.map(isLeft, (left) => ({ turns: turns - 1, left })))
    })
    assert.deepStrictEqual({ ...left.left, fibers: [...left.left.fibers] }, { ...nothing, fibers: [] })
  }).pipe(Effect.scoped)

const interrupted = (fiber: Fiber.RuntimeFiber<void, unknown>) =>
  Effect.map(Fiber.interrupt(fiber), (exit) => assert.isTrue(Exit.isInterrupted(exit), String(exit)))

/** The server got so many more requests. */
const arrived = ({ received, server }: Stage, more: number) =>
  Effect.map(received, (before) => Effect.asVoid(server.waitFor("RequestReceived", before + more)))

type Step = (stage: Stage) => Effect.Effect<void, unknown, Scope.Scope>

const everywhere: Readonly<Record<string, Step>> = {
  "before its first step": (stage) =>
    Effect.flatMap(stage.begin("hello"), ({ fiber }) => Effect.asVoid(Fiber.interrupt(fiber))),
  "once the server has the request": (stage) =>
    Effect.gen(function*() {
      const there = yield* arrived(stage, 1)
      const { fiber } = yield* stage.begin("mute")
      yield* there
      yield* interrupted(fiber)
    }),
  "in the middle": (stage) =>
    Effect.gen(function*() {
      const { fiber, heard } = yield* stage.begin("stuck")
      yield* Deferred.await(heard.hasOutput)
      yield* interrupted(fiber)
    }),
  "right after the last event": (stage) =>
    Effect.gen(function*() {
      const { fiber, heard } = yield* stage.begin("hello")
      yield* Deferred.await(heard.hasEnded)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(heard.text(), answerTo("hello"))
    })
}

const whileOthers = "while others have their turn"

const onSockets: Readonly<Record<string, Step>> = {
  [whileOthers]: (stage) =>
    Effect.gen(function*() {
      const there = yield* arrived(stage, 1)
      const first = yield* stage.begin("mute")
      yield* there
      const waiting = yield* stage.begin("hello")
      yield* Effect.repeatN(eventLoopTurn, 3)
      yield* interrupted(waiting.fiber)
      assert.strictEqual(waiting.heard.text(), "")
      yield* interrupted(first.fiber)
    }),
  "beside others that go on": (stage) =>
    Effect.gen(function*() {
      const other = yield* stage.begin("stuck")
      yield* Deferred.await(other.heard.hasOutput)
      const { fiber, heard } = yield* stage.begin("stuck")
      yield* Deferred.await(heard.hasOutput)
      yield* interrupted(fiber)
      yield* stage.serve("beside")
      assert.deepInclude(yield* stage.server.connections, { opened: 1, open: 1 })
      assert.isTrue(Option.isNone(yield* Fiber.poll(other.fiber)))
      yield* interrupted(other.fiber)
    }),
  "while it connects": ({ begin, server }) =>
    Effect.gen(function*() {
      yield* server.disconnect("cut")
      yield* server.waitFor("ConnectionClosed", (yield* server.connections).opened)
      // The client hears of it later.
      yield* Effect.repeatN(eventLoopTurn, 50)
      yield* server.onUpgrade(Upgrade.stall, { times: 1 })
      const { fiber } = yield* begin("hello")
      yield* server.waitFor("ConnectionRefused")
      yield* interrupted(fiber)
    }),
  "while it connects anew": ({ begin, server }) =>
    Effect.gen(function*() {
      yield* server.onUpgrade(Upgrade.stall, { times: 1 })
      const { fiber } = yield* begin("old")
      yield* server.waitFor("ConnectionRefused")
      yield* interrupted(fiber)
    }),
  "once it was sent again in full": (stage) =>
    Effect.gen(function*() {
      yield* stage.serve("hello")
      yield* stage.server.forget("all")
      const there = yield* arrived(stage, 2)
      const { fiber } = yield* stage.begin("hello", "mute")
      yield* there
      yield* interrupted(fiber)
    })
}

describe("a caller that is interrupted", () => {
  for (const [name, transport] of Object.entries(transports)) {
    for (const kind of ["stream", "forEach"] as const) {
      const steps = transport.isSocket ? { ...everywhere, ...onSockets } : everywhere
      for (const [when, step] of Object.entries(steps)) {
        // What is drained must come to an end.
        if (transport.onEarlyEnd === "drain" && /request|middle|others|again/.test(when)) continue
        it.scopedLive(
          `${when} on ${name}, read by ${kind}`,
          () =>
            onStage(transport, reads[kind], (stage) =>
              Effect.gen(function*() {
                yield* stage.serve("before")
                yield* step(stage)
                yield* stage.serve("next")
                assert.isAtMost((yield* stage.server.connections).open, transport.isSocket ? 1 : 0)
                yield* stage.serve("after the next")
              }), when === whileOthers ? oneAtATime : {}),
          30_000
        )
      }

      it.scopedLive(
        `while the Layer is closed, on ${name}, read by ${kind}`,
        () =>
          onStage(transport, reads[kind], (stage) =>
            Effect.gen(function*() {
              const { fiber, heard } = yield* stage.begin("stuck")
              yield* Deferred.await(heard.hasOutput)
              const closing = yield* Effect.fork(stage.close)
              yield* Fiber.interrupt(fiber)
              yield* Fiber.join(closing)
            })),
        30_000
      )

      it.scopedLive(
        `anywhere, on ${name}, read by ${kind}`,
        () =>
          onStage(transport, reads[kind], (stage) =>
            Effect.gen(function*() {
              const moments = FastCheck.sample(
                FastCheck.record({
                  said: FastCheck.constantFrom("hello", "slow", "old"),
                  turns: FastCheck.nat(25),
                  yields: FastCheck.nat(40)
                }),
                { numRuns, seed: 7 }
              )
              for (const [index, { said, turns, yields }] of moments.entries()) {
                const { fiber, heard } = yield* stage.begin(`${said} ${index}`)
                for (let left = turns; left > 0; left--) yield* eventLoopTurn
                for (let left = yields; left > 0; left--) yield* Effect.yieldNow()
                yield* Fiber.interrupt(fiber)
                assert.isTrue(answerTo(`${said} ${index}`).startsWith(heard.text()), heard.text())
                yield* stage.serve(`next ${index}`)
                const { open } = yield* stage.server.connections
                assert.isAtMost(open, 2)
              }
            })),
        60_000
      )
    }
  }
})
