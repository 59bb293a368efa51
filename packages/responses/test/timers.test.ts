import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Timers from "../src/internal/effect/timers.ts"
import * as Machine from "./support/machine.ts"

const makeTimers = Effect.gen(function*() {
  const machine = yield* Machine.make
  const scope = yield* Scope.make()
  const timers = yield* Timers.make.pipe(Effect.withClock(machine.clock), Scope.extend(scope))
  const rung: Array<string> = []
  const add = (name: string, at: number, more: () => void = () => {}) => {
    const timer = Timers.timer(at, () => {
      rung.push(`${name} at ${timers.time.now()}`)
      more()
    })
    timers.add(timer)
    return timer
  }
  return { timers, add, rung, machine, sleepers: machine.sleepers, close: Scope.close(scope, Exit.void) }
})

describe("timers", () => {
  it.effect("ring at each time, and not before", () =>
    Effect.gen(function*() {
      const { add, rung } = yield* makeTimers
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

  it.effect("ring for several at once, in the order of their times, each once", () =>
    Effect.gen(function*() {
      const { add, machine, rung } = yield* makeTimers
      add("late", 30)
      add("first", 10)
      add("second", 10)
      add("early", 5)
      machine.sleep(95)
      yield* TestClock.adjust(5)
      assert.deepStrictEqual(rung, ["early at 100", "first at 100", "second at 100", "late at 100"])
      yield* TestClock.adjust(100)
      assert.strictEqual(rung.length, 4)
    }))

  it.effect("have one fiber, however many timers wait, and none where nothing waits", () =>
    Effect.gen(function*() {
      const { add, sleepers } = yield* makeTimers
      assert.strictEqual(sleepers(), 0)
      for (let at = 20; at > 0; at--) add(String(at), at)
      yield* TestClock.adjust(0)
      assert.strictEqual(sleepers(), 1)
      yield* TestClock.adjust(10)
      assert.strictEqual(sleepers(), 1)
      yield* TestClock.adjust(10)
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("wake up for nothing that is never due", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeTimers
      add("never", Infinity)
      assert.strictEqual(sleepers(), 0)
      add("a", 10)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["a at 10"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("do not ring for what was removed", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers, timers } = yield* makeTimers
      const removed = add("a", 10)
      add("b", 20)
      timers.remove(removed)
      timers.remove(undefined)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(rung, ["b at 20"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("do not ring for what another ring has just removed", () =>
    Effect.gen(function*() {
      const { add, rung, timers } = yield* makeTimers
      add("a", 10, () => timers.remove(other))
      const other = add("b", 10)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(rung, ["a at 10"])
    }))

  it.effect("ring for an earlier one that came later, and then for the first", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeTimers
      add("far", 1000)
      add("near", 10)
      yield* TestClock.adjust(0)
      assert.strictEqual(sleepers(), 1)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["near at 10"])
      yield* TestClock.adjust(990)
      assert.deepStrictEqual(rung, ["near at 10", "far at 1000"])
    }))

  it.effect("ring at once for what is over", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeTimers
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

  it.effect("ring for what a ring has added", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeTimers
      add("a", 10, () => {
        add("later", 30)
        add("at once", 10)
      })
      add("b", 20)
      for (let time = 0; time < 30; time++) yield* TestClock.adjust(1)
      assert.deepStrictEqual(rung, ["a at 10", "at once at 10", "b at 20", "later at 30"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("ring for the others where one has thrown", () =>
    Effect.gen(function*() {
      const { add, rung, sleepers } = yield* makeTimers
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

  it.effect("ring at the whole millisecond that follows, and wake up once for it", () =>
    Effect.gen(function*() {
      const { add, machine, rung } = yield* makeTimers
      yield* TestClock.adjust(1000)
      add("a", 2210411.897216)
      yield* TestClock.adjust(Duration.millis(2210411 - 1000))
      const before = machine.sleeps()
      assert.deepStrictEqual(rung, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(rung, ["a at 2210412"])
      assert.strictEqual(machine.sleeps(), before)
    }))

  it.effect("do not wake up for nothing where the time has fractions", () =>
    Effect.gen(function*() {
      const { add, machine, rung } = yield* makeTimers
      yield* TestClock.adjust(Duration.millis(2210.7319))
      add("a", 9811.897216)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(rung, ["a at 9812"])
      assert.isAtMost(machine.sleeps(), 2)
    }))

  it.effect("ring in time where the wall clock is set back while they wait", () =>
    Effect.gen(function*() {
      const { add, machine, rung } = yield* makeTimers
      add("a", 10_000)
      yield* TestClock.adjust(5000)
      machine.setBack("1 hour")
      add("b", 10_001)
      yield* TestClock.adjust(4999)
      assert.deepStrictEqual(rung, [])
      yield* TestClock.adjust(2)
      assert.deepStrictEqual(rung, ["a at 10000", "b at 10001"])
    }))

  it.effect("find out that the machine has slept by what is added", () =>
    Effect.gen(function*() {
      const { add, machine, rung, sleepers } = yield* makeTimers
      add("far", 1000)
      machine.sleep(5000)
      add("near", 5010)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(rung, ["far at 5000"])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(rung, ["far at 5000", "near at 5010"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("are in time for what is added after a sleep of the machine, which the fiber's own does not count", () =>
    Effect.gen(function*() {
      const { add, machine, rung } = yield* makeTimers
      add("removed", 5000)
      machine.sleep(4000)
      add("a", 6000)
      yield* TestClock.adjust(2000)
      assert.deepStrictEqual(rung, ["removed at 5000", "a at 6000"])
    }))

  it.effect("find out by themselves within five minutes", () =>
    Effect.gen(function*() {
      const { add, machine, rung } = yield* makeTimers
      add("a", 3_600_000)
      yield* TestClock.adjust("2 minutes")
      machine.sleep("2 hours")
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(rung, ["a at 7500000"])
    }))

  it.effect("wait for longer than setTimeout can", () =>
    Effect.gen(function*() {
      const { add, machine } = yield* makeTimers
      add("a", Duration.toMillis("30 days"))
      const longest = Math.max(...yield* TestClock.sleeps())
      assert.isAtMost(longest, 2 ** 31 - 1)
      assert.strictEqual(machine.sleepers(), 1)
    }))

  it.effect("ring for 200,000, in order", () =>
    Effect.gen(function*() {
      const { machine, sleepers, timers } = yield* makeTimers
      const order: Array<number> = []
      const count = 200_000
      for (let index = 0; index < count; index++) {
        // Each once, in no order.
        const at = 10 + (index * 7919) % count
        timers.add(Timers.timer(at, () => order.push(at - 10)))
      }
      yield* TestClock.adjust(0)
      assert.strictEqual(sleepers(), 1)
      machine.sleep(count)
      yield* TestClock.adjust(10)
      assert.strictEqual(order.length, count)
      assert.isTrue(order.every((at, index) => at === index))
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("are silent once their scope is closed, and have no fiber", () =>
    Effect.gen(function*() {
      const { add, close, rung, sleepers } = yield* makeTimers
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

  it.effect("are silent once their scope is closed by one that rings", () =>
    Effect.gen(function*() {
      const { add, close, rung, sleepers } = yield* makeTimers
      add("a", 10, () => Effect.runSync(close))
      add("b", 10)
      add("c", 20)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(rung, ["a at 10"])
      assert.strictEqual(sleepers(), 0)
    }))

  it.effect("are not those of another scope", () =>
    Effect.gen(function*() {
      const one = yield* makeTimers
      const other = yield* makeTimers
      one.add("a", 10)
      other.add("b", 10)
      yield* one.close
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(one.rung, [])
      assert.deepStrictEqual(other.rung, ["b at 10"])
    }))
})

/** A `Clock` of one's own, because the `TestClock` takes some milliseconds for each step. */
const makeHandClock = () => {
  let monotonic = 0
  let offset = 0
  let began = 0
  let sleepers: ReadonlyArray<{ readonly until: number; readonly resume: () => void }> = []
  const wall = () => monotonic + offset
  const nanos = () => BigInt(monotonic) * 1_000_000n
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: wall,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(wall),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        began++
        const sleeper = { until: monotonic + Duration.toMillis(duration), resume: () => resume(Effect.void) }
        sleepers = [...sleepers, sleeper]
        return Effect.sync(() => {
          sleepers = sleepers.filter((one) => one !== sleeper)
        })
      })
  }
  const settle = Effect.repeatN(Effect.yieldNow(), 5)
  const pass = (millis: number): Effect.Effect<void> =>
    Effect.gen(function*() {
      const end = monotonic + millis
      for (;;) {
        yield* settle
        const next = sleepers.toSorted((one, other) => one.until - other.until)[0]
        if (next === undefined || next.until > end) break
        monotonic = Math.max(monotonic, next.until)
        sleepers = sleepers.filter((one) => one !== next)
        next.resume()
      }
      monotonic = end
    })
  return {
    clock,
    pass,
    settle,
    elapsed: () => monotonic,
    sleepers: () => sleepers.length,
    began: () => began,
    setWall: (millis: number) => {
      offset += millis
    }
  }
}

type Ring = "nothing" | "throws" | "removes" | "adds"

type Operation =
  | { readonly _tag: "Add"; readonly after: number; readonly ring: Ring }
  | { readonly _tag: "Remove"; readonly which: number }
  | { readonly _tag: "Pass"; readonly millis: number }
  /** The wall clock is set: forth is what a sleep of the machine looks like. */
  | { readonly _tag: "Set"; readonly millis: number }

interface Rung {
  readonly name: number
  readonly at: number
}

/** What the operations do, whether it is to timers or to a model of them: names are given in the order of adding. */
const makePlayer = (
  now: () => number,
  add: (name: number, at: number, ring: () => void) => void,
  remove: (name: number) => void
) => {
  const rung: Array<Rung> = []
  let names = 0
  const added = (after: number, ring: Ring): void => {
    const name = names++
    add(name, now() + after, () => {
      rung.push({ name, at: now() })
      if (ring === "adds") added(7, "nothing")
      if (ring === "removes") remove(name + 1)
      if (ring === "throws") throw new Error("a ring that throws")
    })
  }
  return { rung, added, names: () => names }
}

const playTimers = Effect.gen(function*() {
  const hand = makeHandClock()
  const timers = yield* Effect.withClock(Timers.make, hand.clock)
  const all: Array<Timers.Timer> = []
  const removed = new Set<number>()
  const remove = (name: number) => {
    removed.add(name)
    timers.remove(all[name])
  }
  const player = makePlayer(
    timers.time.now,
    (name, at, ring) => {
      all[name] = Timers.timer(at, ring)
      timers.add(all[name])
    },
    remove
  )
  const perform = (operation: Operation): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (operation._tag === "Pass") return hand.pass(operation.millis)
      if (operation._tag === "Add") player.added(operation.after, operation.ring)
      if (operation._tag === "Remove" && operation.which < all.length) remove(operation.which)
      if (operation._tag === "Set") hand.setWall(operation.millis)
      // A set-back and a sleep with nothing in between cannot be told apart.
      timers.time.now()
      return Effect.void
    })
  return { hand, all, removed, perform, now: timers.time.now, ...player }
})

/** A list that is searched for the next one. Knows the time that passes, and no clock. */
const playModel = () => {
  let time = 0
  let all: ReadonlyArray<{ readonly name: number; readonly at: number; readonly ring: () => void }> = []
  const remove = (name: number) => {
    all = all.filter((one) => one.name !== name)
  }
  const player = makePlayer(
    () => time,
    (name, at, ring) => {
      all = [...all, { name, at: Math.ceil(at), ring }]
    },
    remove
  )
  const pass = (millis: number) => {
    const end = time + millis
    for (;;) {
      const next = all.toSorted((one, other) => one.at - other.at || one.name - other.name)[0]
      if (next === undefined || next.at > end) break
      time = Math.max(time, next.at)
      remove(next.name)
      try {
        next.ring()
      } catch {
        // The others ring all the same.
      }
    }
    time = end
  }
  return {
    rung: player.rung,
    perform: (operation: Operation): void => {
      if (operation._tag === "Pass") pass(operation.millis)
      if (operation._tag === "Add") player.added(operation.after, operation.ring)
      if (operation._tag === "Remove") remove(operation.which)
    }
  }
}

describe("timers, whatever is done with them", () => {
  const { array, constant, constantFrom, integer, nat, oneof, record } = FastCheck
  const add = record({
    _tag: constant("Add" as const),
    after: oneof(integer({ min: -5, max: 50 }), constantFrom(0.25, 7.897216, 400_000, 3_600_000, Infinity)),
    ring: constantFrom<Ring>("nothing", "nothing", "throws", "removes", "adds")
  })
  const remove = record({ _tag: constant("Remove" as const), which: nat(30) })
  const pass = record({
    _tag: constant("Pass" as const),
    millis: oneof(integer({ min: 0, max: 20 }), constantFrom(1000, 300_000, 3_600_000))
  })
  const setBack = record({ _tag: constant("Set" as const), millis: integer({ min: -10_000_000, max: -1000 }) })
  const sleep = record({ _tag: constant("Set" as const), millis: integer({ min: 1, max: 10_000_000 }) })
  const last: Operation = { _tag: "Pass", millis: 3_600_000 }

  it.live("a ring that adds one that is due gives way to the rest of the program first", () =>
    Effect.scoped(Effect.gen(function*() {
      const hand = makeHandClock()
      const timers = yield* Effect.withClock(Timers.make, hand.clock)
      let rung = 0
      const again = () => {
        if (++rung < 5) timers.add(Timers.timer(-Infinity, again))
      }
      timers.add(Timers.timer(0, again))
      yield* hand.pass(0)
      assert.deepStrictEqual([rung, hand.began()], [5, 5])
    })))

  const check = (step: FastCheck.Arbitrary<Operation>, body: (operations: Array<Operation>) => Effect.Effect<void>) =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(array(step, { maxLength: 40, size: "max" }), (operations) =>
          Effect.runPromise(body([...operations, last]))),
        { numRuns: 300 }
      )
    )

  it.live("they ring as a list would that is searched each time, and a wall clock set back changes nothing", () =>
    check(oneof(add, add, remove, pass, setBack), (operations) =>
      Effect.scoped(Effect.gen(function*() {
        const { hand, names, perform, rung } = yield* playTimers
        const model = playModel()
        for (const operation of operations) {
          yield* perform(operation)
          model.perform(operation)
        }
        assert.deepStrictEqual(rung, model.rung)
        assert.isAtMost(hand.sleepers(), 1)
        // Each that is added or removed can cost one wake-up, and each five minutes.
        assert.isAtMost(hand.began(), 2 * names() + operations.length + hand.elapsed() / 300_000)
      }))))

  it.live("where the machine sleeps none is lost, doubled or too early, and none is more than five minutes late", () =>
    check(oneof(add, add, remove, pass, setBack, sleep), (operations) =>
      Effect.scoped(Effect.gen(function*() {
        const { all, hand, now, perform, removed, rung } = yield* playTimers
        let slept = 0
        let seen = 0
        for (const operation of operations) {
          yield* perform(operation)
          if (operation._tag === "Set" && operation.millis > 0) slept = hand.elapsed()
          for (const { at, name } of rung.slice(seen)) {
            const due = all[name]?.at ?? NaN
            assert.isAtLeast(at, due)
            const elapsed = hand.elapsed() - (now() - at)
            assert.isAtMost(Math.min(at - due, elapsed - slept), 300_000)
          }
          seen = rung.length
        }
        const names = rung.map(({ name }) => name)
        assert.strictEqual(new Set(names).size, names.length)
        const lost = all.filter(({ at }, name) => at <= now() - 300_000 && !names.includes(name) && !removed.has(name))
        assert.deepStrictEqual(lost, [])
      }))))
})
