import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import * as Time from "../src/internal/effect/time.ts"

/** Both of its times are set by hand, in milliseconds. */
const makeClock = (wall: number, monotonic: number) => {
  const at = { wall, monotonic }
  const nanos = () => BigInt(Math.floor(at.monotonic * 1_000_000))
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => at.wall,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(() => at.wall),
    currentTimeNanos: Effect.sync(nanos),
    sleep: () => Effect.never
  }
  return {
    clock,
    pass: (millis: number) => {
      at.wall += millis
      at.monotonic += millis
    },
    /** Back or forth; forth is what a sleep of the machine looks like. */
    setWall: (millis: number) => {
      at.wall += millis
    },
    setMonotonic: (millis: number) => {
      at.monotonic += millis
    }
  }
}

const hour = 3_600_000
/** 2026, as the wall clock and Effect's monotonic nanoseconds have it. */
const today = 1_780_000_000_000

type Step = readonly ["pass" | "wall" | "monotonic" | "both", number]

const cases: ReadonlyArray<{ readonly what: string; readonly steps: ReadonlyArray<Step>; readonly passed: number }> = [
  { what: "time that passes", steps: [["pass", 5], ["pass", 7]], passed: 12 },
  { what: "a wall clock that is set back", steps: [["pass", 5], ["wall", -hour], ["pass", 5]], passed: 10 },
  {
    what: "one that is set forth, as by a sleep",
    steps: [["pass", 5], ["wall", hour], ["pass", 5]],
    passed: hour + 10
  },
  {
    what: "a sleep after the wall clock was set back",
    steps: [["wall", -hour], ["pass", 5], ["wall", 60_000], ["pass", 5]],
    passed: 60_010
  },
  { what: "a short sleep", steps: [["wall", 1], ["wall", 1]], passed: 2 },
  {
    what: "a wall clock that is set back again and again",
    steps: [["wall", -hour], ["pass", 1], ["wall", -hour], ["pass", 1]],
    passed: 2
  },
  { what: "a wall clock that stands still", steps: [["monotonic", 5], ["monotonic", 5]], passed: 10 },
  { what: "a wall clock for both, set back", steps: [["pass", 5], ["both", -hour], ["pass", 5]], passed: 10 }
]

const take = (clock: ReturnType<typeof makeClock>, [what, millis]: Step) => {
  switch (what) {
    case "pass":
    case "both":
      return clock.pass(millis)
    case "wall":
      return clock.setWall(millis)
    case "monotonic":
      return clock.setMonotonic(millis)
  }
}

describe("what time it is", () => {
  for (const { passed, steps, what } of cases) {
    it(`follows ${what}`, () => {
      const clock = makeClock(today, 1000)
      const { now } = Time.make(clock.clock)
      for (const step of steps) {
        take(clock, step)
        now()
      }
      assert.strictEqual(now(), today + passed)
    })
  }

  it("begins with the wall clock, for schedules that go by the hour", () => {
    assert.strictEqual(Time.make(makeClock(today, 1000).clock).now(), today)
    assert.strictEqual(Time.make(makeClock(today, today + hour).clock).now(), today)
  })

  it("is a whole number, which a difference does not miss by a hair", () => {
    const clock = makeClock(today + 0.3, 2210411.8972159997)
    const { now } = Time.make(clock.clock)
    const before = now()
    assert.isTrue(Number.isInteger(before))
    clock.pass(0.9)
    assert.isTrue(Number.isInteger(now()))
    assert.isAtMost(now() - before, 1)
  })

  it("loses no millisecond to nanoseconds that are too many for a double", () => {
    for (let millis = today; millis < today + 2000; millis++) {
      assert.strictEqual(Time.elapsed(makeClock(0, millis).clock), millis)
    }
  })

  it("two readings that are not of the same moment do not add up", () => {
    const clock = makeClock(today, 1000)
    const { now } = Time.make(clock.clock)
    for (let times = 0; times < 1000; times++) {
      clock.setWall(times % 2 === 0 ? 900 : -900)
      now()
    }
    assert.strictEqual(now(), today + 900)
  })

  const { array, constantFrom, integer, tuple } = FastCheck
  const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
    tuple(constantFrom("pass" as const), integer({ min: 0, max: 10_000 })),
    tuple(constantFrom("wall" as const), integer({ min: 0, max: hour })),
    tuple(constantFrom("wall" as const), integer({ min: -hour, max: -1000 })),
    tuple(constantFrom("both" as const), integer({ min: -hour, max: -1 }))
  )

  it("is the sum of all that passed, awake or asleep", () => {
    FastCheck.assert(FastCheck.property(array(step), (steps) => {
      const clock = makeClock(today, 1000)
      const { now } = Time.make(clock.clock)
      let expected = today
      for (const next of steps) {
        take(clock, next)
        expected += Math.max(next[1], 0)
        assert.strictEqual(now(), expected)
      }
    }))
  })

  it("never goes back, whatever the clocks do", () => {
    const any = tuple(constantFrom<Step[0]>("pass", "wall", "monotonic", "both"), integer({ min: -hour, max: hour }))
    FastCheck.assert(FastCheck.property(array(any), (steps) => {
      const clock = makeClock(today, 1000)
      const { now } = Time.make(clock.clock)
      let before = now()
      for (const next of steps) {
        take(clock, next)
        const after = now()
        assert.isAtLeast(after, before)
        before = after
      }
    }))
  })
})

describe("a stopwatch", () => {
  it("measures what passed, and neither a sleep nor a wall clock that is set", () => {
    const clock = makeClock(today, 1000)
    const passed = Time.stopwatch(clock.clock)
    clock.pass(5)
    clock.setWall(hour)
    clock.pass(5)
    clock.setWall(-2 * hour)
    assert.deepStrictEqual(passed(), Duration.millis(10))
  })

  it.effect("is driven by the TestClock, as the time is", () =>
    Effect.gen(function*() {
      const { clock, now } = yield* Time.current
      const passed = Time.stopwatch(clock)
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(passed(), Duration.seconds(90))
      assert.strictEqual(now(), 90_000)
      yield* TestClock.setTime(today)
      assert.strictEqual(now(), today)
    }))
})
