import { assert, describe, it } from "@effect/vitest"
import {
  type ConfigError,
  Context,
  Deferred,
  Duration,
  Effect,
  Equal,
  Exit,
  Fiber,
  Layer,
  Logger,
  LogLevel,
  Metric,
  Option,
  Random,
  Scope,
  TestClock
} from "effect"
import * as Responses from "../src/Responses.ts"
import {
  InvalidRequest,
  MalformedEvent,
  PreviousResponseNotFound,
  ResponseFailed,
  type ResponsesError
} from "../src/ResponsesError.ts"
import * as ResponsesFallback from "../src/ResponsesFallback.ts"
import * as ResponsesTelemetry from "../src/ResponsesTelemetry.ts"
import { connectionError, outage, type Pair, pair, request, scripted, settle } from "./support/fallback.ts"
import { onMachine } from "./support/machine.ts"

/** The first has failed, and cannot be had for now. */
const fallen = (options?: ResponsesFallback.Options, error: ResponsesError = outage) =>
  Effect.tap(pair(options), ({ ask, first }) => {
    first.opens(Effect.fail(error))
    first.connects(Effect.fail(outage))
    return ask
  })

/** No probe a millisecond before `interval` has passed, one then. */
const isLeftAloneFor = ({ ask, first }: Pair, interval: Duration.DurationInput) =>
  Effect.gen(function*() {
    const before = first.calls.connects
    yield* TestClock.adjust(Duration.subtract(interval, 1))
    assert.strictEqual(yield* ask, "http")
    assert.strictEqual(first.calls.connects, before, `a probe before ${Duration.format(interval)}`)
    yield* TestClock.adjust(1)
    assert.strictEqual(yield* ask, "http")
    assert.strictEqual(first.calls.connects, before + 1, `no probe after ${Duration.format(interval)}`)
  })

describe("while the first can be had", () => {
  it.scoped("it serves", () =>
    Effect.gen(function*() {
      const { ask, first, second, stats } = yield* pair()
      assert.deepStrictEqual([yield* ask, yield* ask], ["websocket", "websocket"])
      assert.deepStrictEqual([first.calls.opens, second.calls.opens, first.calls.connects], [2, 0, 0])
      assert.deepStrictEqual(yield* stats, {
        serving: "first",
        fallbacks: 0,
        fellBack: 0,
        probes: 0,
        lastError: undefined
      })
    }))

  it.scoped("an error that concerns one request sends that one to the second, and no other", () =>
    Effect.gen(function*() {
      const { ask, first, open, stats } = yield* pair()
      const error = connectionError({ reason: "Expired" })
      first.opens(Effect.fail(error))
      const response = yield* open
      assert.strictEqual(response.transport, "http")
      assert.deepStrictEqual(response.recoveries, [{ _tag: "FellBack", error }])
      first.opens(Effect.void)
      assert.strictEqual(yield* ask, "websocket")
      assert.deepInclude(yield* stats, { serving: "first", fallbacks: 0, fellBack: 1 })
    }))

  const stays: ReadonlyArray<readonly [string, ResponsesError]> = [
    ["a key that is wrong", connectionError({ status: 401 })],
    ["a permission that is missing", connectionError({ status: 403 })],
    ["a key that cannot be had", connectionError({ reason: "Credentials" })],
    ["a Layer that is closed", connectionError({ reason: "Closed" })],
    ["a connection lost after sending", connectionError({ reason: "Lost", delivery: "unacknowledged" })],
    ["a request that is wrong", new InvalidRequest({ field: "model", description: "must be there" })],
    ["a failed response", new ResponseFailed({ description: "No", delivery: "unsent", frame: {}, status: 503 })]
  ]
  for (const [name, error] of stays) {
    it.scoped(`${name} is the caller's, and the next request tries the first again`, () =>
      Effect.gen(function*() {
        const { ask, first, open, second, stats } = yield* pair()
        first.opens(Effect.fail(error))
        assert.strictEqual(yield* Effect.flip(open), error)
        assert.deepInclude(yield* stats, { serving: "first", fallbacks: 0, lastError: undefined })
        first.opens(Effect.void)
        assert.strictEqual(yield* ask, "websocket")
        assert.strictEqual(second.calls.opens, 0)
      }))
  }
})

describe("when the first cannot be had", () => {
  const outages: ReadonlyArray<readonly [string, ReturnType<typeof connectionError>]> = [
    ["a server that has no socket", connectionError({ status: 426 })],
    ["a server that is down", outage],
    ["no way to the server", connectionError({ reason: "Unreachable" })],
    ["a time-out of opening", connectionError({ reason: "OpenTimeout" })],
    ["a connection lost before sending", connectionError({ reason: "Lost", closeCode: 1006 })]
  ]
  for (const [name, error] of outages) {
    it.scoped(`the second serves the request and all further ones: ${name}`, () =>
      Effect.gen(function*() {
        const { first, open, second, stats } = yield* pair()
        first.opens(Effect.fail(error))
        for (const response of [yield* open, yield* open, yield* open]) {
          assert.strictEqual(response.transport, "http")
          assert.deepStrictEqual(response.recoveries, [{ _tag: "FellBack", error }])
        }
        assert.deepStrictEqual([first.calls.opens, second.calls.opens], [1, 3])
        assert.deepStrictEqual(yield* stats, {
          serving: "second",
          fallbacks: 1,
          fellBack: 3,
          probes: 0,
          lastError: error
        })
      }))
  }

  onMachine("it is left alone for as long where the wall clock is set back", (machine) =>
    Effect.gen(function*() {
      const fallen = yield* pair()
      fallen.first.opens(Effect.fail(outage))
      fallen.first.connects(Effect.fail(outage))
      yield* fallen.ask
      machine.setBack("1 hour")
      yield* isLeftAloneFor(fallen, "5 seconds")
      machine.setBack("1 hour")
      yield* isLeftAloneFor(fallen, "10 seconds")
    }))

  onMachine(
    "it is looked for at once where the machine has slept for the interval",
    (machine) =>
      Effect.gen(function*() {
        const { ask, first } = yield* pair()
        first.opens(Effect.fail(outage))
        yield* ask
        machine.sleep("5 seconds")
        first.opens(Effect.void)
        assert.deepStrictEqual([yield* ask, yield* ask], ["http", "websocket"])
      })
  )

  onMachine("the time that it took is what the machine was awake", (machine) =>
    Effect.gen(function*() {
      const { first, open } = yield* pair()
      const sleepAndSetBack = Effect.sync(() => {
        machine.sleep("1 minute")
        machine.setBack("1 hour")
      })
      first.opens(TestClock.adjust(600).pipe(Effect.zipRight(sleepAndSetBack), Effect.zipRight(Effect.fail(outage))))
      assert.deepStrictEqual((yield* open).firstEvent, Duration.millis(605))
    }))

  it.scoped("only the request that tried it waited for it", () =>
    Effect.gen(function*() {
      const { first, open } = yield* pair()
      first.opens(Effect.zipRight(TestClock.adjust(600), Effect.fail(outage)))
      assert.deepStrictEqual((yield* open).firstEvent, Duration.millis(605))
      assert.deepStrictEqual((yield* open).firstEvent, Duration.millis(5))
    }))

  it.scoped("a failure of the second is the caller's, and changes nothing", () =>
    Effect.gen(function*() {
      const { ask, open, second, stats } = yield* fallen()
      const error = connectionError({ reason: "Unreachable", description: "HTTP too" })
      const before = yield* stats
      second.opens(Effect.fail(error))
      assert.strictEqual(yield* Effect.flip(open), error)
      assert.deepStrictEqual(yield* stats, before)
      second.opens(Effect.void)
      assert.strictEqual(yield* ask, "http")
    }))

  it.scoped("several failures at once begin one interval", () =>
    Effect.gen(function*() {
      const both = yield* pair()
      const gate = yield* Deferred.make<void>()
      both.first.opens(Effect.zipRight(Deferred.await(gate), Effect.fail(outage)))
      both.first.connects(Effect.fail(outage))
      const fibers = yield* Effect.forkAll([both.open, both.open, both.open])
      yield* settle
      yield* Deferred.succeed(gate, undefined)
      for (const { transport } of yield* Fiber.join(fibers)) assert.strictEqual(transport, "http")
      assert.deepInclude(yield* both.stats, { fallbacks: 1, fellBack: 3 })
      yield* isLeftAloneFor(both, "5 seconds")
      yield* isLeftAloneFor(both, "10 seconds")
    }))

  it.scoped("a failure of a request that is older than the interval begins none, not even after it", () =>
    Effect.gen(function*() {
      const { ask, first, open, stats } = yield* pair()
      const gate = yield* Deferred.make<void>()
      first.opens(Effect.zipRight(Deferred.await(gate), Effect.fail(outage)))
      const old = yield* Effect.fork(open)
      yield* settle
      first.opens(Effect.fail(outage))
      yield* ask
      yield* TestClock.adjust("5 seconds")
      yield* ask
      assert.strictEqual((yield* stats).serving, "first")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(old)).transport, "http")
      assert.deepInclude(yield* stats, { serving: "first", fallbacks: 1 })
      first.opens(Effect.void)
      assert.strictEqual(yield* ask, "websocket")
    }))

  it.scoped("an older request that is opened after all does not end the interval", () =>
    Effect.gen(function*() {
      const { ask, first, open, stats } = yield* pair()
      const gate = yield* Deferred.make<void>()
      first.opens(Deferred.await(gate))
      const old = yield* Effect.fork(open)
      yield* settle
      first.opens(Effect.fail(outage))
      yield* ask
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(old)).transport, "websocket")
      assert.strictEqual((yield* stats).serving, "second")
      assert.strictEqual(yield* ask, "http")
    }))
})

describe("when the first connects and never answers", () => {
  const sent = { delivery: "unacknowledged" } as const
  const silent = connectionError({ reason: "FirstEventTimeout", ...sent, description: "Nothing came" })

  const ends: ReadonlyArray<readonly [string, ResponsesError, ResponsesError]> = [
    ["no event in time", silent, connectionError({ reason: "FirstEventTimeout" })],
    [
      "no event in time, and the request not even written",
      connectionError({ reason: "FirstEventTimeout" }),
      connectionError({ reason: "FirstEventTimeout" })
    ],
    [
      "a connection that breaks",
      connectionError({ reason: "Lost", ...sent, closeCode: 1006 }),
      connectionError({ reason: "Lost", closeCode: 1006 })
    ],
    [
      "a connection that is closed with 1011",
      connectionError({ reason: "Lost", ...sent, closeCode: 1011 }),
      connectionError({ reason: "Lost", closeCode: 1011 })
    ],
    ["a stall", connectionError({ reason: "Stalled", ...sent }), connectionError({ reason: "Stalled" })],
    ["no time left", connectionError({ reason: "TurnTimeout", ...sent }), connectionError({ reason: "Lost" })],
    [
      "something that is no event",
      new MalformedEvent({ description: "a message that is not JSON", frame: "hello", ...sent }),
      connectionError({ reason: "Lost" })
    ]
  ]
  for (const [name, end, expected] of ends) {
    it.scoped(`three times in a row, the next request goes to the second: ${name}`, () =>
      Effect.gen(function*() {
        const { ask, first, open, second, stats } = yield* pair()
        first.opens(Effect.fail(end))
        // An error that is unsent is repaired for its own request all along.
        for (let round = 0; round < 3; round++) yield* Effect.exit(open)
        assert.deepInclude(yield* stats, { serving: "second", fallbacks: 1 })
        assert.strictEqual(first.calls.opens, 3)
        const opens = second.calls.opens
        const { recoveries, transport } = yield* open
        assert.strictEqual(transport, "http")
        assert.strictEqual(yield* ask, "http")
        assert.deepStrictEqual([first.calls.opens, second.calls.opens], [3, opens + 2])
        const error = recoveries[0]?.error
        assert(error?._tag === "ConnectionError" && expected._tag === "ConnectionError")
        const { closeCode, delivery, reason } = expected
        assert.deepInclude(error, { reason, delivery, ...closeCode === undefined ? {} : { closeCode } })
        assert.include(error.description, "3 requests in a row had no answer on the socket")
        assert.strictEqual((yield* stats).lastError, error)
      }))
  }

  it.scoped("the requests that were sent fail, and are not repeated", () =>
    Effect.gen(function*() {
      const { first, open, second } = yield* pair()
      first.opens(Effect.fail(silent))
      for (let round = 0; round < 3; round++) assert.strictEqual(yield* Effect.flip(open), silent)
      assert.strictEqual(second.calls.opens, 0)
    }))

  it.scoped("those that run at once count each", () =>
    Effect.gen(function*() {
      const { first, open, stats } = yield* pair()
      const gate = yield* Deferred.make<void>()
      first.opens(Effect.zipRight(Deferred.await(gate), Effect.fail(silent)))
      const fibers = yield* Effect.forkAll(Array.from({ length: 8 }, () => Effect.flip(open)))
      yield* settle
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fibers)
      assert.deepInclude(yield* stats, { serving: "second", fallbacks: 1 })
    }))

  it.scoped("warm-ups count too", () =>
    Effect.gen(function*() {
      const { ask, first, warmUp } = yield* pair()
      first.opens(Effect.fail(silent))
      for (let round = 0; round < 3; round++) yield* Effect.flip(warmUp)
      assert.strictEqual(yield* ask, "http")
    }))

  const answers: ReadonlyArray<readonly [string, Effect.Effect<void, ResponsesError>]> = [
    ["a response", Effect.void],
    ["a failed response", Effect.fail(new ResponseFailed({ description: "No", delivery: "unsent", frame: {} }))],
    ["a response that is not known", Effect.fail(new PreviousResponseNotFound({ description: "Not found" }))],
    ["the news that the connection is too old", Effect.fail(connectionError({ reason: "Expired" }))],
    ["output without a beginning", Effect.fail(connectionError({ reason: "Lost", delivery: "partial" }))]
  ]
  for (const [name, answer] of answers) {
    it.scoped(`${name} in between shows that it serves`, () =>
      Effect.gen(function*() {
        const { first, open, stats } = yield* pair()
        for (let round = 0; round < 3; round++) {
          first.opens(Effect.fail(silent))
          yield* Effect.flip(open)
          yield* Effect.flip(open)
          first.opens(answer)
          yield* Effect.exit(open)
        }
        assert.deepInclude(yield* stats, { serving: "first", fallbacks: 0 })
      }))
  }

  const others: ReadonlyArray<readonly [string, Effect.Effect<never, ResponsesError>]> = [
    ["a wait for others", Effect.fail(connectionError({ reason: "QueueTimeout" }))],
    ["a request that is too large", Effect.fail(connectionError({ reason: "TooLarge" }))],
    ["a request that is wrong", Effect.fail(new InvalidRequest({ field: "model", description: "must be there" }))],
    ["a key that is wrong", Effect.fail(connectionError({ status: 401 }))],
    ["a closed Layer", Effect.fail(connectionError({ reason: "Closed", ...sent }))],
    ["an interruption", Effect.interrupt]
  ]
  for (const [name, other] of others) {
    it.scoped(`${name} says nothing, and neither counts nor begins the count anew`, () =>
      Effect.gen(function*() {
        const { first, open, stats } = yield* pair()
        const end = (how: Effect.Effect<never, ResponsesError>) => {
          first.opens(how)
          return Effect.exit(open)
        }
        for (let round = 0; round < 4; round++) yield* end(other)
        yield* end(Effect.fail(silent))
        yield* end(Effect.fail(silent))
        yield* end(other)
        assert.strictEqual((yield* stats).serving, "first")
        yield* end(Effect.fail(silent))
        assert.deepInclude(yield* stats, { serving: "second", fallbacks: 1 })
      }))
  }

  it.scoped("and still connects, each interval costs one request, and is longer than the last", () =>
    Effect.gen(function*() {
      const both = yield* pair()
      both.first.opens(Effect.fail(silent))
      for (let round = 0; round < 3; round++) yield* Effect.flip(both.open)
      for (const seconds of [5, 10, 20, 40]) {
        yield* isLeftAloneFor(both, Duration.seconds(seconds))
        assert.strictEqual((yield* both.stats).serving, "first")
        assert.strictEqual(yield* Effect.flip(both.open), silent)
        assert.strictEqual((yield* both.stats).serving, "second")
      }
      assert.deepInclude(yield* both.stats, { fallbacks: 5, probes: 4 })
      assert.strictEqual(both.first.calls.opens, 7)
    }))

  it.scoped("and answers after all, it takes three in a row and a short interval again", () =>
    Effect.gen(function*() {
      const both = yield* pair()
      const { first, open, stats } = both
      first.opens(Effect.fail(silent))
      for (let round = 0; round < 3; round++) yield* Effect.flip(open)
      yield* isLeftAloneFor(both, "5 seconds")
      first.opens(Effect.void)
      assert.strictEqual(yield* both.ask, "websocket")
      first.opens(Effect.fail(silent))
      yield* Effect.flip(open)
      yield* Effect.flip(open)
      assert.strictEqual((yield* stats).serving, "first")
      yield* Effect.flip(open)
      assert.strictEqual((yield* stats).serving, "second")
      yield* isLeftAloneFor(both, "5 seconds")
    }))

  it.scoped("a request that is older than the interval does not begin another one", () =>
    Effect.gen(function*() {
      const { ask, first, open, stats } = yield* pair()
      const gate = yield* Deferred.make<void>()
      first.opens(Effect.zipRight(Deferred.await(gate), Effect.fail(silent)))
      const old = yield* Effect.fork(Effect.flip(open))
      yield* settle
      first.opens(Effect.fail(silent))
      for (let round = 0; round < 3; round++) yield* Effect.flip(open)
      yield* TestClock.adjust("5 seconds")
      yield* ask
      assert.strictEqual((yield* stats).serving, "first")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(old), silent)
      assert.deepInclude(yield* stats, { serving: "first", fallbacks: 1 })
    }))
})

describe("after the interval", () => {
  it.scoped("the next request starts a probe, does not wait for it, and none is sent to the first meanwhile", () =>
    Effect.gen(function*() {
      const { ask, first, open, stats } = yield* fallen()
      const gate = yield* Deferred.make<void>()
      first.connects(Deferred.await(gate))
      yield* TestClock.adjust("5 seconds")
      const response = yield* open
      assert.strictEqual(response.transport, "http")
      assert.deepStrictEqual(response.firstEvent, Duration.millis(5))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([yield* ask, yield* ask], ["http", "http"])
      assert.deepStrictEqual([first.calls.opens, first.calls.connects], [1, 1])
      assert.deepInclude(yield* stats, { serving: "second", probes: 1 })
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      first.opens(Effect.void)
      assert.strictEqual(yield* ask, "websocket")
      assert.deepInclude(yield* stats, { serving: "first", fallbacks: 1, probes: 1, lastError: outage })
    }))

  it.scoped("nothing happens until somebody asks", () =>
    Effect.gen(function*() {
      const { first, stats } = yield* fallen()
      yield* TestClock.adjust("1 day")
      yield* settle
      assert.strictEqual(first.calls.connects, 0)
      assert.deepStrictEqual(yield* TestClock.sleeps().pipe(Effect.map((sleeps) => sleeps.length)), 0)
      assert.strictEqual((yield* stats).serving, "second")
    }))

  it.scoped("a failed probe makes the next interval longer, up to a limit, and its error is the one to tell", () =>
    Effect.gen(function*() {
      const both = yield* fallen()
      for (const seconds of [5, 10, 20, 40, 80, 160, 300, 300]) {
        yield* isLeftAloneFor(both, Duration.seconds(seconds))
      }
      const error = connectionError({ reason: "Unreachable" })
      both.first.connects(Effect.fail(error))
      yield* isLeftAloneFor(both, "5 minutes")
      assert.deepStrictEqual((yield* both.open).recoveries, [{ _tag: "FellBack", error }])
      assert.deepInclude(yield* both.stats, { fallbacks: 1, probes: 9, lastError: error })
      assert.strictEqual(both.first.calls.opens, 1)
    }))

  it.scoped("a connection that opens and serves nothing does not make the intervals short again", () =>
    Effect.gen(function*() {
      const both = yield* fallen()
      both.first.connects(Effect.void)
      for (const seconds of [5, 10, 20, 40]) {
        yield* isLeftAloneFor(both, Duration.seconds(seconds))
        assert.strictEqual((yield* both.stats).serving, "first")
        assert.strictEqual(yield* both.ask, "http")
        assert.strictEqual((yield* both.stats).serving, "second")
      }
      assert.deepInclude(yield* both.stats, { fallbacks: 5, probes: 4 })
    }))

  it.scoped("a response that the first opens does", () =>
    Effect.gen(function*() {
      const both = yield* fallen()
      yield* isLeftAloneFor(both, "5 seconds")
      both.first.connects(Effect.void)
      yield* isLeftAloneFor(both, "10 seconds")
      both.first.opens(Effect.void)
      assert.strictEqual(yield* both.ask, "websocket")
      both.first.opens(Effect.fail(outage))
      yield* both.ask
      yield* isLeftAloneFor(both, "5 seconds")
    }))

  it.scoped("a transport that need not connect is tried by the request after the next", () =>
    Effect.gen(function*() {
      const first = scripted("websocket")
      first.opens(Effect.fail(outage))
      const { open, stats } = yield* ResponsesFallback.make({ open: first.open }, scripted("http"))
      const ask = Effect.zipLeft(Effect.scoped(open(request)), settle)
      yield* ask
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* ask).transport, "http")
      assert.strictEqual(first.calls.opens, 1)
      assert.deepInclude(yield* stats, { serving: "first", probes: 1 })
      first.opens(Effect.void)
      assert.strictEqual((yield* ask).transport, "websocket")
    }))

  const ends: ReadonlyArray<readonly [string, Effect.Effect<never, ResponsesError>]> = [
    ["401", Effect.fail(connectionError({ status: 401 }))],
    ["403", Effect.fail(connectionError({ status: 403 }))],
    ["no key", Effect.fail(connectionError({ reason: "Credentials" }))],
    ["a defect", Effect.die("broken")]
  ]
  for (const [name, fault] of ends) {
    it.scoped(`a probe that meets ${name} ends the fallback: the next request reports it`, () =>
      Effect.gen(function*() {
        const { ask, first, open, second, stats } = yield* fallen()
        first.connects(fault)
        first.opens(fault)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* ask, "http")
        assert.strictEqual((yield* stats).serving, "first")
        const opens = second.calls.opens
        assert.isTrue(Equal.equals(yield* Effect.exit(open), yield* Effect.exit(fault)))
        assert.strictEqual(second.calls.opens, opens)
      }))
  }

  it.scoped("a probe that interrupts itself tells nothing: the next request starts another one", () =>
    Effect.gen(function*() {
      const { ask, first, stats } = yield* fallen()
      first.connects(Effect.interrupt)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([yield* ask, yield* ask], ["http", "http"])
      assert.deepInclude(yield* stats, { serving: "second", probes: 2, lastError: outage })
    }))
})

describe("the intervals", () => {
  it.scoped("are what the options say", () =>
    Effect.gen(function*() {
      const both = yield* fallen({ probe: { first: "2 seconds", factor: 3, max: "10 seconds" } })
      for (const seconds of [2, 6, 10, 10]) yield* isLeftAloneFor(both, Duration.seconds(seconds))
    }))

  it.scoped("can be none at all: the next request starts a probe", () =>
    Effect.gen(function*() {
      const { ask, first } = yield* fallen({ probe: { first: 0 } })
      first.connects(Effect.void)
      first.opens(Effect.void)
      assert.deepStrictEqual([yield* ask, yield* ask], ["http", "websocket"])
    }))

  const waits: ReadonlyArray<readonly [string, Duration.DurationInput, Duration.DurationInput]> = [
    ["is the least", "30 seconds", "30 seconds"],
    ["does not shorten one", "1 second", "5 seconds"],
    ["is taken up to the longest one", "1 day", "5 minutes"]
  ]
  for (const [name, retryAfter, interval] of waits) {
    it.scoped(`what the server asks for ${name}`, () =>
      Effect.gen(function*() {
        const error = connectionError({ status: 429, retryAfter: Duration.decode(retryAfter) })
        yield* isLeftAloneFor(yield* fallen(undefined, error), interval)
      }))
  }

  it.scoped("what the server asks of a probe is honoured, and the interval after it goes on as before", () =>
    Effect.gen(function*() {
      const both = yield* fallen()
      both.first.connects(Effect.fail(connectionError({ status: 503, retryAfter: Duration.minutes(1) })))
      yield* isLeftAloneFor(both, "5 seconds")
      both.first.connects(Effect.fail(outage))
      yield* isLeftAloneFor(both, "1 minute")
      yield* isLeftAloneFor(both, "20 seconds")
    }))

  it.scoped("are shortened at random, by up to a fifth and never under what the server asks for", () =>
    Effect.gen(function*() {
      const probesAfter = (error: ResponsesError, interval: Duration.DurationInput) =>
        Effect.gen(function*() {
          const first = scripted("websocket")
          first.opens(Effect.fail(error))
          const { open, stats } = yield* ResponsesFallback.make(first, scripted("http"))
          const ask = Effect.scoped(open(request))
          yield* ask
          yield* TestClock.adjust(interval)
          yield* ask
          return (yield* stats).probes
        }).pipe(Effect.withRandom(Random.fixed([1])))
      assert.strictEqual(yield* probesAfter(outage, 3999), 0)
      assert.strictEqual(yield* probesAfter(outage, 4000), 1)
      const asked = connectionError({ status: 503, retryAfter: Duration.seconds(5) })
      assert.strictEqual(yield* probesAfter(asked, 4999), 0)
      assert.strictEqual(yield* probesAfter(asked, 5000), 1)
    }))

  const wrong: ReadonlyArray<readonly [keyof ResponsesFallback.Probe, ResponsesFallback.Probe]> = [
    // @ts-expect-error: what only the compiler refuses
    ["first", { first: "soon" }],
    // @ts-expect-error: what only the compiler refuses
    ["max", { max: "late" }],
    ["factor", { factor: 0.5 }],
    ["factor", { factor: Number.NaN }],
    ["factor", { factor: Number.POSITIVE_INFINITY }]
  ]
  for (const [option, probe] of wrong) {
    it.scoped(`that are none are refused: ${option} ${String(probe[option])}`, () =>
      Effect.gen(function*() {
        const error: ConfigError.ConfigError = yield* Effect.flip(pair({ probe }))
        assert(error._op === "InvalidData")
        assert.deepStrictEqual(error.path, ["probe", option])
      }))
  }
})

describe("a warm-up", () => {
  it.scoped("goes to the first, also while the second serves, and never to the second", () =>
    Effect.gen(function*() {
      const { first, second, stats, warmUp } = yield* fallen()
      const opens = second.calls.opens
      assert.strictEqual(yield* Effect.flip(warmUp), outage)
      assert.deepStrictEqual([first.calls.opens, second.calls.opens], [2, opens])
      assert.deepInclude(yield* stats, { serving: "second", fallbacks: 1 })
    }))

  it.scoped("that fails while the second serves does not make the interval longer", () =>
    Effect.gen(function*() {
      const both = yield* fallen()
      yield* TestClock.adjust("3 seconds")
      yield* Effect.flip(both.warmUp)
      yield* isLeftAloneFor(both, "2 seconds")
      yield* isLeftAloneFor(both, "10 seconds")
    }))

  it.scoped("that fails spares the next request the wait", () =>
    Effect.gen(function*() {
      const { ask, first, warmUp } = yield* pair()
      first.opens(Effect.fail(outage))
      assert.strictEqual(yield* Effect.flip(warmUp), outage)
      assert.strictEqual(yield* ask, "http")
      assert.strictEqual(first.calls.opens, 1)
    }))

  it.scoped("that is opened ends the fallback: what it prepared is on the first", () =>
    Effect.gen(function*() {
      const both = yield* fallen()
      yield* isLeftAloneFor(both, "5 seconds")
      both.first.opens(Effect.void)
      assert.strictEqual((yield* both.warmUp).transport, "websocket")
      assert.strictEqual(yield* both.ask, "websocket")
      both.first.opens(Effect.fail(outage))
      yield* both.ask
      yield* isLeftAloneFor(both, "5 seconds")
    }))

  const late: ReadonlyArray<readonly [string, Effect.Effect<void, ResponsesError>]> = [
    ["succeeds", Effect.void],
    ["fails", Effect.fail(connectionError({ reason: "Unreachable" }))],
    ["meets 401", Effect.fail(connectionError({ status: 401 }))]
  ]
  for (const [name, outcome] of late) {
    it.scoped(`that is opened leaves a probe without meaning that still runs and ${name} in the next interval`, () =>
      Effect.gen(function*() {
        const { ask, first, stats, warmUp } = yield* fallen()
        const gate = yield* Deferred.make<void>()
        first.connects(Effect.zipRight(Deferred.await(gate), outcome))
        yield* TestClock.adjust("5 seconds")
        yield* ask
        first.opens(Effect.void)
        yield* warmUp
        first.opens(Effect.fail(outage))
        yield* ask
        yield* TestClock.adjust("5 seconds")
        yield* ask
        assert.strictEqual(first.calls.mostConnecting, 1)
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        assert.deepInclude(yield* stats, { serving: "second", fallbacks: 2, probes: 1, lastError: outage })
        yield* ask
        assert.strictEqual(first.calls.connects, 2)
      }))
  }
})

describe("interruption", () => {
  it.scoped("of a request that the first is opening leaves everything as it was", () =>
    Effect.gen(function*() {
      const { ask, first, open, stats } = yield* pair()
      const before = yield* stats
      first.opens(Effect.never)
      const fiber = yield* Effect.fork(open)
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* stats, before)
      first.opens(Effect.void)
      assert.strictEqual(yield* ask, "websocket")
    }))

  it.scoped("of a request that the second is opening leaves everything as it was", () =>
    Effect.gen(function*() {
      const { ask, open, second, stats } = yield* fallen()
      const before = yield* stats
      second.opens(Effect.never)
      const fiber = yield* Effect.fork(open)
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* stats, before)
      second.opens(Effect.void)
      assert.strictEqual(yield* ask, "http")
    }))

  it.scoped("of the request that started a probe does not end the probe", () =>
    Effect.gen(function*() {
      const { ask, first, open, second, stats } = yield* fallen()
      const gate = yield* Deferred.make<void>()
      first.connects(Deferred.await(gate))
      second.opens(Effect.never)
      yield* TestClock.adjust("5 seconds")
      const fiber = yield* Effect.fork(open)
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(first.calls.connecting, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.strictEqual((yield* stats).serving, "first")
      first.opens(Effect.void)
      assert.strictEqual(yield* ask, "websocket")
    }))

  it.effect("of the Layer ends a probe that runs", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { ask, first } = yield* Scope.extend(fallen(), scope)
      first.connects(Effect.never)
      yield* TestClock.adjust("5 seconds")
      yield* ask
      assert.strictEqual(first.calls.connecting, 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(first.calls, { connecting: 0, interrupted: 1 })
    }))

  it.effect("of the Layer ends a probe that an uninterruptible request started", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { ask, first } = yield* Scope.extend(fallen(), scope)
      first.connects(Effect.never)
      yield* TestClock.adjust("5 seconds")
      yield* Effect.uninterruptible(ask)
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(first.calls, { connecting: 0, interrupted: 1 })
    }))
})

describe("what an operator sees", () => {
  const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push([logLevel.label, ...(Array.isArray(message) ? message.slice(0, 1) : [message])].join(" "))
      })
      return effect.pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.as(lines)
      )
    })

  it.scoped("in the log: once that the second took over and once that the first is back; the rest to who looks for it", () =>
    Effect.gen(function*() {
      const lines = yield* recorded(Effect.gen(function*() {
        const { ask, first } = yield* fallen()
        yield* ask
        yield* TestClock.adjust("5 seconds")
        yield* ask
        first.connects(Effect.void)
        first.opens(Effect.void)
        yield* TestClock.adjust("10 seconds")
        yield* ask
        yield* ask
        yield* ask
      }))
      assert.deepStrictEqual(lines, [
        `INFO HTTP serves for the next 5s: ${outage.message}`,
        `DEBUG HTTP serves for the next 10s: ${outage.message}`,
        "INFO The socket serves again"
      ])
    }))

  it.scoped("in the log, when a probe ends it with an error: that it did, once", () =>
    Effect.gen(function*() {
      const lines = yield* recorded(Effect.gen(function*() {
        const { ask, first } = yield* fallen()
        first.connects(Effect.fail(connectionError({ status: 401 })))
        yield* TestClock.adjust("5 seconds")
        yield* ask
      }))
      assert.deepStrictEqual(lines.slice(1), ["INFO HTTP serves no longer, so that the next request reports this:"])
    }))

  const fallbacks = Effect.map(Metric.value(ResponsesTelemetry.fallback), (state) => state.value)
  const probes = (outcome: string) =>
    Effect.map(Metric.value(Metric.tagged(ResponsesTelemetry.probes, "outcome", outcome)), (state) => state.count)

  it.scoped("in the metrics: whether the second serves, and what came of the probes", () =>
    Effect.gen(function*() {
      // Metrics are the process's own: what counts is how much they changed.
      const [before, failed, succeeded] = [yield* fallbacks, yield* probes("failed"), yield* probes("succeeded")]
      const { ask, first } = yield* fallen()
      assert.strictEqual((yield* fallbacks) - before, 1)
      yield* TestClock.adjust("5 seconds")
      yield* ask
      assert.strictEqual((yield* fallbacks) - before, 1)
      first.connects(Effect.void)
      yield* TestClock.adjust("10 seconds")
      yield* ask
      assert.strictEqual((yield* fallbacks) - before, 0)
      assert.deepStrictEqual([(yield* probes("failed")) - failed, (yield* probes("succeeded")) - succeeded], [1, 1])
    }))

  it.effect("in the metrics: nothing of a Layer that is closed", () =>
    Effect.gen(function*() {
      const before = yield* fallbacks
      yield* Effect.scoped(fallen())
      assert.strictEqual(yield* fallbacks, before)
    }))
})

describe("the service", () => {
  it.scoped("holds on to no span of a request, nor does a probe belong to one", () =>
    Effect.gen(function*() {
      const { ask, first, stats } = yield* fallen()
      const asked = Effect.withSpan(ask, "request")
      assert.strictEqual((yield* stats).lastError, outage)
      let parent: Option.Option<unknown> | undefined
      first.connects(Effect.zipRight(
        Effect.map(Effect.option(Effect.currentParentSpan), (span) => {
          parent = span
        }),
        Effect.fail(outage)
      ))
      yield* TestClock.adjust("5 seconds")
      yield* asked
      assert(parent !== undefined && Option.isNone(parent))
      first.connects(Effect.void)
      yield* TestClock.adjust("10 seconds")
      yield* asked
      const error = connectionError({ reason: "Unreachable" })
      first.opens(Effect.fail(error))
      yield* asked
      assert.strictEqual((yield* stats).lastError, error)
    }))

  it.scoped("connects the first", () =>
    Effect.gen(function*() {
      const { first, service } = yield* pair()
      yield* service.connect ?? Effect.void
      assert.strictEqual(first.calls.connects, 1)
    }))
})

describe("layer", () => {
  class Stats extends Context.Tag("test/Stats")<Stats, { readonly connections: number }>() {}

  const named = (log: Array<string>, name: string, service: Responses.Service) =>
    Layer.scopedContext(Effect.as(
      Effect.addFinalizer(() => Effect.sync(() => log.push(name))),
      Context.make(Responses.Responses, service).pipe(Context.add(Stats, { connections: 3 }))
    ))

  it.effect("provides both together, what else the first has, and the stats; closes both with its own scope", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const [first, second] = [scripted("websocket"), scripted("http")]
      first.opens(Effect.fail(outage))
      const layer = ResponsesFallback.layer(named(log, "first", first), named(log, "second", second))
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* Effect.scoped(Responses.open(request))).transport, "http")
        assert.strictEqual((yield* Stats).connections, 3)
        const { open, stats } = yield* ResponsesFallback.ResponsesFallback
        assert.deepInclude(yield* stats, { serving: "second", fallbacks: 1, lastError: outage })
        assert.strictEqual(open, (yield* Responses.Responses).open)
        assert.deepStrictEqual(log, [])
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(log, ["second", "first"])
    }))

  it.effect("takes the options of make, and refuses wrong ones", () =>
    Effect.gen(function*() {
      const http = Layer.succeed(Responses.Responses, scripted("http"))
      const layer = ResponsesFallback.layer(http, http, { probe: { factor: 0 } })
      assert.isTrue(Option.isSome(yield* Effect.option(Effect.flip(Effect.scoped(Layer.build(layer))))))
    }))
})
