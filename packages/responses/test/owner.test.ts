import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Owner from "../src/internal/effect/owner.ts"
import { settle } from "./support/clocks.ts"

/** An owner in a scope of its own, and what was seen of what it runs and opens. */
const make = Effect.gen(function*() {
  const seen: Array<string> = []
  const scope = yield* Scope.make()
  const owner = yield* Scope.extend(Owner.make(() => "closed" as const), scope)
  const goOn = yield* Deferred.make<void, "failed">()

  const note = (text: string) => Effect.sync(() => void seen.push(text))
  const work = Effect.onInterrupt(Deferred.await(goOn), () => note("the work is interrupted"))
  const resource = Effect.gen(function*() {
    yield* note("it opens")
    yield* Effect.addFinalizer(() => note("it is released"))
    yield* work
    return "resource"
  })

  const told = (exit: Exit.Exit<unknown, "failed" | "closed">) => {
    if (Exit.isSuccess(exit)) return seen.push("done")
    const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
    if (failure !== undefined) return seen.push(`fails: ${failure}`)
    return seen.push(Cause.isInterrupted(exit.cause) ? "interrupted" : `dies: ${String(Cause.squash(exit.cause))}`)
  }
  /** As callers do: what they would have to take care of is kept in the same uninterruptible step. */
  const caller = <A>(use: (restore: Owner.Restore) => Effect.Effect<A, "failed" | "closed">) =>
    Effect.uninterruptibleMask((restore) => Effect.onExit(use(restore), (exit) => Effect.sync(() => told(exit))))

  const fibers: Array<Fiber.RuntimeFiber<unknown, "failed" | "closed">> = []
  const begin = <A>(use: (restore: Owner.Restore) => Effect.Effect<A, "failed" | "closed">) =>
    Effect.map(Effect.fork(caller(use)), (fiber) => void fibers.push(fiber))
  return { owner, seen, goOn, work, resource, begin, fibers, close: Scope.close(scope, Exit.void) }
})

type At = Effect.Effect.Success<typeof make>

const happenings = {
  "an effect is run": ({ begin, owner, work }: At) => begin((restore) => owner.run(work, restore)),
  "a resource is opened": ({ begin, owner, resource }: At) => begin((restore) => owner.open(resource, restore)),
  "it succeeds": ({ goOn }: At) => Effect.asVoid(Deferred.succeed(goOn, undefined)),
  "it fails": ({ goOn }: At) => Effect.asVoid(Deferred.fail(goOn, "failed")),
  "it dies": ({ goOn }: At) => Effect.asVoid(Deferred.die(goOn, new Error("bug"))),
  "the caller is interrupted": ({ fibers }: At) => Effect.forEach(fibers, Fiber.interruptFork, { discard: true }),
  "the owner is closed": ({ close }: At) => close
} satisfies Readonly<Record<string, (at: At) => Effect.Effect<void>>>

type Happening = keyof typeof happenings

const names = Object.keys(happenings) as ReadonlyArray<Happening>

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  "An effect runs": ["an effect is run"],
  "A resource is being opened": ["a resource is opened"],
  "A resource is open": ["a resource is opened", "it succeeds"],
  Closed: ["the owner is closed"]
}

const nothing = ""

const expected: Readonly<Record<string, Partial<Readonly<Record<Happening, string>>>>> = {
  "An effect runs": {
    "it succeeds": "done",
    "it fails": "fails: failed",
    "it dies": "dies: Error: bug",
    "the caller is interrupted": "the work is interrupted, interrupted",
    "the owner is closed": "the work is interrupted, fails: closed"
  },
  "A resource is being opened": {
    "it succeeds": "done",
    "it fails": "fails: failed, it is released",
    "it dies": "dies: Error: bug, it is released",
    "the caller is interrupted": "the work is interrupted, interrupted, it is released",
    "the owner is closed": "the work is interrupted, it is released, fails: closed"
  },
  "A resource is open": {
    "the caller is interrupted": nothing,
    "the owner is closed": "it is released"
  },
  Closed: {
    "an effect is run": "fails: closed",
    "a resource is opened": "fails: closed",
    "the owner is closed": nothing
  }
}

describe("an owner", () => {
  for (const [state, past] of Object.entries(states)) {
    it.effect(`${state}: whatever happens next`, () =>
      Effect.gen(function*() {
        const found: Record<string, string> = {}
        for (const name of names) {
          if (expected[state]?.[name] === undefined) continue
          const at = yield* make
          for (const happening of past) {
            yield* happenings[happening](at)
            yield* settle
          }
          const since = at.seen.length
          yield* happenings[name](at)
          yield* settle
          found[name] = at.seen.slice(since).join(", ")
          yield* at.close
        }
        assert.deepStrictEqual(found, { ...expected[state] })
      }))
  }

  it.effect("gives a resource a scope of its own, and closes it when it is discarded", () =>
    Effect.gen(function*() {
      const { close, goOn, owner, resource, seen } = yield* make
      yield* Deferred.succeed(goOn, undefined)
      const open = Effect.uninterruptibleMask((restore) => owner.open(resource, restore))
      const [one] = [yield* open, yield* open]
      assert.strictEqual(one.value, "resource")
      owner.discard(one.scope)
      assert.deepStrictEqual(seen, ["it opens", "it opens"], "not in the step that discards it")
      yield* settle
      assert.deepStrictEqual(seen, ["it opens", "it opens", "it is released"])
      owner.discard(one.scope)
      yield* settle
      yield* close
      assert.deepStrictEqual(seen.slice(2), ["it is released", "it is released"])
    }))

  it.effect("a fiber that it starts goes on when the step is over that started it, and ends with its scope", () =>
    Effect.gen(function*() {
      const { owner, seen, work } = yield* make
      const scope = yield* Scope.make()
      owner.fork(Effect.zipRight(Effect.sync(() => seen.push("it begins")), Effect.orDie(work)), scope)
      assert.deepStrictEqual(seen, [])
      yield* settle
      assert.deepStrictEqual(seen, ["it begins"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, ["it begins", "the work is interrupted"])
    }))

  it.effect("a fiber that it starts without a scope ends with the owner, and can be ended before", () =>
    Effect.gen(function*() {
      const { close, owner, seen, work } = yield* make
      const [one] = [owner.fork(Effect.orDie(work)), owner.fork(Effect.orDie(work))]
      yield* settle
      yield* Fiber.interrupt(one)
      assert.deepStrictEqual(seen, ["the work is interrupted"])
      yield* close
      assert.deepStrictEqual(seen, ["the work is interrupted", "the work is interrupted"])
    }))

  it.scoped("what it forks can be interrupted, and has the context of the owner, wherever it was forked", () =>
    Effect.gen(function*() {
      const ref = yield* FiberRef.make("the owner's")
      const { owner, seen, work } = yield* make
      const scope = yield* Scope.make()
      yield* Effect.sync(() =>
        owner.fork(
          Effect.zipRight(Effect.map(FiberRef.get(ref), (value) => seen.push(value)), Effect.orDie(work)),
          scope
        )
      ).pipe(Effect.uninterruptible, Effect.locally(ref, "the caller's"))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, ["the owner's", "the work is interrupted"])
    }))

  it.effect("closes a scope to its end, even where the owner is closed meanwhile", () =>
    Effect.gen(function*() {
      const { close, owner, seen } = yield* make
      const release = yield* Deferred.make<void>()
      const owned = yield* Scope.make()
      yield* Scope.addFinalizer(
        owned,
        Effect.zipRight(Deferred.await(release), Effect.sync(() => seen.push("released")))
      )
      owner.discard(owned)
      yield* settle
      const closing = yield* Effect.fork(close)
      yield* settle
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(seen, ["released"])
    }))
})
