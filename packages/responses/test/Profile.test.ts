import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigError, Duration, Effect, Either, Fiber, TestClock } from "effect"
import * as Profile from "../src/Profile.ts"
import { assertConnectionError, failing } from "./support/clocks.ts"
import { answer, ask, begin, first, hello, hi, more, turn } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, run, serve, socket, wholeAnswer } from "./support/socket.ts"

const ready = { openAi: Profile.openAi, azure: Profile.azure, xAi: Profile.xAi, strict: Profile.strict }

const problem = (overrides: Partial<Profile.Profile>) =>
  Either.match(Profile.validate({ ...Profile.openAi, ...overrides }), {
    onLeft: (error) => {
      assert.isTrue(ConfigError.isConfigError(error))
      return Cause.pretty(Cause.fail(error))
    },
    onRight: () => "none"
  })

describe("Profile", () => {
  for (const [name, profile] of Object.entries(ready)) {
    it(`${name} is one that passes, under its own name`, () => {
      assert.strictEqual(Either.getOrThrow(Profile.validate(profile)), profile)
      assert.strictEqual(profile.name, name)
    })
  }

  describe("is refused", () => {
    const bearer = Profile.openAi.auth
    const table: ReadonlyArray<readonly [what: string, overrides: Partial<Profile.Profile>, trait: string]> = [
      ["an age of zero", { maxAge: 0 }, "profile.maxAge"],
      ["a negative age", { maxAge: -1 }, "profile.maxAge"],
      ["an age that is no number", { maxAge: Number.NaN }, "profile.maxAge"],
      // @ts-expect-error: a mistake of who writes no TypeScript
      ["an age that is no duration", { maxAge: "an hour" }, "profile.maxAge"],
      // @ts-expect-error: a mistake of who writes no TypeScript
      ["a switch that is a word", { lanes: "false" }, "profile.lanes"],
      ["a switch that is missing", { uniqueIds: undefined as never }, "profile.uniqueIds"],
      ["no bytes", { maxFrameBytes: 0 }, "profile.maxFrameBytes"],
      ["negative bytes", { maxFrameBytes: -1 }, "profile.maxFrameBytes"],
      ["half a byte", { maxFrameBytes: 1.5 }, "profile.maxFrameBytes"],
      ["bytes that are no number", { maxFrameBytes: Number.NaN }, "profile.maxFrameBytes"],
      ["endless bytes", { maxFrameBytes: Number.POSITIVE_INFINITY }, "profile.maxFrameBytes"],
      ["no header for the key", { auth: { ...bearer, header: "" } }, "profile.auth.header"],
      ["a header for the key with a space", { auth: { ...bearer, header: "api key" } }, "profile.auth.header"],
      ["a header for the key with a colon", { auth: { ...bearer, header: "api-key:" } }, "profile.auth.header"],
      ["an empty scheme", { auth: { ...bearer, scheme: "" } }, "profile.auth.scheme"],
      ["a scheme with its space", { auth: { ...bearer, scheme: "Bearer " } }, "profile.auth.scheme"],
      ["a scheme with a second header in it", { auth: { ...bearer, scheme: "a\r\nb" } }, "profile.auth.scheme"],
      ["a header's name with a newline", { headers: { "x\ny": "1" } }, "profile.headers"],
      ["a header with a newline", { headers: { "x-a": "1\n" } }, "profile.headers.x-a"],
      ["an empty header, after a good one", { headers: { "x-a": "1", "x-b": "" } }, "profile.headers.x-b"]
    ]
    for (const [what, overrides, trait] of table) {
      it(`for ${what}`, () => {
        assert.include(problem(overrides), `${trait}:`)
      })
    }
  })

  it("may have a limit that is as good as none, and headers", () => {
    assert.strictEqual(problem({ maxAge: Duration.infinity, maxFrameBytes: Number.MAX_SAFE_INTEGER }), "none")
    assert.strictEqual(problem({ maxAge: 1, maxFrameBytes: 1, headers: { "OpenAI-Beta": "a=b" } }), "none")
  })

  it("never shows what may be a key", () => {
    const secret = "sk-very secret"
    for (
      const overrides of [
        { headers: { "x-key": `${secret}\n` } },
        { auth: { header: secret, scheme: undefined } },
        { auth: { header: "api-key", scheme: secret } }
      ]
    ) {
      assert.match(problem(overrides), /profile[.]/)
      assert.notInclude(problem(overrides), secret)
    }
  })
})

/** What is known of each server, and what a Layer with its profile does for that reason. */
describe("a connection to", () => {
  const mebibyte = 1024 * 1024

  interface Known {
    /** Several conversations share a connection, each on a lane of its own. */
    readonly hasLanes: boolean
    readonly servesOnAfterError: boolean
    /** `instructions` and `previous_response_id` may come together. */
    readonly continuesWithInstructions: boolean
    /** In minutes: the age at which the server ends a connection. */
    readonly endsAfter: number
  }

  const full = { hasLanes: true, servesOnAfterError: true, continuesWithInstructions: true, endsAfter: 60 }
  const least = { hasLanes: false, servesOnAfterError: false, continuesWithInstructions: false, endsAfter: 25 }

  const servers: Readonly<Record<keyof typeof ready, Known>> = {
    openAi: full,
    azure: { ...full, hasLanes: false },
    xAi: least,
    strict: least
  }

  for (const name of ["openAi", "azure", "xAi", "strict"] as const) {
    const { continuesWithInstructions, endsAfter, hasLanes, servesOnAfterError } = servers[name]
    const options = { profile: ready[name], baseUrl: "http://server.test/v1" }

    socket(
      `${name} ${hasLanes ? "names the lane of a request" : "has one lane, and no name for it"}`,
      (server) =>
        Effect.gen(function*() {
          const fiber = yield* begin(ask([hello], { stream_id: "a" }))
          const connection = yield* server.connection
          assert.strictEqual((yield* connection.request)["stream_id"], hasLanes ? "a" : undefined)
          yield* connection.send(...answer("resp_1", [hi], hasLanes ? "a" : undefined))
          yield* Fiber.join(fiber)
        }),
      options
    )

    socket(
      `${name} ${servesOnAfterError ? "serves on" : "is replaced"} after an error`,
      (server) =>
        Effect.gen(function*() {
          const fiber = yield* failing()
          const connection = yield* server.connection
          yield* connection.request
          yield* connection.send({ type: "error", status: 400, error: { code: "bad", message: "Too long" } })
          yield* Fiber.join(fiber)
          if (servesOnAfterError) assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
          else yield* firstTurn(server)
          assert.strictEqual(server.dials(), servesOnAfterError ? 1 : 2)
        }),
      options
    )

    socket(
      `${name} sends ${continuesWithInstructions ? "only what is new" : "everything"} with instructions`,
      (server) =>
        Effect.gen(function*() {
          const instructions = "Be kind."
          const { connection } = yield* first(server, ask([hello], { instructions }), "resp_1")
          const { sent } = yield* turn(connection, ask([hello, hi, more], { instructions }), "resp_2")
          assert.deepStrictEqual(sent["input"], continuesWithInstructions ? [more] : [hello, hi, more])
        }),
      options
    )

    socket(
      `${name} is replaced before it is ${endsAfter} minutes old, and not in the first third of them`,
      (server) =>
        Effect.gen(function*() {
          const connection = yield* firstTurn(server)
          yield* TestClock.adjust(Duration.minutes(endsAfter / 3))
          assert.isFalse(connection.isClosed())
          yield* TestClock.adjust(Duration.minutes(endsAfter * 2 / 3 - 1))
          yield* connection.closed
          assert.strictEqual(server.open(), 1)
        }),
      options
    )

    socket(
      `${name} takes a message of 14 MiB, and none of the 16 MiB at which servers close`,
      (server) =>
        Effect.gen(function*() {
          assertConnectionError(yield* Effect.flip(run("x".repeat(16 * mebibyte))), "TooLarge", "unsent")
          assert.strictEqual(server.dials(), 0)
          const fiber = yield* Effect.fork(run("x".repeat(14 * mebibyte)))
          const connection = yield* server.connection
          assert.isAbove((yield* connection.frame).length, 14 * mebibyte)
          yield* connection.send(...FakeServer.answer("resp_1"))
          assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
        }),
      options
    )
  }
})
