/**
 * What an event and a turn cost, counted instead of timed: the numbers are the same on every machine, so the limits are tight.
 * A change that wakes a fiber, starts one, or takes a promise or a timer where none was needed fails here.
 */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Queue, Stream } from "effect"
import type { ResponseItem, ResponsesError } from "effect-responses"
import { Responses, ResponsesSocket } from "effect-responses"
import { costs, type Counts, perMore } from "./support/counting.ts"
import { held, layer, layerOf, request } from "./support/fakeSocket.ts"

type Consume = (
  events: number,
  perTick: number
) => Effect.Effect<unknown, ResponsesError.ResponsesError, Responses.Responses>

const forEach: Consume = (events, perTick) => Responses.forEach(request(events, perTick), () => {})

const fold: Consume = (events, perTick) =>
  Stream.runFold(Responses.stream(request(events, perTick)), 0, (count) => count + 1)

const runForEach: Consume = (events, perTick) =>
  Stream.runForEach(Responses.stream(request(events, perTick)), () => Effect.void)

/** Of one more event, where 200 come at once, as a burst brings them, or one at a time, as a model does. */
const perEvent = (consume: Consume, perTick: number) =>
  perMore((count) => consume(count, perTick), perTick === 1 ? 20 : perTick * 3).pipe(Effect.provide(layer))

const perTurn = (consume: Consume) => costs(consume(20, 20)).pipe(Effect.provide(layer))

const none: Counts = { fibers: 0, instructions: 0, promises: 0, timers: 0, wakeUps: 0 }

const within = (found: Counts, most: Counts) => {
  for (const name of ["fibers", "instructions", "promises", "timers", "wakeUps"] as const) {
    assert.isAtMost(found[name], most[name], `${name}: ${JSON.stringify(found)}`)
  }
}

describe("an event of a burst", () => {
  it.live("Responses.forEach: nothing at all", () =>
    Effect.map(perEvent(forEach, 200), (found) => assert.deepStrictEqual(found, none)))

  it.live("Stream.runFold: a share of one wake-up for all that came at once", () =>
    Effect.map(
      perEvent(fold, 200),
      (found) => within(found, { fibers: 0, instructions: 0.2, promises: 0.01, timers: 0, wakeUps: 0.005 })
    ))

  it.live("Stream.runForEach: the caller's own effect, and that share", () =>
    Effect.map(
      perEvent(runForEach, 200),
      (found) => within(found, { fibers: 0, instructions: 1.25, promises: 0.01, timers: 0, wakeUps: 0.005 })
    ))

  it.live("what comes at once is one chunk", () =>
    Effect.gen(function*() {
      const sizes: Array<number> = []
      yield* Stream.runForEachChunk(Responses.stream(request(1000, 200)), (chunk) =>
        Effect.sync(() => sizes.push(chunk.length)))
      assert.deepStrictEqual(sizes.slice(1, -1), [200, 200, 200, 200])
    }).pipe(Effect.provide(layer)))
})

describe("an event that comes alone", () => {
  it.live("Responses.forEach: nothing at all", () =>
    Effect.map(perEvent(forEach, 1), (found) => assert.deepStrictEqual(found, none)))

  it.live("Stream.runFold: one wake-up", () =>
    Effect.map(
      perEvent(fold, 1),
      (found) => within(found, { fibers: 0, instructions: 30, promises: 2, timers: 0, wakeUps: 1 })
    ))

  it.live("Stream.runForEach: one wake-up", () =>
    Effect.map(
      perEvent(runForEach, 1),
      (found) => within(found, { fibers: 0, instructions: 36, promises: 2, timers: 0, wakeUps: 1 })
    ))
})

describe("a turn", () => {
  it.live("Responses.forEach: no fiber and no timer", () =>
    Effect.map(
      perTurn(forEach),
      (found) => within(found, { fibers: 0, instructions: 120, promises: 4, timers: 0, wakeUps: 2 })
    ))

  it.live("Stream.runForEach: one fiber, without which Effect runs no Stream", () =>
    Effect.map(
      perTurn(runForEach),
      (found) => within(found, { fibers: 1, instructions: 660, promises: 14, timers: 0, wakeUps: 8 })
    ))
})

const stats = Effect.flatMap(ResponsesSocket.ResponsesSocket, ({ stats }) => stats)

/** Beside others whose responses do not end. */
const perTurnBeside = (consume: Consume, others: number) =>
  Effect.gen(function*() {
    yield* consume(1, 1)
    yield* Effect.forEach(Array.from({ length: others }), () => Effect.fork(Responses.forEach(held, () => {})))
    while ((yield* stats).running < others) yield* Effect.yieldNow()
    return yield* costs(consume(20, 20))
  }).pipe(Effect.scoped, Effect.provide(layer))

/** Of conversations that have had one turn each, one after the other has its next turn, which is a delta. */
const perTurnAmong = (heads: number) =>
  Effect.gen(function*() {
    const conversations = Array.from(
      { length: heads },
      (_, index): Array<ResponseItem.ResponseItem> => [{
        type: "message",
        role: "user",
        content: `conversation ${index}`
      }]
    )
    let at = 0
    const turn = Effect.suspend(() => {
      const conversation = conversations[at++ % heads] ?? []
      conversation.push({ type: "message", role: "user", content: "Go on" })
      return Responses.forEach({ ...request(1, 1), input: conversation }, (event) => {
        if (event.type === "response.completed") conversation.push(...event.response.output ?? [])
      })
    })
    yield* Effect.repeatN(turn, heads - 1)
    const before = yield* stats
    const found = yield* costs(turn)
    const after = yield* stats
    // The first one, and five that are counted.
    assert.strictEqual(after.deltas - before.deltas, 6, "not all were deltas")
    assert.strictEqual(after.headsLost.Displaced, 0, "not all heads are there")
    return found
  }).pipe(Effect.provide(layerOf(32)))

describe("a turn among many", () => {
  const alone: Counts = { fibers: 0, instructions: 120, promises: 4, timers: 0, wakeUps: 2 }

  it.live("beside fifteen that run: as one alone", () =>
    Effect.map(perTurnBeside(forEach, 15), (found) => within(found, alone)))

  it.live("beside fifteen that run, by Stream.runForEach: as one alone", () =>
    Effect.map(
      perTurnBeside(runForEach, 15),
      (found) => within(found, { fibers: 1, instructions: 660, promises: 14, timers: 0, wakeUps: 8 })
    ))

  it.live("that continues the only head", () => Effect.map(perTurnAmong(1), (found) => within(found, alone)))

  it.live("that continues one of a thousand heads: as the only one", () =>
    Effect.map(
      Effect.zip(perTurnAmong(1), perTurnAmong(1000)),
      ([one, thousand]) => {
        within(thousand, alone)
        assert.strictEqual(thousand.instructions, one.instructions)
      }
    ), 60_000)
})

describe("what the counters would see", () => {
  const stream = (events: number, perTick: number) => Responses.stream(request(events, perTick))

  const slow: Readonly<Record<string, readonly [Consume, keyof Counts, number]>> = {
    "an effect per event": [
      (n, k) => Stream.runFold(Stream.mapEffect(stream(n, k), Effect.succeed), 0, (c) => c + 1),
      "instructions",
      0.2
    ],
    "a fiber per event": [
      (n, k) => Stream.runFold(Stream.mapEffect(stream(n, k), Effect.succeed, { concurrency: 2 }), 0, (c) => c + 1),
      "fibers",
      0
    ],
    "a queue per event": [
      (n, k) =>
        Effect.flatMap(
          Queue.unbounded<unknown>(),
          (queue) =>
            Stream.runForEach(stream(n, k), (event) => Effect.zipRight(Queue.offer(queue, event), Queue.take(queue)))
        ),
      "instructions",
      1.25
    ],
    "a promise per event": [
      (n, k) => Stream.runForEach(stream(n, k), () => Effect.promise(() => Promise.resolve())),
      "promises",
      0.01
    ],
    "chunks taken apart": [
      (n, k) => Stream.runForEachChunk(Stream.rechunk(stream(n, k), 1), (chunk) => Effect.succeed(Chunk.size(chunk))),
      "instructions",
      1.25
    ]
  }

  for (const [name, [consume, what, limit]] of Object.entries(slow)) {
    it.live(name, () => Effect.map(perEvent(consume, 200), (found) => assert.isAbove(found[what], limit)))
  }

  it.live("a timer per turn", () =>
    Effect.map(
      perTurn((n, k) => Effect.timeout(forEach(n, k), "1 minute").pipe(Effect.orDie)),
      (found) => assert.isAbove(found.timers, 0)
    ))
})
