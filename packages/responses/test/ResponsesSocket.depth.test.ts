/** Output nested deeper than anything could write or compare it. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as Responses from "../src/Responses.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { request, socket } from "./support/socket.ts"

const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`
const part = `{"type":"output_text","text":"Hello","annotations":${deep}}`
const item = `{"type":"message","id":"msg_1","role":"assistant","content":[${part}]}`
const done = `{"type":"response.output_item.done","output_index":0,"item":${item}}`
const end = `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[${item}]}}`

const textOf = ({ output }: Responses.FinalResponse) => output.map(ResponseItem.text).join()

const ways: Readonly<Record<string, Effect.Effect<string, unknown, Responses.Responses>>> = {
  create: Effect.map(Responses.create(request), textOf),
  stream: Stream.runFold(
    Responses.stream(request),
    "",
    (text, event) => event.type === "response.output_item.done" ? text + ResponseItem.text(event.item) : text
  ),
  forEach: Effect.suspend(() => {
    let text = ""
    return Effect.map(
      Responses.forEach(request, (event) => {
        if (event.type === "response.output_item.done") text += ResponseItem.text(event.item)
      }),
      () => text
    )
  })
}

for (const [name, way] of Object.entries(ways)) {
  socket(`${name} gives it, and the connection goes on`, (server) =>
    Effect.gen(function*() {
      const asked = yield* Effect.fork(way)
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"), done, end)
      assert.strictEqual(yield* Fiber.join(asked), "Hello")
      assert.isFalse(connection.isClosed())

      const next = yield* Effect.fork(Responses.create({ ...request, input: "Something else" }))
      const sent = yield* connection.request
      assert.isUndefined(sent["previous_response_id"])
      yield* connection.send(...FakeServer.answer("resp_2"))
      assert.strictEqual((yield* Fiber.join(next)).id, "resp_2")
      assert.strictEqual(server.dials(), 1)
    }))
}

/** Where it is in the item, and what becomes of a request that sends it again. */
const echoes: ReadonlyArray<readonly [where: string, item: string, outcome: "continued" | "InvalidRequest"]> = [
  ["where nothing is compared", item, "continued"],
  ["where its meaning is", `{"type":"an_item_of_tomorrow","id":"x_1","deep":${deep}}`, "InvalidRequest"]
]

for (const [where, item, outcome] of echoes) {
  socket(`sent again, ${where}, it is ${outcome}, and what comes after is served`, (server) =>
    Effect.gen(function*() {
      const asked = yield* Effect.fork(Responses.create(request))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(
        FakeServer.created("resp_1"),
        `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[${item}]}}`
      )
      const { output } = yield* Fiber.join(asked)
      const input = [ResponseItem.user("hi"), ...output, ResponseItem.user("And?")]
      const again = yield* Effect.fork(Effect.either(Responses.create({ model: "m", input })))
      if (outcome === "continued") {
        assert.strictEqual((yield* connection.request)["previous_response_id"], "resp_1")
        yield* connection.send(...FakeServer.answer("resp_2"))
      }
      const found = yield* Fiber.join(again)
      assert.strictEqual(found._tag === "Left" ? found.left._tag : "continued", outcome)

      const next = yield* Effect.fork(Responses.create({ ...request, input: "Something else" }))
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_3"))
      assert.strictEqual((yield* Fiber.join(next)).id, "resp_3")
      assert.strictEqual(server.dials(), 1)
    }))
}
