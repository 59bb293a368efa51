import { assert, describe, it } from "@effect/vitest"
import type { Exchange } from "../src/internal/exchange/exchange.ts"
import * as Causes from "../src/internal/socket/causes.ts"
import { Phase } from "../src/internal/socket/phase.ts"

/** With so many turns, and a request of each that the socket has, or has not, taken. */
const make = (turns: number, isWriting: boolean) => {
  const seen: Array<string> = []
  let writing = isWriting
  const exchange: Pick<Exchange, "fail" | "isWriting"> = {
    isWriting: () => writing,
    fail: () => void seen.push("failed")
  }
  const phase = new Phase({
    running: () => Array.from({ length: turns }, () => exchange as Exchange),
    withTurns: () => turns,
    isWriting: () => turns > 0 && writing
  }, () => seen.push("ended"))
  phase.onEnd(() => seen.push("told"))
  phase.onRoom(() => seen.push("room"))
  return {
    phase,
    seen,
    free: () => {
      turns = 0
    },
    written: () => {
      writing = false
      phase.written()
    }
  }
}

type At = ReturnType<typeof make>

const happenings = {
  upgraded: ({ phase }) => phase.upgraded(),
  released: ({ phase }) => phase.released(),
  "the last is released": ({ free, phase }) => {
    free()
    phase.released()
  },
  retire: ({ phase }) => phase.retire(),
  end: ({ phase }) => phase.end(Causes.closed),
  "end, what is written waits": ({ phase }) => phase.end(Causes.closed, "wait"),
  written: ({ written }) => written()
} satisfies Readonly<Record<string, (at: At) => void>>

type Happening = keyof typeof happenings

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  Opening: [],
  Open: ["upgraded"],
  Retiring: ["upgraded", "retire"],
  Ending: ["upgraded", "end, what is written waits"],
  Closed: ["upgraded", "end"]
}

const ended = "Ended: failed, ended, told"
const left = "Ended: ended, told"

/** What the connection is then, and what was heard. One request is being written. */
const expected: Readonly<Record<string, Readonly<Record<Happening, string>>>> = {
  Opening: {
    upgraded: "Open",
    released: "Opening",
    "the last is released": "Opening",
    retire: "Opening",
    end: ended,
    "end, what is written waits": left,
    written: "Opening"
  },
  Open: {
    upgraded: "Open",
    released: "Open: room",
    "the last is released": "Open: room",
    retire: "Retiring",
    end: ended,
    "end, what is written waits": left,
    written: "Open"
  },
  Retiring: {
    upgraded: "Retiring",
    released: "Retiring",
    "the last is released": left,
    retire: "Retiring",
    end: ended,
    "end, what is written waits": left,
    written: "Retiring"
  },
  Ending: {
    upgraded: "Ended",
    released: "Ended",
    "the last is released": "Ended",
    retire: "Ended",
    // What was left out the first time.
    end: "Ended: failed",
    "end, what is written waits": "Ended",
    written: "Ended"
  },
  Closed: {
    upgraded: "Ended",
    released: "Ended",
    "the last is released": "Ended",
    retire: "Ended",
    end: "Ended: failed",
    "end, what is written waits": "Ended",
    written: "Ended"
  }
}

const look = ({ phase, seen }: At): string => {
  const is = phase.cause() !== undefined ? "Ended" : phase.admits() ? "Open" : phase.isOpen() ? "Retiring" : "Opening"
  return seen.length === 0 ? is : `${is}: ${seen.join(", ")}`
}

describe("the phase of a connection", () => {
  for (const [state, past] of Object.entries(states)) {
    it(`${state}: whatever happens next`, () => {
      const found = Object.fromEntries(
        Object.entries(happenings).map(([name, happen]) => {
          const at = make(1, true)
          for (const happening of past) happenings[happening](at)
          at.seen.length = 0
          happen(at)
          return [name, look(at)]
        })
      )
      assert.deepStrictEqual(found, { ...expected[state] })
    })
  }

  it("keeps the first cause", () => {
    const { phase } = make(1, true)
    const first = Causes.lost("first")
    phase.end(first, "wait")
    phase.end(Causes.lost("second"))
    assert.strictEqual(phase.cause(), first)
  })
})
