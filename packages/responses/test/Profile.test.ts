import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigError, Duration, Either } from "effect"
import * as Profile from "../src/Profile.ts"

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

    it(`${name} keeps clear of the 16 MiB at which a server refuses a message`, () => {
      assert.isBelow(profile.maxFrameBytes, 16 * 1024 * 1024)
      assert.isAbove(profile.maxFrameBytes, 14 * 1024 * 1024)
    })

    it(`strict assumes no more than ${name}`, () => {
      const { continuesWithInstructions, lanes, maxAge, maxFrameBytes, uniqueIds, usableAfterError } = Profile.strict
      assert.isTrue(Duration.lessThanOrEqualTo(maxAge, profile.maxAge))
      assert.isAtMost(maxFrameBytes, profile.maxFrameBytes)
      assert.isFalse(continuesWithInstructions || lanes || uniqueIds || usableAfterError)
    })
  }

  it("says what each server does", () => {
    const minutes = (profile: Profile.Profile) => Duration.toMinutes(profile.maxAge)
    assert.deepStrictEqual(
      Object.values(ready).map((profile) => [
        profile.name,
        minutes(profile),
        profile.lanes,
        profile.usableAfterError,
        profile.continuesWithInstructions
      ]),
      [
        ["openAi", 60, true, true, true],
        ["azure", 60, false, true, true],
        ["xAi", 25, false, false, false],
        ["strict", 25, false, false, false]
      ]
    )
  })

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
