import { assert, describe, it } from "@effect/vitest"
import { Capacity, hopeTimeout } from "../src/internal/socket/capacity.ts"
import { type Lane, Lanes } from "../src/internal/socket/lane.ts"
import { Naming } from "../src/internal/socket/naming.ts"

const make = (maxLanes: number, profile = { lanes: true }) => {
  const host = {
    lanes: new Lanes(),
    reserved: 0,
    usedAt: 0,
    phase: { admits: () => true, foundRoom: () => void told++ }
  }
  let told = 0
  let now = 0
  const naming = new Naming({ maxConnections: maxLanes === 1 ? 1 : 2, maxLanes, profile })
  const capacity = new Capacity(host, naming, { clock: undefined as never, now: () => now })
  /** A turn takes a lane. */
  const hold = (name: string) => {
    const lane = host.lanes.use(name)
    lane.hold()
    return lane
  }
  return {
    capacity,
    hold,
    host,
    later: (millis: number) => {
      now += millis
    },
    told: () => told
  }
}

const named = ({ capacity, host: { lanes } }: ReturnType<typeof make>) => capacity.onNamed(lanes.use("1"), true)

const shown: Readonly<Record<string, (at: ReturnType<typeof make>) => void>> = {
  nothing: () => {},
  "a name": named,
  "no name": ({ capacity, host: { lanes } }) => capacity.onNamed(lanes.use("1"), false),
  "one at a time": ({ capacity }) => capacity.runOne(),
  "a name, and one at a time": (at) => {
    named(at)
    at.capacity.runOne()
  },
  "one at a time, and a name": (at) => {
    at.capacity.runOne()
    named(at)
  }
}

/** Places, and how many more are hoped for: where the Layer names four lanes, where its callers do, and on a server without lanes. */
const expected: Readonly<Record<string, ReadonlyArray<readonly [number, number]>>> = {
  nothing: [[1, 3], [1, 0], [1, 0]],
  "a name": [[4, 0], [1, 0], [1, 0]],
  "no name": [[1, 0], [1, 0], [1, 0]],
  "one at a time": [[1, 0], [1, 0], [1, 0]],
  "a name, and one at a time": [[1, 0], [1, 0], [1, 0]],
  "one at a time, and a name": [[1, 0], [1, 0], [1, 0]]
}

describe("the places on a connection", () => {
  for (const [name, show] of Object.entries(shown)) {
    it(`when the server has shown ${name}`, () => {
      const found = [make(4), make(1), make(4, { lanes: false })].map((at) => {
        show(at)
        return [at.capacity.room(), at.capacity.hopedFor()]
      })
      assert.deepStrictEqual(found, [...expected[name] ?? []].map((places) => [...places]))
    })
  }

  it("are told once, when the first event has the name of its lane", () => {
    const at = make(4)
    named(at)
    named(at)
    assert.deepStrictEqual([at.told(), at.capacity.namesLanes()], [1, true])
  })

  it("are hoped for as long as the first event may take", () => {
    const { capacity, hold, later } = make(4)
    hold("1")
    later(hopeTimeout)
    assert.strictEqual(capacity.hopedFor(), 3)
    later(1)
    assert.strictEqual(capacity.hopedFor(), 0)
  })

  it("are stuck when more than half of them have no turn", () => {
    const at = make(4)
    named(at)
    const drain = (name: string) => {
      const lane = at.hold(name)
      const exchange = {} as Parameters<Lane["run"]>[0]
      lane.run(exchange)
      lane.drain(exchange)
      return lane
    }
    at.hold("1")
    drain("2")
    drain("3").lose()
    assert.isFalse(at.capacity.isStuck())
    drain("4")
    assert.isTrue(at.capacity.isStuck())
  })
})
