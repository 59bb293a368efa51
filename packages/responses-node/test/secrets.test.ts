/**
 * The key is in nothing that can be printed: not in errors, spans, logs, metrics or numbers, whatever a server does with the
 * key that it was sent. Not even 16 characters of it in a row. `THOROUGH=1` takes every answer of a server, otherwise long lists
 * of them are sampled.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Profile from "effect-responses/Profile"
import type * as ResponsesOptions from "effect-responses/ResponsesOptions"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import * as Thorough from "../../responses/test/support/thorough.ts"
import type * as NodeResponses from "../src/NodeResponses.ts"
import { completed, created, groups, json, noHttp } from "./support/echoes.ts"
import * as Hostile from "./support/hostile.ts"
import { assertNotCounted, assertNowhere, keys, runAgainst } from "./support/secrets.ts"

for (const [which, [of, key]] of keys.entries()) {
  describe(`a key ${of} is nowhere, though a server repeats it in`, () => {
    for (const [index, { answers, name, succeeds, transport, turns }] of groups.entries()) {
      it.live(name, () =>
        Effect.gen(function*() {
          const run = (each: Hostile.Answers) =>
            Effect.map(runAgainst({ key, transport, answers: each, turns }), ({ exit, witness }) => {
              assertNowhere(witness, key, json(each).slice(0, 300))
              if (succeeds === true) assert.strictEqual(exit._tag, "Success", String(exit))
            })
          yield* Effect.forEach(Thorough.sample(answers(key), which + index), run, { concurrency: 16, discard: true })
        }))
    }
  })

  describe(`a key ${of} is nowhere`, () => {
    const good = [json(created("r")), json(completed("r"))]
    const answers: Hostile.Answers = { turns: [good], post: Hostile.sse(...good) }

    it.live("as part of a URL's query", () =>
      Effect.gen(function*() {
        for (const transport of ["socket", "http", "both"] as const) {
          for (const status of ["200 OK", "503 No"]) {
            const query = `?api-version=1&api-key=${encodeURIComponent(key)}`
            const upgrade = status === "200 OK" ? undefined : Hostile.http(status, { location: `/v1${query}` }, query)
            const { witness } = yield* runAgainst({
              key,
              transport,
              query,
              answers: { ...answers, upgrade },
              options: { apiKey: Redacted.make("another-key") }
            })
            assertNowhere(witness, key, transport)
          }
        }
      }))

    const headers: ReadonlyArray<ResponsesOptions.Headers> = [
      { "x-gateway-token": key },
      { "x-own": Redacted.make(key) },
      { authorization: `Custom ${key}` },
      { cookie: `session=${key}; other=1` }
    ]
    it.live("in another header", () =>
      Effect.gen(function*() {
        const bad = [Hostile.http("403 No", {}, key), ...noHttp(key)].map((answer) => ({
          upgrade: answer,
          post: answer
        }))
        for (const own of headers) {
          for (const transport of ["socket", "http"] as const) {
            const run = (each: Hostile.Answers) =>
              Effect.map(
                runAgainst({
                  key,
                  transport,
                  answers: each,
                  options: { apiKey: Redacted.make("another-key"), headers: own }
                }),
                ({ witness }) => assertNowhere(witness, key, transport)
              )
            yield* Effect.forEach([answers, ...own === headers[0] ? bad : bad.slice(0, 1)], run, {
              concurrency: 16,
              discard: true
            })
          }
        }
      }))

    it.live("in options that are refused", () =>
      Effect.gen(function*() {
        const refused: ReadonlyArray<Partial<NodeResponses.Options>> = [
          { apiKey: Redacted.make(`${key}\n`) },
          { headers: { "x-own": Redacted.make(`${key}\n`) } },
          { baseUrl: `https://user:${key}@example.test/v1` },
          { baseUrl: `https://${key.replaceAll("/", "x")}@example.test/v1` },
          { baseUrl: `ftp://example.test/v1?key=${key}` },
          { baseUrl: key },
          { profile: { ...Profile.openAi, headers: { "x-own": `${key}\n` } } }
        ]
        for (const transport of ["socket", "http", "both"] as const) {
          for (const options of refused) {
            const { exit, witness } = yield* runAgainst({ key, transport, answers, options })
            assert.strictEqual(exit._tag, "Failure")
            assertNowhere(witness, key, transport)
          }
        }
      }))

    it.live("where an agent fails with all that it was given", () =>
      Effect.gen(function*() {
        class Failing extends Http.Agent {
          addRequest(request: Http.ClientRequest, options: object) {
            const error = new Error(`No proxy for ${String(request.getHeader("authorization"))}`)
            Object.assign(error, { code: key, options })
            if (!("async" in this)) throw error
            Object.assign(error, { cause: { request, message: key } })
            setImmediate(() => request.emit("error", error))
          }
        }
        for (const transport of ["socket", "http", "both"] as const) {
          for (const agent of [new Failing(), Object.assign(new Failing(), { async: true })]) {
            const { exit, witness } = yield* runAgainst({ key, transport, answers, options: { agent } })
            assert.strictEqual(exit._tag, "Failure")
            assertNowhere(witness, key, transport)
          }
        }
      }))

    it.live("in a metric, after all that", () => assertNotCounted(key))
  })
}
