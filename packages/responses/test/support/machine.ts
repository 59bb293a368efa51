/**
 * A machine whose wall clock can be set, and which can sleep: its monotonic time and its timers are those of the
 * `TestClock`, which can be adjusted as ever.
 */
import { it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type * as Responses from "../../src/Responses.ts"
import type { ResponsesSocket } from "../../src/ResponsesSocket.ts"
import * as FakeServer from "./fakeServer.ts"

export interface Machine {
  readonly clock: TestClock.TestClock
  /** How many fibers sleep on the clock. */
  readonly sleepers: () => number
  /** How many have begun to. */
  readonly sleeps: () => number
  readonly setBack: (duration: Duration.DurationInput) => void
  /** The wall clock goes on meanwhile, and nothing else. To a program it is the same as a wall clock that is set forward. */
  readonly sleep: (duration: Duration.DurationInput) => void
}

export const make: Effect.Effect<Machine> = Effect.map(TestClock.testClock(), (test) => {
  let offset = 0
  let sleepers = 0
  let sleeps = 0
  const wall = () => test.unsafeCurrentTimeMillis() + offset
  const clock: TestClock.TestClock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: wall,
    unsafeCurrentTimeNanos: () => test.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.sync(wall),
    currentTimeNanos: Effect.sync(() => test.unsafeCurrentTimeNanos()),
    sleep: (duration) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          sleepers++
          sleeps++
        }),
        () => test.sleep(duration),
        () => Effect.sync(() => sleepers--)
      ),
    adjust: (duration) => test.adjust(duration),
    adjustWith: (duration) => test.adjustWith(duration),
    setTime: (time) => test.setTime(time),
    save: Effect.suspend(() => test.save),
    sleeps: Effect.suspend(() => test.sleeps)
  }
  return {
    clock,
    sleepers: () => sleepers,
    sleeps: () => sleeps,
    setBack: (duration) => {
      offset -= Duration.toMillis(duration)
    },
    sleep: (duration) => {
      offset += Duration.toMillis(duration)
    }
  }
})

/** Runs a test on such a machine. */
export const onMachine = <E>(name: string, body: (machine: Machine) => Effect.Effect<void, E, Scope.Scope>) =>
  it.scoped(name, () => Effect.flatMap(make, (machine) => Effect.withClock(body(machine), machine.clock)))

/** With a fake server and the socket's Layer around it. */
export const socketOnMachine = (
  name: string,
  body: (
    machine: Machine,
    server: FakeServer.FakeServer
  ) => Effect.Effect<void, unknown, Responses.Responses | ResponsesSocket | Scope.Scope>,
  options?: Parameters<FakeServer.FakeServer["layer"]>[0]
) =>
  onMachine(
    name,
    (machine) =>
      Effect.flatMap(FakeServer.make, (server) => Effect.provide(body(machine, server), server.layer(options)))
  )
