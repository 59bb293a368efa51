/**
 * A caller is interrupted at an operation of a turn, one run for each operation: the next turn works and gets only its own events,
 * and nothing is left of the first one. `THOROUGH=1` takes every operation, otherwise it is a sample of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as Tracer from "effect/Tracer"
import * as ResponseEvent from "../src/ResponseEvent.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as Interrupter from "./support/interrupter.ts"
import * as OpenResponse from "./support/openResponse.ts"
import * as Thorough from "./support/thorough.ts"

/** Counts the spans that have not ended. One that ended twice makes it less. */
const makeTracer = () => {
  let openSpans = 0
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      openSpans++
      return {
        _tag: "Span",
        name,
        spanId: name,
        traceId: name,
        parent,
        context,
        links,
        kind,
        sampled: true,
        status: { _tag: "Started", startTime },
        attributes: new Map(),
        attribute: () => {},
        event: () => {},
        addLinks: () => {},
        end: () => {
          openSpans--
        }
      }
    },
    context: (run) => run()
  })
  return { tracer, openSpans: () => openSpans }
}

const rounds = (count: number) => count <= 0 ? Effect.void : Effect.repeatN(Effect.yieldNow(), count - 1)

/** Nothing here takes so many, of those who wait for it. */
const tooMany = 500

/** As the time limit of a test: every wait here ends after so many steps at the latest, on a busy machine too. */
const stepsDecide = Infinity

/** A run is made of microtasks. Between two of them Vitest gets its answers from this process. */
const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** In the background, which is given many steps for it. */
const until = (isSo: () => boolean) =>
  Effect.iterate(0, {
    while: (count) => count < tooMany && !isSo(),
    body: (count) => Effect.as(Effect.yieldNow(), count + 1)
  })

const within = <A, E>(fiber: Fiber.Fiber<A, E>, most: number) =>
  Effect.iterate({ left: most, exit: Option.none<Exit.Exit<A, E>>() }, {
    while: ({ exit, left }) => Option.isNone(exit) && left > 0,
    body: ({ left }) =>
      Effect.zipRight(Effect.yieldNow(), Effect.map(Fiber.poll(fiber), (exit) => ({ left: left - 1, exit })))
  }).pipe(Effect.map(({ exit }) => exit))

const ended = <A, E>(fiber: Fiber.Fiber<A, E>, what: string) =>
  Effect.flatMap(within(fiber, tooMany), Effect.orDieWith(() => new Error(`${what} hangs`)))

const messageOf = (text: string) => ResponseItem.message("assistant", [{ type: "output_text", text, annotations: [] }])

const idOf = (name: string) => `resp_${name}`

const framesOf = (name: string) => [
  FakeServer.created(idOf(name)),
  FakeServer.delta(`${name} begins`),
  FakeServer.delta(`${name} goes on`),
  { type: "response.completed", response: { id: idOf(name), status: "completed", output: [messageOf(name)] } }
]

const ask = (...names: ReadonlyArray<string>): ResponseRequest => ({
  model: "m",
  store: false,
  input: names.flatMap((name, index) => [
    ResponseItem.user(name),
    ...(index < names.length - 1 ? [messageOf(name)] : [])
  ])
})

/** Which turn a request is for, by the last thing that was said. */
const nameOf = (input: unknown): string =>
  /before|turn|next/.exec(JSON.stringify(Array.isArray(input) ? input.at(-1) : input))?.[0] ?? "nobody"

/** What the server does in place of answering. Only the first time that a turn is asked for. */
type Mishap = "expired" | "forgotten" | "closes" | "silent"

const mishaps: Readonly<Record<Mishap, (connection: FakeServer.FakeConnection) => Effect.Effect<void>>> = {
  expired: (connection) =>
    connection.send({ type: "error", status: 400, error: { code: "websocket_connection_limit_reached", message: "" } }),
  forgotten: (connection) =>
    connection.send({ type: "error", status: 400, error: { code: "previous_response_not_found", message: "" } }),
  closes: (connection) => connection.close(1012),
  silent: () => Effect.void
}

/** The network is slow: a caller takes a step or many between two frames. */
const slowness = 12

const serve = (server: FakeServer.FakeServer, planned: ReadonlyMap<string, Mishap>) => {
  const left = new Map(planned)
  const answer = (connection: FakeServer.FakeConnection) =>
    Effect.flatMap(connection.request, (request) =>
      Effect.suspend(() => {
        const name = nameOf(request["input"])
        const mishap = left.get(name)
        left.delete(name)
        if (mishap !== undefined) return Effect.zipRight(rounds(slowness), mishaps[mishap](connection))
        return Effect.forEach(framesOf(name), (frame) => Effect.zipRight(rounds(slowness), connection.send(frame)))
      }))
  return server.connection.pipe(
    Effect.flatMap((connection) => Effect.forkScoped(Effect.forever(answer(connection)))),
    Effect.forever
  )
}

type Read = (request: ResponseRequest) => Effect.Effect<ReadonlyArray<unknown>, unknown, Responses.Responses>

const reads: Readonly<Record<"stream" | "forEach", Read>> = {
  stream: (request) =>
    Stream.runFold(Responses.stream(request), [] as ReadonlyArray<unknown>, (all, event) => [...all, event]),
  forEach: (request) =>
    Effect.suspend(() => {
      const all: Array<ResponseEvent.ResponseEvent> = []
      return Effect.as(Responses.forEach(request, (event) => void all.push(event)), all)
    })
}

const decoded = (name: string): ReadonlyArray<ResponseEvent.ResponseEvent> =>
  framesOf(name).flatMap((frame) => {
    const event = Either.getOrThrow(ResponseEvent.decode(JSON.stringify(frame), "partial"))
    return ResponseEvent.isFailure(event) ? [] : [event]
  })

interface Second {
  readonly service: Responses.Service
  readonly open: () => number
}

/** What stands for HTTP: each response holds something for as long as its scope is open. */
const second = (): Second => {
  let open = 0
  const hold = Effect.acquireRelease(
    Effect.sync(() => open++),
    () => Effect.zipRight(rounds(3), Effect.sync(() => open--))
  )
  return {
    open: () => open,
    service: {
      open: (request) =>
        Effect.gen(function*() {
          yield* hold
          const name = nameOf(request.input)
          return OpenResponse.make("http", Stream.rechunk(Stream.fromIterable(decoded(name)), 1), idOf(name))
        })
    }
  }
}

interface Scene {
  readonly options?: Partial<ResponsesSocket.Options>
  /** What goes wrong with the turn named so. */
  readonly mishaps?: ReadonlyArray<readonly [name: string, Mishap]>
  readonly dials?: ReadonlyArray<FakeServer.Dial>
  readonly before?: Effect.Effect<unknown, unknown, Responses.Responses>
  /** What comes before is not waited for. */
  readonly beside?: true
  readonly request?: ResponseRequest
  /** The request is never taken by the network. */
  readonly hangs?: true
}

const refused = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "No", status: 426 })

const turnOf = (name: string) => reads.stream(ask(name))

/** Left after its first events. */
const leave = (name: string) => Stream.runDrain(Stream.take(Responses.stream(ask(name)), 2))

let keys = 0
const changingKey = Effect.sync(() => Redacted.make(`sk-${keys++}`))

const drain = { onEarlyEnd: "drain" } as const

const scenes: Readonly<Record<string, Scene>> = {
  "on a new connection": {},
  "on a connection that is there": { before: turnOf("before") },
  "and the rest is drained": { options: drain, before: turnOf("before") },
  "while another one has its turn": { before: turnOf("before"), beside: true },
  "while the one before is drained": { options: drain, before: leave("before") },
  "that nobody answers": { mishaps: [["turn", "silent"]] },
  "that is never written": { hangs: true, before: turnOf("before") },
  "that is dialled in vain": { dials: ["never"] },
  "that moves to a new connection": { mishaps: [["turn", "expired"]], before: turnOf("before") },
  "that is repeated": { mishaps: [["turn", "closes"]], options: { repeat: "unacknowledged" } },
  "that is sent again in full": {
    mishaps: [["turn", "forgotten"]],
    before: turnOf("before"),
    request: ask("before", "turn")
  },
  "that falls back": { dials: [refused] },
  "that falls back once it was sent": { mishaps: [["turn", "expired"]], dials: ["accept", refused] },
  "with a key that changed": {
    before: turnOf("before"),
    options: { apiKey: changingKey }
  }
}

/** One run. Gives how many operations the turn had until it ended, or could not go on. */
const interruptedAt = (scene: Scene, read: Read, operation: number) =>
  Effect.gen(function*() {
    yield* eventLoopTurn
    const server = yield* FakeServer.make
    server.plan(...(scene.dials ?? []))
    yield* Effect.forkScoped(serve(server, new Map(scene.mishaps)))
    const http = second()
    const { openSpans, tracer } = makeTracer()
    const scope = yield* Scope.make()
    const { count, scheduler } = Interrupter.make(operation)

    const course = Effect.gen(function*() {
      const context = yield* Layer.buildWithScope(server.layer(scene.options), scope)
      const service = Responses.orElse(Context.get(context, Responses.Responses), http.service)
      const provided = Effect.provideService(Responses.Responses, service)

      const before = yield* Effect.fork(provided(scene.before ?? Effect.void))
      if (scene.beside === true) yield* rounds(3)
      else yield* ended(before, "the turn before")
      if (scene.hangs === true) yield* server.hangSend

      const turn = yield* Effect.fork(
        provided(read(scene.request ?? ask("turn"))).pipe(
          Effect.withTracer(tracer),
          Effect.withScheduler(scheduler)
        )
      )
      const exit = yield* Option.match(yield* within(turn, tooMany), {
        onNone: () =>
          Effect.flatMap(Effect.fork(Fiber.interrupt(turn)), (fiber) => Effect.flatten(ended(fiber, "interrupting"))),
        onSome: Effect.succeed
      })
      // An interruption can come too late; a failure would be another thing.
      if (Exit.isFailure(exit)) assert.isTrue(Exit.isInterrupted(exit), `ended with ${String(exit)}`)
      else assert.deepStrictEqual(exit.value, framesOf("turn"))
      assert.isTrue(Exit.isSuccess(yield* ended(before, "the turn beside")), "the turn beside failed")

      let isInStore = scene.hangs === true || scene.dials?.includes("never") === true
      // The second one, because the first may fall back in the place of the one that was interrupted.
      for (const what of ["the next turn", "the turn after the next"]) {
        const next = yield* Effect.fork(provided(read(ask("next"))))
        const exit = yield* within(next, tooMany)
        // What was to go wrong may still be in store.
        if (Option.isNone(exit) && isInStore) {
          isInStore = false
          yield* ended(yield* Effect.fork(Fiber.interrupt(next)), "interrupting the next turn")
        } else assert.deepStrictEqual(yield* Effect.flatten(ended(next, what)), framesOf("next"))
      }
      yield* until(() => server.open() === 1)
      assert.strictEqual(server.open(), 1, "connections")
      assert.strictEqual(http.open(), 0, "responses over HTTP")
      assert.strictEqual(openSpans(), 0, "spans")

      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* ended(closing, "closing the Layer")
      assert.strictEqual(server.open(), 0, "connections of a closed Layer")
    })

    const supervisor = yield* Supervisor.track
    yield* Effect.supervised(course, supervisor)
    yield* rounds(slowness)
    assert.deepStrictEqual((yield* supervisor.value).map((fiber) => String(fiber.id())), [], "fibers")
    return count()
  }).pipe(
    Effect.scoped,
    Effect.catchAllCause((cause) => Effect.die(new Error(`before operation ${operation}: ${Cause.pretty(cause)}`)))
  )

/** The same for `connect`, which takes its place in the queue too. */
const connectInterruptedAt = (operation: number) =>
  Effect.gen(function*() {
    const server = yield* FakeServer.make
    yield* Effect.forkScoped(serve(server, new Map()))
    const { count, scheduler } = Interrupter.make(operation)
    const service = yield* Effect.map(Layer.build(server.layer()), Context.get(ResponsesSocket.ResponsesSocket))
    const connecting = yield* Effect.fork(Effect.withScheduler(service.connect ?? Effect.void, scheduler))
    const exit = yield* ended(connecting, `connecting, interrupted at ${operation}`)
    if (Exit.isFailure(exit)) assert.isTrue(Exit.isInterrupted(exit), `ended with ${String(exit)}`)
    const turn = yield* Effect.fork(Effect.provideService(turnOf("next"), Responses.Responses, service))
    const events = yield* Effect.flatten(ended(turn, `the turn after connecting was interrupted at ${operation}`))
    assert.deepStrictEqual(events, framesOf("next"))
    assert.strictEqual(server.open(), 1)
    return count()
  }).pipe(Effect.scoped)

/**
 * Until the turn has ended before it could be interrupted. Gives how many operations it has, at the least. With a Stream it has
 * some seven hundred.
 */
const interruptedThroughout = <E>(
  { isLong, series }: { readonly series: number; readonly isLong: boolean },
  run: (operation: number) => Effect.Effect<number, E>
) =>
  Effect.gen(function*() {
    const { first, step } = Thorough.steps(series, isLong)
    let operation = first
    while ((yield* run(operation)) > operation) operation += step
    return operation
  })

describe("a caller that is interrupted before any operation of a turn", () => {
  const cases = Object.entries(scenes).flatMap(([name, scene]) =>
    (["stream", "forEach"] as const).map((kind) => [`${name}, read by ${kind}`, scene, reads[kind]] as const)
  )
  for (const [series, [name, scene, read]] of cases.entries()) {
    it.effect(name, () =>
      Effect.map(
        interruptedThroughout({ series, isLong: read === reads.stream }, (operation) =>
          interruptedAt(scene, read, operation)),
        (operations) =>
          assert.isAbove(operations, 100)
      ), stepsDecide)
  }

  it.effect("that only makes sure that there is a connection", () =>
    Effect.map(
      interruptedThroughout({ series: 0, isLong: false }, connectInterruptedAt),
      (operations) => assert.isAbove(operations, 20)
    ))
})
