import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { settle } from "./support/clocks.ts"
import * as FakePool from "./support/fakePool.ts"

const happenings = {
  "a asks": ({ ask }: FakePool.FakePool) => ask("a"),
  "b asks": ({ ask }: FakePool.FakePool) => ask("b"),
  "c asks": ({ ask }: FakePool.FakePool) => ask("c"),
  "c asks with a new key": ({ ask }: FakePool.FakePool) => ask("c", { suits: () => false }),
  "the dial succeeds": ({ accept }: FakePool.FakePool) => accept,
  "the dial fails": ({ fail }: FakePool.FakePool) => fail,
  "a leaves": ({ leave }: FakePool.FakePool) => leave("a"),
  "b leaves": ({ leave }: FakePool.FakePool) => leave("b"),
  "the connection ends": ({ connection }: FakePool.FakePool) =>
    Effect.zipRight(Effect.sync(() => connection(1)?.end()), settle),
  "50 minutes pass": () => TestClock.adjust("50 minutes"),
  "the Layer is closed": ({ close }: FakePool.FakePool) => close
} satisfies Readonly<Record<string, (at: FakePool.FakePool) => Effect.Effect<void>>>

type Happening = keyof typeof happenings

const names = Object.keys(happenings) as ReadonlyArray<Happening>

const served = ["a asks", "the dial succeeds"] as const

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  Empty: [],
  Probing: ["a asks"],
  "Probing, and another waits": ["a asks", "b asks"],
  "Serving, idle": [...served, "a leaves"],
  "Serving, busy": served,
  "Serving, and another waits": [...served, "b asks"],
  "Serving, while a successor is dialled": [...served, "50 minutes pass"],
  "Serving, and a turn is still on the old connection": [...served, "50 minutes pass", "the dial succeeds"],
  "Serving, as no successor could be opened": [...served, "50 minutes pass", "the dial fails"],
  "Serving, while another key is dialled": [...served, "a leaves", "c asks with a new key"],
  "Empty, as the connection ended": [...served, "a leaves", "the connection ends"],
  "Empty, and a turn is still there": [...served, "the connection ends"],
  "Empty, as a dial failed": ["a asks", "the dial fails"],
  Closed: ["the Layer is closed"],
  "Closed, with a turn and one that waits": [...served, "b asks", "the Layer is closed"]
}

const cannotHappen = "–"

/** What is not named changes nothing. */
const row = (same: string, more: Partial<Record<Happening, string>>): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(names.map((name) => [name, same])),
  "a asks": cannotHappen,
  "b asks": cannotHappen,
  ...more
})

const noDial = { "the dial succeeds": cannotHappen, "the dial fails": cannotHappen }
const noConnection = { "the connection ends": cannotHappen }
const nobody = { "a leaves": cannotHappen, "b leaves": cannotHappen }
const noB = { "b leaves": cannotHappen }
const empty = (number: number) =>
  row("not open", {
    ...noDial,
    ...noConnection,
    ...nobody,
    "c asks": `dial ${number}, not open`,
    "c asks with a new key": `dial ${number}, not open`
  })

const closes = { "the connection ends": "1 is closed, not open", "the Layer is closed": "1 is closed, not open" }

const afterClosing = row("not open", {
  ...noDial,
  ...noConnection,
  ...nobody,
  "c asks": "c fails: Closed unsent, not open",
  "c asks with a new key": "c fails: Closed unsent, not open",
  "the Layer is closed": cannotHappen
})

const expected: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Empty: empty(1),
  Probing: row("not open", {
    ...noConnection,
    ...noB,
    "the dial succeeds": "a on 1, open",
    "the dial fails": "a fails: Unreachable unsent, not open",
    "a leaves": "dial 1 is given up, not open",
    "the Layer is closed": "a fails: Closed unsent, dial 1 is given up, not open"
  }),
  "Probing, and another waits": row("not open", {
    ...noConnection,
    "the dial succeeds": "a on 1, open",
    "the dial fails": "a fails: Unreachable unsent, b fails: Unreachable unsent, not open",
    // A dial that is given up is no failure.
    "a leaves": "dial 1 is given up, dial 2, not open",
    "the Layer is closed": "b fails: Closed unsent, a fails: Closed unsent, dial 1 is given up, not open"
  }),
  "Serving, idle": row("open", {
    ...noDial,
    ...nobody,
    ...closes,
    "c asks": "c on 1, open",
    "c asks with a new key": "dial 2, open",
    "50 minutes pass": "dial 2, open"
  }),
  "Serving, busy": row("open", { ...noDial, ...noB, ...closes, "50 minutes pass": "dial 2, open" }),
  "Serving, and another waits": row("open", {
    ...noDial,
    ...closes,
    "a leaves": "b on 1, open",
    "50 minutes pass": "dial 2, open",
    "the Layer is closed": "1 is closed, b fails: Closed unsent, not open"
  }),
  "Serving, while a successor is dialled": row("open", {
    ...noB,
    "the dial succeeds": "recycled, open",
    "the connection ends": "dial 2 is given up, 1 is closed, not open",
    "the Layer is closed": "dial 2 is given up, 1 is closed, not open"
  }),
  "Serving, and a turn is still on the old connection": row("open", {
    ...noDial,
    ...noB,
    "a leaves": "1 is closed, open",
    "the connection ends": "1 is closed, open",
    "50 minutes pass": "dial 3, open",
    "the Layer is closed": "2 is closed, 1 is closed, not open"
  }),
  "Serving, as no successor could be opened": row("open", {
    ...noDial,
    ...noB,
    ...closes,
    "50 minutes pass": "dial 3, open"
  }),
  "Serving, while another key is dialled": row("open", {
    ...nobody,
    "the dial succeeds": "c on 2, 1 is closed, open",
    "the dial fails": "c fails: Unreachable unsent, open",
    "c asks": cannotHappen,
    "c asks with a new key": cannotHappen,
    "50 minutes pass": "dial 3, open",
    "the connection ends": "1 is closed, not open",
    "the Layer is closed": "c fails: Closed unsent, dial 2 is given up, 1 is closed, not open"
  }),
  "Empty, as the connection ended": empty(2),
  // One is served at a time.
  "Empty, and a turn is still there": row("not open", { ...noDial, ...noConnection, ...noB }),
  "Empty, as a dial failed": empty(2),
  Closed: afterClosing,
  // Whoever waited has failed.
  "Closed, with a turn and one that waits": { ...afterClosing, "a leaves": "not open", "b leaves": "not open" }
}

const reach = Effect.fnUntraced(function*(past: ReadonlyArray<Happening>) {
  const at = yield* FakePool.make()
  for (const happening of past) yield* happenings[happening](at)
  return at
})

const cell = (past: ReadonlyArray<Happening>, name: Happening) =>
  Effect.scoped(Effect.gen(function*() {
    const at = yield* reach(past)
    const since = at.seen.length
    yield* happenings[name](at)
    const found = [...at.seen.slice(since), at.pool.isOpen() ? "open" : "not open"].join(", ")
    yield* at.close
    return found
  }))

describe("the pool of one connection", () => {
  for (const [state, past] of Object.entries(states)) {
    it.effect(`${state}: whatever happens next`, () =>
      Effect.gen(function*() {
        const found: Record<string, string> = {}
        for (const name of names) {
          found[name] = expected[state]?.[name] === cannotHappen ? cannotHappen : yield* cell(past, name)
        }
        assert.deepStrictEqual(found, { ...expected[state] })
      }))
  }
})
