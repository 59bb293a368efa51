import { assert, describe, it } from "@effect/vitest"
import * as Exchange from "../src/internal/exchange.ts"
import * as Router from "../src/internal/router.ts"
import type { ServerEvent } from "../src/ResponseEvent.ts"

const exchange = () => Exchange.make({ onPressure: () => {}, scrub: (text) => text })

const delta = (lane?: string): ServerEvent => ({
  type: "response.output_text.delta",
  delta: "Hi",
  ...lane === undefined ? {} : { stream_id: lane }
})

const failure: ServerEvent = { type: "error", message: "No." }

/** A router, with a request running on each of the lanes. */
const running = (...lanes: ReadonlyArray<string>) => {
  const router = Router.make()
  const exchanges = lanes.map((lane) => {
    const made = exchange()
    router.add(lane, made)
    return made
  })
  return { router, exchanges }
}

describe("a frame belongs to", () => {
  it("the request on its lane", () => {
    const { exchanges: [unnamed, a], router } = running("", "a")
    assert.strictEqual(router.find(delta()), unnamed)
    assert.strictEqual(router.find(delta("a")), a)
  })

  it("the only request, if it names a lane that nobody used, or none", () => {
    const { exchanges: [a], router } = running("a")
    assert.strictEqual(router.find(delta("b")), a)
    assert.strictEqual(router.find(delta()), a)
  })

  it("nobody, if it names a lane that nobody used and two requests run", () => {
    const { router } = running("a", "b")
    assert.isUndefined(router.find(delta("c")))
    assert.isUndefined(router.find(failure))
  })

  it("nobody, if it names a lane whose request has ended", () => {
    const { exchanges: [a], router } = running("a")
    router.settle(a!)
    router.add("b", exchange())
    assert.isUndefined(router.find(delta("a")))
  })

  it("nobody, if it names no lane and the request without a lane has ended, unless it is a failure", () => {
    const { exchanges: [unnamed], router } = running("")
    router.settle(unnamed!)
    const b = exchange()
    router.add("b", b)
    assert.isUndefined(router.find(delta()))
    assert.strictEqual(router.find(failure), b)
  })

  it("nobody, once all were taken", () => {
    const { exchanges, router } = running("", "a")
    assert.deepStrictEqual(router.takeAll().length, exchanges.length)
    assert.isUndefined(router.find(delta("a")))
    assert.isUndefined(router.onLane(""))
  })
})
