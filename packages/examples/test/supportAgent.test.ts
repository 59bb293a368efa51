/** The support agent as its author would test it: a model in memory, a shop of the test's own, and the clock by hand. */
import { Terminal } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Deferred, Effect, Fiber, Layer, Mailbox, Option, TestClock } from "effect"
import { ConversationJournal, type ResponseItem, ResponseScript, ResponsesTest } from "effect-responses"
import { agent, Busy, Shop } from "../src/agents/support.ts"

const { error, text, toolCall, turn } = ResponseScript

const untouched: Context.Tag.Service<Shop> = {
  order: () => Effect.dieMessage("order was asked"),
  parcel: () => Effect.dieMessage("parcel was asked"),
  stock: () => Effect.dieMessage("stock was asked"),
  refund: () => Effect.dieMessage("refund was asked")
}

const screen = (shown: Array<string>) =>
  Layer.succeed(
    Terminal.Terminal,
    Terminal.Terminal.of({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      isTTY: Effect.succeed(false),
      readInput: Mailbox.make<Terminal.UserInput>(),
      readLine: Effect.fail(new Terminal.QuitException()),
      display: (text) => Effect.sync(() => shown.push(text))
    })
  )

/** All that the agent needs. The journal is kept, so that the agent can be started again. */
const world = (script: ResponseScript.Script, shop: Partial<Context.Tag.Service<Shop>>, shown: Array<string> = []) =>
  Layer.mergeAll(
    ResponsesTest.layer(script),
    ConversationJournal.layerMemory,
    Layer.succeed(Shop, { ...untouched, ...shop }),
    screen(shown)
  )

const outputIn = (input: string | ReadonlyArray<ResponseItem.ResponseItem> | undefined) =>
  (typeof input === "string" ? [] : input ?? []).flatMap((item) =>
    item.type === "function_call_output" ? [item.output] : []
  )

/** What the model was told last. */
const told = Effect.flatMap(
  ResponsesTest.ResponsesTest,
  ({ requests }) => Effect.map(requests, (all) => outputIn(all.at(-1)?.input))
)

/** A model that calls a tool once, or some at once, and is content with whatever it is told. */
const calling = (...names: ReadonlyArray<readonly [name: string, args: object]>): ResponseScript.Script => [
  turn(names.map(([name, args]) => toolCall({ name, arguments: args }))),
  text("Thank you.")
]

const order = { order: 17 }

const isRunning = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Effect.map(Fiber.poll(fiber), Option.isNone)

describe("the support agent", () => {
  it.effect("tells the model what the shop knows of an order", () =>
    Effect.gen(function*() {
      yield* agent(["Where is it?"])
      assert.deepStrictEqual(yield* told, ["{\"id\":17}"])
    }).pipe(Effect.provide(world(calling(["get_order", order]), { order: (id) => Effect.succeed({ id }) }))))

  it.effect("tells the model the policy", () =>
    Effect.gen(function*() {
      yield* agent(["May I?"])
      assert.deepStrictEqual(yield* told, ["What is lost on the way is refunded."])
    }).pipe(Effect.provide(world(calling(["get_policy", {}]), {}))))

  it.effect("waits a minute for the carrier, and no longer", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(agent(["Where is it?"]))
      yield* TestClock.adjust("59999 millis")
      assert.isTrue(yield* isRunning(fiber))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.match(JSON.stringify(yield* told), /^\["Error: the tool had no result within 1m/)
    }).pipe(Effect.provide(world(calling(["track_parcel", order]), { parcel: () => Effect.never }))))

  it.effect("asks a busy warehouse twice more, a second apart", () => {
    let asked = 0
    const stock = () => Effect.suspend(() => ++asked < 3 ? new Busy() : Effect.succeed(14))
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(agent(["Have you another one?"]))
      yield* TestClock.adjust("1999 millis")
      assert.isTrue(yield* isRunning(fiber))
      assert.strictEqual(asked, 2)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* told, ["14"])
    }).pipe(Effect.provide(world(calling(["check_stock", { article: "lamp" }]), { stock })))
  })

  it.effect("tells the model in its own words that the warehouse stayed busy", () => {
    let asked = 0
    const stock = () => Effect.suspend(() => Effect.zipRight(Effect.sync(() => asked++), new Busy()))
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(agent(["Have you another one?"]))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(asked, 3)
      assert.deepStrictEqual(yield* told, ["Nobody knows how many there are."])
    }).pipe(Effect.provide(world(calling(["check_stock", { article: "lamp" }]), { stock })))
  })

  it.effect("asks the carrier and the warehouse at once", () =>
    Effect.gen(function*() {
      const meeting = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
      // Each ends only when the other one has begun.
      const meet = (mine: 0 | 1, other: 0 | 1) =>
        Effect.zipRight(Deferred.succeed(meeting[mine], undefined), Deferred.await(meeting[other]))
      yield* agent(["Where is it, and have you another one?"]).pipe(
        Effect.provideService(Shop, {
          ...untouched,
          parcel: () => Effect.as(meet(0, 1), "on its way"),
          stock: () => Effect.as(meet(1, 0), 14)
        })
      )
      assert.deepStrictEqual(yield* told, ["on its way", "14"])
    }).pipe(Effect.provide(world(calling(["track_parcel", order], ["check_stock", { article: "lamp" }]), {}))))

  for (
    const { decision, output, paid } of [
      { decision: "--approve", output: "paid back", paid: [17] },
      {
        decision: "--reject",
        output: "Error: the user has rejected this call, and the tool was not run: the boss says no",
        paid: []
      }
    ]
  ) {
    it.effect(`asks before it pays back: ${decision}`, () => {
      const refunds: Array<number> = []
      const keys = new Set<string>()
      const shown: Array<string> = []
      const refund = (id: number, key: string) =>
        Effect.sync(() => {
          refunds.push(id)
          keys.add(key)
          return "paid back"
        })
      return Effect.gen(function*() {
        yield* agent(["I want my money back."])
        // Nothing changes for whoever starts it without an answer.
        yield* agent([])
        assert.strictEqual(shown.join("").split("--approve or --reject? refund {\"order\":17}").length, 3)
        assert.deepStrictEqual(refunds, [])
        yield* agent([decision])
        assert.deepStrictEqual(refunds, paid)
        assert.isTrue([...keys].every((key) => key.startsWith("ada:")))
        assert.deepStrictEqual(yield* told, [output])
        assert.isTrue(shown.join("").endsWith("Thank you.\n"))
        assert.lengthOf(yield* (yield* ResponsesTest.ResponsesTest).requests, 2)
      }).pipe(Effect.provide(world(calling(["refund", order]), { refund }, shown)))
    })
  }

  it.effect("takes no other question while one of its calls is not decided", () =>
    Effect.gen(function*() {
      yield* agent(["I want my money back."])
      const refused = yield* Effect.flip(agent(["Hello?"]))
      assert.strictEqual(refused._tag, "PendingRound")
      assert.match(refused.message, /approve or reject refund call_/)
    }).pipe(Effect.provide(world(calling(["refund", order]), {}))))

  it.effect("asks again after a 429", () => {
    const shown: Array<string> = []
    return Effect.gen(function*() {
      const fiber = yield* Effect.fork(agent(["Hello?"]))
      yield* TestClock.adjust("100 millis")
      assert.isTrue(yield* isRunning(fiber))
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(fiber)
      assert.match(shown.join(""), /^\nResponseFailed: again in .*\nHello\.\n$/)
      assert.lengthOf(yield* (yield* ResponsesTest.ResponsesTest).requests, 2)
    }).pipe(Effect.provide(world(
      [
        error({ status: 429, code: "rate_limit_exceeded", message: "Too many requests" }),
        text("Hello.")
      ],
      {},
      shown
    )))
  })
})
