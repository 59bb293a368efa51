import { assert, describe, it } from "@effect/vitest"
import * as Placement from "../src/internal/socket/placement.ts"
import { ConnectionError } from "../src/ResponsesError.ts"

const error = new ConnectionError({ reason: "Unreachable", delivery: "unsent", description: "no" })

/** Connections are told by their names: those that begin with `old` were opened with another key. */
const suits = (connection: string) => !connection.startsWith("old")

const place = (view: Partial<Placement.View<string>>, number = 1): string => {
  const placement = Placement.place({
    limits: Placement.oneAtATime,
    connections: [],
    ahead: 0,
    failure: undefined,
    ...view
  }, { number, suits })
  switch (placement._tag) {
    case "Use":
      return `Use ${placement.connection}`
    case "Fail":
      assert.strictEqual(placement.error, error)
      return "Fail"
    default:
      return placement._tag
  }
}

const connections = {
  none: [],
  "one that suits": ["new"],
  "one that does not": ["old"],
  "two, of which the second suits": ["old", "new"],
  "two that suit": ["new", "newer"],
  "two that do not": ["old", "older"]
}

/** The request has the number 3. */
const failures = {
  none: undefined,
  "of a time before the request": { error, upTo: 2 },
  "that the request was there for": { error, upTo: 3 },
  "that later requests were there for too": { error, upTo: 4 }
}

type Failures = { readonly [F in keyof typeof failures]: string }

const always = (placement: string): Failures => ({
  none: placement,
  "of a time before the request": placement,
  "that the request was there for": placement,
  "that later requests were there for too": placement
})

const dials: Failures = {
  none: "Dial",
  "of a time before the request": "Dial",
  "that the request was there for": "Fail",
  "that later requests were there for too": "Fail"
}

/** For the request whose turn it is. */
const expected: { readonly [C in keyof typeof connections]: Failures } = {
  none: dials,
  "one that suits": always("Use new"),
  "one that does not": dials,
  "two, of which the second suits": always("Use new"),
  "two that suit": always("Use new"),
  "two that do not": dials
}

describe("a request is placed", () => {
  for (const [name, open] of Object.entries(connections)) {
    it(`connections: ${name}`, () => {
      const found = Object.fromEntries(
        Object.entries(failures).map(([name, failure]) => [name, place({ connections: open, failure }, 3)])
      )
      assert.deepStrictEqual(found, { ...expected[name as keyof typeof connections] })
    })

    it(`connections: ${name}, and another request is served: it waits, whatever else there is`, () => {
      for (const failure of Object.values(failures)) {
        assert.strictEqual(place({ connections: open, failure, ahead: 1 }, 3), "Wait")
      }
    })
  }

  it("as long as fewer are served than all lanes of all connections can serve", () => {
    const limits = { connections: 2, lanes: 3 }
    const found = [0, 1, 5, 6, 7].map((ahead) => place({ limits, ahead, connections: ["new"] }))
    assert.deepStrictEqual(found, ["Use new", "Use new", "Use new", "Wait", "Wait"])
  })
})
