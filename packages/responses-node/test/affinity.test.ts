/** Several conversations on one Layer: each goes on where the server has it, and sends only what is new. */
import { assert, describe, it } from "@effect/vitest"
import type { RecordedRequest } from "effect-responses-server/Observation"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Profile from "effect-responses/Profile"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import { ResponsesSocket } from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as NodeResponses from "../src/NodeResponses.ts"

const apiKey = Redacted.make("sk-affinity")

/** A dialogue that hands over its whole history, and numbers what it says. */
const dialogue = (name: string) => {
  let history: ReadonlyArray<ResponseItem.ResponseItem> = []
  return Effect.suspend(() => {
    const input = [...history, ResponseItem.user(`${name} ${history.length}`)]
    return Effect.map(Responses.create({ model: "m", store: false, input }), ({ output }) => {
      history = [...input, ...output]
    })
  })
}

type Dialogue = Effect.Effect<void, ResponsesError, Responses.Responses>

const names = ["a", "b", "c"]

const inTurn = (dialogues: ReadonlyArray<Dialogue>) => Effect.all(dialogues, { discard: true })
const together = (dialogues: ReadonlyArray<Dialogue>) =>
  Effect.all(dialogues, { discard: true, concurrency: "unbounded" })

const texts = ({ body }: RecordedRequest) =>
  typeof body.input === "string" ? [] : (body.input ?? []).map(ResponseItem.text)

const placeOf = ({ body, connection }: RecordedRequest) => `${connection} ${body.stream_id ?? ""}`

/** By dialogue: how each of its requests was sent, and where. */
const sent = (requests: ReadonlyArray<RecordedRequest>) =>
  names.map((name) => {
    const own = requests.filter((request) => texts(request).at(-1)?.startsWith(name))
    return {
      how: own.map(({ body, transport }) =>
        transport === "http" ? "http" : typeof body.previous_response_id === "string" ? "delta" : "full"
      ),
      items: own.map((request) => texts(request).length),
      places: own.filter(({ transport }) => transport === "websocket").map(placeOf)
    }
  })

const local = (options: Partial<NodeResponses.Options> = {}) =>
  Effect.map(ResponsesServer.make({ apiKey }), (server): {
    readonly server: ResponsesServer.Service
    readonly layer: Layer.Layer<Responses.Responses | ResponsesSocket, unknown>
  } => ({
    server,
    layer: NodeResponses.layer({ apiKey, baseUrl: server.url, reconnect: Schedule.stop, ...options })
  }))

const profiles: ReadonlyArray<Profile.Profile> = [
  Profile.openAi,
  { ...Profile.azure, auth: Profile.openAi.auth },
  Profile.xAi,
  Profile.strict
]

describe("each dialogue keeps its place, and no other has it", () => {
  for (const profile of profiles) {
    for (const [how, round] of [["in turn", inTurn], ["at once", together]] as const) {
      it.scopedLive(`${profile.name}, ${how}`, () =>
        Effect.gen(function*() {
          const { layer, server } = yield* local({ profile })
          const dialogues = names.map(dialogue)
          yield* Effect.provide(Effect.repeatN(round(dialogues), 3), layer)
          const all = sent(yield* server.requests)
          for (const { how, items, places } of all) {
            assert.deepStrictEqual(how, ["full", "delta", "delta", "delta"])
            assert.deepStrictEqual(items, [1, 1, 1, 1])
            assert.lengthOf(new Set(places), 1)
          }
          assert.lengthOf(new Set(all.flatMap(({ places }) => places)), names.length)
        }))
    }
  }

  it.scopedLive("after an outage, too: HTTP had all of it, and so has a new connection, once", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* local({ probe: { first: 1 } })
      const dialogues = names.map(dialogue)
      const back = Effect.repeat(
        Effect.scoped(Effect.tap(Responses.open({ model: "m", input: "Are you there?" }), Responses.collect)),
        { until: ({ transport }) => transport === "websocket", schedule: Schedule.spaced(1) }
      )
      const closed = Effect.repeat(Effect.flatMap(ResponsesSocket, ({ stats }) => stats), {
        until: ({ open }) => !open,
        schedule: Schedule.spaced(1)
      })
      yield* Effect.gen(function*() {
        yield* Effect.repeatN(inTurn(dialogues), 1)
        yield* server.refuseUpgrades({ status: 503 })
        yield* server.disconnect("cut")
        yield* closed
        yield* inTurn(dialogues)
        yield* server.acceptUpgrades
        yield* back
        yield* Effect.repeatN(inTurn(dialogues), 2)
      }).pipe(Effect.provide(layer))
      const all = sent(yield* server.requests)
      for (const { how, items, places } of all) {
        assert.deepStrictEqual(how, ["full", "delta", "http", "full", "delta", "delta"])
        assert.deepStrictEqual(items, [1, 1, 5, 7, 1, 1])
        assert.lengthOf(new Set(places.slice(2)), 1)
      }
      assert.lengthOf(new Set(all.flatMap(({ places }) => places.slice(2))), names.length)
    }))
})
