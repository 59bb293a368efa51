/** What the compiler knows of a tool, and what it refuses. */
// @effect-diagnostics missingEffectContext:off missingEffectError:off
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import * as ResponseTool from "../src/ResponseTool.ts"

class Busy extends Data.TaggedError("Busy")<{ readonly load: number }> {}

class Bank extends Context.Tag("test/Bank")<Bank, { readonly rate: number }>() {}

class Limits extends Context.Tag("test/Limits")<Limits, number>() {}

type Rate = ResponseTool.ResponseTool<Busy, Bank>

const name = "rate"

const parameters = Schema.Struct({ currency: Schema.String })

const rate = (currency: string) =>
  Effect.flatMap(Bank, (bank) => currency === "EUR" ? Effect.succeed(bank.rate) : Effect.fail(new Busy({ load: 1 })))

const whileBusy = Schedule.recurs(2).pipe(Schedule.whileInput((error: Busy) => error.load < 2))

const limited: Schedule.Schedule<number, unknown, Limits> = Schedule.mapEffect(Schedule.recurs(2), () => Limits)

describe("the types of a tool", () => {
  it("its errors are known to `while`, and what the schedule needs is added", () => {
    const tool = ResponseTool.make({
      name,
      parameters,
      handler: ({ currency }) => rate(currency),
      retry: { times: 2, schedule: Schedule.exponential("1 second"), while: (error) => error.load < 2 }
    })
    expectTypeOf(tool).toEqualTypeOf<Rate>()
    const custom = ResponseTool.custom({
      name,
      handler: (input) => rate(input),
      retry: { times: 2, schedule: limited, while: (error) => error.load < 2 }
    })
    expectTypeOf(custom).toEqualTypeOf<ResponseTool.ResponseTool<Busy, Bank | Limits>>()
  })

  it("its handler may be made by `Effect.fn`", () => {
    const tool = ResponseTool.make({
      name,
      parameters,
      handler: Effect.fn(function*({ currency }) {
        expectTypeOf(currency).toEqualTypeOf<string>()
        return yield* rate(currency)
      }),
      needsApproval: ({ currency }) => currency === "XAU",
      retry: { times: 2, while: (error: Busy) => error.load < 2 }
    })
    expectTypeOf(tool).toEqualTypeOf<Rate>()
    const unannotated = ResponseTool.make({
      name,
      parameters,
      handler: Effect.fn("rate")(function*({ currency }) {
        return yield* rate(currency)
      }),
      retry: {
        times: 2,
        while: (error) => {
          // The compiler asks for it before it has looked at the handler.
          expectTypeOf(error).toEqualTypeOf<unknown>()
          return error instanceof Busy
        }
      }
    })
    expectTypeOf(unannotated).toEqualTypeOf<Rate>()
    const custom = ResponseTool.custom({
      name,
      handler: Effect.fn(function*(input) {
        return yield* rate(input)
      }),
      retry: whileBusy
    })
    expectTypeOf(custom).toEqualTypeOf<Rate>()
  })

  it("a schedule may look at its errors", () => {
    const alone = ResponseTool.make({
      name,
      parameters,
      handler: ({ currency }) => rate(currency),
      retry: whileBusy
    })
    expectTypeOf(alone).toEqualTypeOf<Rate>()
    const limitedTimes = ResponseTool.make({
      name,
      parameters,
      handler: ({ currency }) => rate(currency),
      retry: { times: 2, schedule: whileBusy, while: (error: Busy) => error.load < 3 }
    })
    expectTypeOf(limitedTimes).toEqualTypeOf<Rate>()
  })

  it("a handler that fails with what `while` or the schedule does not take is refused", () => {
    const handler = (text: string) => text === "" ? Effect.fail("no text") : rate(text)
    expectTypeOf<Effect.Effect.Error<ReturnType<typeof handler>>>().toEqualTypeOf<string | Busy>()
    ResponseTool.custom({
      name,
      // @ts-expect-error: also fails with a string
      handler: (input) => handler(input),
      retry: whileBusy
    })
    ResponseTool.custom({
      name,
      // @ts-expect-error: also fails with a string
      handler: (input) => handler(input),
      retry: { times: 1, while: (error: Busy) => error.load < 2 }
    })
  })

  it("a wrong option leaves what a tool needs as it is known", () => {
    assert.throws(() => {
      const tool = ResponseTool.custom({
        name,
        handler: (input) => Effect.succeed(input),
        timeout: "1 second",
        retry: {
          times: -1,
          // @ts-expect-error: a duration is no schedule
          schedule: "1 second"
        }
      })
      expectTypeOf<ResponseTool.Requirements<typeof tool>>().toEqualTypeOf<never>()
    }, ResponseTool.InvalidTool)
  })
})
