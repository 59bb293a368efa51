import { assert, describe, it } from "@effect/vitest"
import * as Exchange from "../src/internal/exchange/exchange.ts"
import { Lane, Lanes } from "../src/internal/socket/lane.ts"

const makeExchange = () =>
  Exchange.make({ maxOutputSize: Infinity, onBehind: () => {}, onCaughtUp: () => {}, redact: (text) => text })

type Happening = "hold" | "run" | "its exchange ends" | "another exchange ends" | "drain" | "release" | "lose"

interface Case {
  readonly lane: Lane
  readonly exchange: Exchange.Exchange
}

const happenings: Readonly<Record<Happening, (at: Case) => void>> = {
  hold: ({ lane }) => lane.hold(),
  run: ({ exchange, lane }) => lane.run(exchange),
  "its exchange ends": ({ exchange, lane }) => lane.ended(exchange),
  "another exchange ends": ({ lane }) => lane.ended(makeExchange()),
  drain: ({ exchange, lane }) => lane.drain(exchange),
  release: ({ lane }) => lane.release(),
  lose: ({ lane }) => lane.lose()
}

const states: Readonly<Record<Lane["tag"], ReadonlyArray<Happening>>> = {
  Free: [],
  Held: ["hold"],
  Running: ["hold", "run"],
  Draining: ["hold", "run", "release"],
  Lost: ["hold", "run", "release", "lose"]
}

const bug = (happening: string, state: string) => `BUG: ${happening} on a lane that is ${state}`

/** The state after, or the error where a happening cannot be. */
const expected: Readonly<Record<Lane["tag"], Readonly<Record<Happening, string>>>> = {
  Free: {
    hold: "Held",
    run: bug("run", "Free"),
    // Where the connection had ended the exchange never ran here.
    "its exchange ends": "Free",
    "another exchange ends": "Free",
    drain: "Free",
    // What was ended from this side has left the lane before its turn did.
    release: "Free",
    lose: bug("lose", "Free")
  },
  Held: {
    hold: bug("hold", "Held"),
    run: "Running",
    "its exchange ends": "Held",
    "another exchange ends": "Held",
    drain: "Held",
    release: "Free",
    lose: bug("lose", "Held")
  },
  Running: {
    hold: bug("hold", "Running"),
    run: bug("run", "Running"),
    "its exchange ends": "Held",
    "another exchange ends": "Running",
    drain: "Draining",
    release: "Draining",
    lose: bug("lose", "Running")
  },
  Draining: {
    hold: bug("hold", "Draining"),
    run: bug("run", "Draining"),
    "its exchange ends": "Free",
    "another exchange ends": "Draining",
    drain: "Draining",
    release: "Draining",
    lose: "Lost"
  },
  Lost: {
    hold: bug("hold", "Lost"),
    run: bug("run", "Lost"),
    "its exchange ends": "Free",
    "another exchange ends": "Lost",
    drain: "Lost",
    release: "Lost",
    lose: bug("lose", "Lost")
  }
}

const reach = (past: ReadonlyArray<Happening>): Case => {
  const at = { lane: new Lane("a"), exchange: makeExchange() }
  for (const happening of past) happenings[happening](at)
  return at
}

describe("a lane", () => {
  for (const [state, past] of Object.entries(states)) {
    it(`${state}: whatever happens next`, () => {
      const found = Object.fromEntries(
        Object.entries(happenings).map(([name, happen]) => {
          const at = reach(past)
          assert.strictEqual(at.lane.tag, state)
          try {
            happen(at)
          } catch (error) {
            assert.strictEqual(at.lane.tag, state, "an impossible happening changes nothing")
            return [name, String(error).replace("Error: ", "")]
          }
          return [name, at.lane.tag]
        })
      )
      assert.deepStrictEqual(found, { ...expected[state as Lane["tag"]] })
    })
  }

  it("has an exchange while one runs, whether or not its caller is still there", () => {
    for (const [state, past] of Object.entries(states)) {
      const { exchange, lane } = reach(past)
      const runs = state === "Running" || state === "Draining" || state === "Lost"
      assert.strictEqual(lane.exchange, runs ? exchange : undefined, state)
    }
  })

  it("forgets at the end of its exchange what it knew of the server's other responses, and not before", () => {
    for (const past of [states.Running, states.Draining]) {
      const { exchange, lane } = reach(past)
      lane.stranger = "resp_2"
      lane.idsVary = true
      lane.ended(makeExchange())
      assert.deepInclude(lane, { stranger: "resp_2", idsVary: true })
      lane.ended(exchange)
      assert.deepInclude(lane, { stranger: undefined, idsVary: false })
    }
  })

  it("is released by the turn that has it, and by no other", () => {
    const lane = new Lane("a")
    const [first, second] = [{}, {}]
    lane.hold(first)
    lane.release(second)
    assert.strictEqual(lane.tag, "Held")
    lane.release(first)
    lane.hold(second)
    lane.release(first)
    assert.strictEqual(lane.tag, "Held")
    assert.isTrue(lane.isHeldBy(second))
  })

  it("that is free keeps a stranger which began there", () => {
    const { exchange, lane } = reach([])
    lane.stranger = "resp_2"
    lane.ended(exchange)
    assert.strictEqual(lane.stranger, "resp_2")
  })
})

describe("the lanes of a connection", () => {
  const names = (lanes: Lanes) => [...lanes].map(({ name }) => name)

  it("are made when they are used, and not when they are looked for", () => {
    const lanes = new Lanes()
    assert.isUndefined(lanes.find("a"))
    assert.strictEqual(lanes.size, 0)
    const lane = lanes.use("a")
    assert.deepInclude(lane, { name: "a", tag: "Free" })
    assert.strictEqual(lanes.find("a"), lane)
    assert.strictEqual(lanes.size, 1)
  })

  it("stay the same, and are in the order of their latest use", () => {
    const lanes = new Lanes()
    const [a, b] = [lanes.use("a"), lanes.use("b")]
    assert.deepStrictEqual(names(lanes), ["a", "b"])
    assert.strictEqual(lanes.use("a"), a)
    assert.deepStrictEqual(names(lanes), ["b", "a"])
    assert.strictEqual(lanes.find("b"), b)
    assert.deepStrictEqual(names(lanes), ["b", "a"])
  })

  it("count those that are not free, and those that have a turn", () => {
    const lanes = new Lanes()
    for (const [name, past] of Object.entries(states)) {
      const { lane } = reach(past)
      lane.name = name
      lanes.put(lane)
    }
    assert.deepStrictEqual([lanes.busy(), lanes.withTurns()], [4, 2])
  })

  it("can lose their names", () => {
    const lanes = new Lanes()
    const lane = lanes.use("1")
    lanes.unname(lane)
    assert.deepStrictEqual([lanes.find(""), lanes.find("1"), lane.name], [lane, undefined, ""])
    lanes.remove(lane)
    assert.strictEqual(lanes.size, 0)
  })

  it("give what runs on them, of those who have left too", () => {
    const lanes = new Lanes()
    const [running, draining] = [makeExchange(), makeExchange()]
    for (const [name, exchange] of [["a", running], ["b", undefined], ["c", draining]] as const) {
      const lane = lanes.use(name)
      lane.hold()
      if (exchange !== undefined) lane.run(exchange)
      if (exchange === draining) lane.release()
    }
    assert.deepStrictEqual(lanes.running(), [running, draining])
  })
})
