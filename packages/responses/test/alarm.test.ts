import { assert, describe, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Alarm from "../src/internal/alarm.ts"

/** A clock whose time can be put on, as a computer's is that was asleep, and which counts the fibers that sleep on it. */
const makeClock = Effect.map(TestClock.testClock(), (test) => {
  let ahead = 0
  let sleepers = 0
  const clock: Clock.Clock = {
    ...test,
    unsafeCurrentTimeMillis: () => test.unsafeCurrentTimeMillis() + ahead,
    sleep: (duration) =>
      Effect.acquireUseRelease(
        Effect.sync(() => sleepers++),
        () => test.sleep(duration),
        () => Effect.sync(() => sleepers--)
      )
  }
  return {
    clock,
    sleepers: () => sleepers,
    putOn: (millis: number) => {
      ahead += millis
    }
  }
})

const makeAlarm = Effect.gen(function*() {
  const { clock, putOn, sleepers } = yield* makeClock
  const scope = yield* Scope.make()
  const alarm = yield* Alarm.make.pipe(Effect.withClock(clock), Scope.extend(scope))
  const rung: Array<string> = []
  const add = (name: string, at: number, more: () => void = () => {}) => {
    const timed: Alarm.Timed = {
      at,
      ring: () => {
        rung.push(`${name} at ${alarm.now()}`)
        more()
      }
    }
    alarm.add(timed)
    return timed
  }
  return { alarm, add, rung, sleepers, putOn, close: Scope.close(scope, Exit.void) }
})

describe("an alarm", () => {
  it.effect("rings at each time, and not before", () =>
    Effect.gen(function*() {
      const { add, rung } = yield* makeAlarm
      add("a", 10)
      add("b", 20)
      yield* TestClock.adjust(9)
      assert.deepStrictEqual(rung, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(rung, ["a at 10"])
      yield* TestClock.adjust(9)
      assert.deepStrictEqual(rung, ["a at 10"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(rung, ["a at 10", "b at 20"])
    }))

  it.effect("rings for several at once, in the order of their times, each once", () =>
    Effect.gen(function*() {
      const { add, putOn, rung } = yield* makeAlarm
      add("late", 30)
      add("first", 10)
      add("second", 10)
      add("early", 5)
      putOn(95)
      yield* TestClock.adjust(5)
      assert.deepStrictEqual(rung, ["early at 100", "first at 100", "second at 100", "late at 100"])
      yield* TestClock.adjust(100)
      assert.strictEqual(rung.length, 4)
    }))

  it.effect("has one fiber, however many wait, and none where nobody does", () =>
    Effect.gen(function*() {
      const { add, sleepers } = yield* makeAlarm
      assert.strictEqual(sleepers(), 0)
      for (let at = 20; at > 0; at--) add(String(at), at)
      yield* TestClock.adjust(0)
      assert.strictEqual(sleepers(), 1)
      yield* TestClock.adjust(10)
      assert.strictEqual(sleepers(), 1)
      yield* TestClock.adjust(10)
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("wakes up for nothing that has no time", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeAlarm
      add("never", Infinity)
      assert.strictEqual(sleepers(), 0)
      add("a", 10)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["a at 10"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("does not ring for what was removed", () =>
    Effect.gen(function*() {
      const { add, alarm, rung, sleepers } = yield* makeAlarm
      const removed = add("a", 10)
      add("b", 20)
      alarm.remove(removed)
      alarm.remove(undefined)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(rung, ["b at 20"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("does not ring for what another ring has just removed", () =>
    Effect.gen(function*() {
      const { add, alarm, rung } = yield* makeAlarm
      add("a", 10, () => alarm.remove(other))
      const other = add("b", 10)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(rung, ["a at 10"])
    }))

  it.effect("rings for an earlier one that came later, and then for the first", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeAlarm
      add("far", 1000)
      add("near", 10)
      yield* TestClock.adjust(0)
      assert.strictEqual(sleepers(), 1)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["near at 10"])
      yield* TestClock.adjust(990)
      assert.deepStrictEqual(rung, ["near at 10", "far at 1000"])
    }))

  it.effect("rings at once for what is over", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeAlarm
      yield* TestClock.adjust(50)
      add("far", 1000)
      add("past", 10)
      add("present", 50)
      add("ever", -Infinity)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(rung, ["past at 50", "present at 50", "ever at 50"])
      add("near", 60)
      yield* TestClock.adjust(0)
      assert.strictEqual(sleepers(), 1)
      yield* TestClock.adjust(950)
      assert.strictEqual(rung.at(-1), "far at 1000")
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("rings for what a ring has added", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeAlarm
      add("a", 10, () => {
        add("later", 30)
        add("at once", 10)
      })
      add("b", 20)
      for (let time = 0; time < 30; time++) yield* TestClock.adjust(1)
      assert.deepStrictEqual(rung, ["a at 10", "at once at 10", "b at 20", "later at 30"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("rings for the others where one has thrown", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeAlarm
      const fail = () => {
        throw new Error("a ring that throws")
      }
      add("a", 10)
      add("b", 10, fail)
      add("c", 10, fail)
      add("d", 10)
      add("e", 20)
      yield* TestClock.adjust(10)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(rung, ["a at 10", "b at 10", "c at 10", "d at 10"])
      yield* TestClock.adjust(10)
      assert.strictEqual(rung.at(-1), "e at 20")
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("rings in time where the clock was put on while it slept", () =>
    Effect.gen(function*() {
      const { add, putOn, rung, sleepers } = yield* makeAlarm
      add("far", 1000)
      putOn(5000)
      // The fiber still sleeps, and finds out by what is added.
      add("near", 5010)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(rung, ["far at 5000"])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["far at 5000", "near at 5010"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("sleeps on where the clock was put back", () =>
    Effect.gen(function*() {
      const { add, putOn, rung } = yield* makeAlarm
      add("a", 10)
      putOn(-5)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, [])
      yield* TestClock.adjust(5)
      assert.deepStrictEqual(rung, ["a at 10"])
    }))

  it.effect("is silent once its scope is closed, and has no fiber", () =>
    Effect.gen(function*() {
      const { add, close, rung, sleepers } = yield* makeAlarm
      add("a", 10)
      yield* TestClock.adjust(0)
      assert.strictEqual(sleepers(), 1)
      yield* close
      add("b", 5)
      add("past", 0)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(rung, [])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("is silent once its scope is closed by one that rings", () =>
    Effect.gen(function*() {
      const { add, close, rung, sleepers } = yield* makeAlarm
      add("a", 10, () => Effect.runSync(close))
      add("b", 10)
      add("c", 20)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(rung, ["a at 10"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("is another one's in another scope", () =>
    Effect.gen(function*() {
      const one = yield* makeAlarm
      const other = yield* makeAlarm
      one.add("a", 10)
      other.add("b", 10)
      yield* one.close
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(one.rung, [])
      assert.deepStrictEqual(other.rung, ["b at 10"])
    }))
})
