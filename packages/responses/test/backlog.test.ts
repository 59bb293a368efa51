import { assert, describe, it } from "@effect/vitest"
import type { Exchange } from "../src/internal/exchange/exchange.ts"
import * as Backlog from "../src/internal/socket/backlog.ts"

/** A response of which so many characters wait. */
class Response {
  size: number
  readonly name: string
  readonly told: Array<string> = []
  readonly exchange: Exchange

  constructor(name: string, size: number) {
    this.name = name
    this.size = size
    const behind: Pick<Exchange, "fellBehind" | "size"> = {
      size: () => this.size,
      fellBehind: (description) => {
        this.told.push(description)
      }
    }
    this.exchange = behind as Exchange
  }
}

const make = (limits: Partial<Backlog.Limits> = {}) => {
  let overruns = 0
  const [a, b] = [{}, {}]
  const all: Array<Response> = []
  const backlog = new Backlog.Backlog(
    { response: Infinity, connection: Infinity, layer: Infinity, ...limits },
    () => overruns++
  )
  return {
    a,
    b,
    backlog,
    overruns: () => overruns,
    /** The response has become behind. */
    add: (name: string, size: number, connection: object, isPaused = false) => {
      const response = new Response(name, size)
      all.push(response)
      backlog.add(response.exchange, connection, isPaused)
      return response
    },
    /** Those that were told to go. */
    gone: () => all.filter(({ told }) => told.length > 0).map(({ name }) => name)
  }
}

describe("what readers have not read", () => {
  it("is limited for one response", () => {
    const { a, add, gone, overruns } = make({ response: 100 })
    add("one", 100, a)
    assert.deepStrictEqual([gone(), overruns()], [[], 0])
    add("other", 101, a)
    assert.deepStrictEqual([gone(), overruns()], [["other"], 1])
  })

  it("is limited for all responses of a connection: the largest one goes", () => {
    const { a, add, b, gone } = make({ connection: 100 })
    add("a1", 30, a)
    add("a2", 60, a)
    add("b1", 90, b)
    add("a3", 10, a)
    assert.deepStrictEqual(gone(), [])
    add("a4", 1, a)
    assert.deepStrictEqual(gone(), ["a2"])
    // It does not count any longer.
    add("a5", 59, a)
    assert.deepStrictEqual(gone(), ["a2"])
    add("a6", 1, a)
    assert.deepStrictEqual(gone(), ["a2", "a5"])
  })

  it("is limited for all responses of a Layer: the largest one goes, wherever it is", () => {
    const { a, add, b, gone } = make({ layer: 100 })
    add("a1", 60, a)
    add("b1", 40, b)
    assert.deepStrictEqual(gone(), [])
    add("b2", 1, b)
    assert.deepStrictEqual(gone(), ["a1"])
  })

  it("ends one response at a time, for the narrowest limit that it is over", () => {
    const { a, add, gone, overruns } = make({ response: 50, connection: 50, layer: 50 })
    add("one", 50, a)
    const { told } = add("two", 51, a)
    assert.deepStrictEqual([gone(), overruns()], [["two"], 1])
    assert.include(told[0], "51 characters behind, and more than 50 wait for one response (maxUnread.response).")
  })

  it("is told with the limit", () => {
    const limits = [{ connection: 7 }, { layer: 7 }].map((limit) => {
      const { a, add } = make(limit)
      return add("one", 8, a).told[0] ?? ""
    })
    assert.include(limits[0], "more than 7 wait for all responses on a connection")
    assert.include(limits[1], "more than 7 wait for all responses of a Layer")
  })

  it("counts no longer when the reader has caught up, and at its size of now", () => {
    const { a, add, backlog, gone } = make({ connection: 100 })
    const one = add("one", 90, a)
    backlog.remove(one.exchange)
    const two = add("two", 90, a)
    assert.deepStrictEqual(gone(), [])
    two.size = 20
    add("three", 80, a)
    assert.deepStrictEqual(gone(), [])
    two.size = 90
    backlog.add(two.exchange, a, false)
    assert.deepStrictEqual(gone(), ["two"])
  })

  it("ends nobody while the connection is paused, and counts for others all the same", () => {
    const { a, add, b, gone } = make({ response: 100, layer: 150 })
    add("a1", 1000, a, true)
    assert.deepStrictEqual(gone(), [])
    add("b1", 1, b)
    assert.deepStrictEqual(gone(), ["a1"])
  })

  it("may be more than the longest text of a model, by default", () => {
    assert.isAbove(Backlog.defaults.response, 128_000 * 230)
    assert.isAtLeast(Backlog.defaults.connection, Backlog.defaults.response)
    assert.isAtLeast(Backlog.defaults.layer, Backlog.defaults.connection)
  })
})
