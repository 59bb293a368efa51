import { assert, describe, it } from "@effect/vitest"
import type { Home, Kept } from "../src/internal/socket/head.ts"
import { Lane } from "../src/internal/socket/lane.ts"
import * as Placement from "../src/internal/socket/placement.ts"
import * as Keeping from "./support/kept.ts"

const mebi = 1024 * 1024
const minute = 60_000

/** When all of this is. */
const now = 60 * minute

/** A lane has, or has not, a head, and is, or is not, free. */
type LaneLike = "unused" | "head" | "busy" | "busy head" | "pinned head"

interface Like {
  readonly lanes?: ReadonlyArray<LaneLike>
  /** Default: one for each lane that is not busy, and for each name that is left */
  readonly room?: number
  /** How many lanes more it can name. Default: 0 */
  readonly names?: number
  readonly uploading?: number
  /** Default: more than matters */
  readonly places?: number
}

class Fake implements Placement.Candidate {
  readonly name: string
  readonly identity = ""
  readonly lanes: ReadonlyArray<Lane>
  private readonly like: Like

  constructor(name: string, like: Like) {
    this.name = name
    this.like = like
    this.lanes = (like.lanes ?? []).map((is, index) => {
      const lane = new Lane(String(index + 1))
      if (is.endsWith("head")) {
        const kept = Keeping.make(`${name}${index + 1}`, {
          place: this.placeOf(lane),
          at: now - minute,
          isContinuation: true
        })
        lane.memory = { _tag: "Head", kept }
      }
      if (is.startsWith("busy")) lane.hold()
      if (is.startsWith("pinned")) lane.pins = 1
      return lane
    })
  }

  placeOf(lane: Lane) {
    return { connection: this, lane } satisfies Home
  }

  place(number: number) {
    const lane = this.lanes[number - 1]
    assert(lane !== undefined)
    return this.placeOf(lane)
  }

  kept(number: number): Kept {
    const { memory } = this.place(number).lane
    return memory._tag === "Head" ? memory.kept : Keeping.make("gone", { place: this.place(number) })
  }

  room(): number {
    const free = this.lanes.filter(({ tag }) => tag === "Free").length
    return this.like.room ?? free + (this.like.names ?? 0)
  }

  places(): number {
    return this.like.places ?? 16
  }

  uploading(): number {
    return this.like.uploading ?? 0
  }

  unusedLane(): Lane | undefined {
    const unused = this.lanes.find(({ memory, pins, tag }) => tag === "Free" && memory._tag !== "Head" && pins === 0)
    return unused ?? ((this.like.names ?? 0) > 0 ? new Lane(String(this.lanes.length + 1)) : undefined)
  }

  laneNamed(name: string): Lane {
    return this.lanes.find((lane) => lane.name === name) ?? new Lane(name)
  }
}

interface Case {
  readonly a?: Like
  readonly b?: Like
  readonly aRetires?: true
  readonly mayGrow?: boolean
  /** Where the heads are that the request fits, as `a1` for the first lane of `a`. */
  readonly heads?: ReadonlyArray<string>
  /** The name of their conversation. */
  readonly owner?: string
  readonly named?: string
  readonly excluded?: "a" | "b"
  readonly wish?: Partial<Pick<Placement.Wish<Fake>, "lane" | "mayFork" | "idleFor" | "name">>
  readonly onlyAsDelta?: boolean
}

/** In words: `a1` is the first lane of the connection `a`. */
const place = (given: Case): string => {
  const [a, b] = [new Fake("a", given.a ?? {}), new Fake("b", given.b ?? {})]
  const at = (name: string) => ({ connection: name.startsWith("a") ? a : b, number: Number(name.slice(1)) })
  const connections = [
    ...given.a === undefined || given.aRetires === true ? [] : [a],
    ...given.b === undefined ? [] : [b]
  ]
  const { excluded, named } = given
  const found = Placement.place({ connections, now, mayGrow: given.mayGrow ?? false }, {
    heads: (given.heads ?? []).map((name) => ({
      ...at(name).connection.kept(at(name).number),
      name: given.owner
    })),
    named: named === undefined ? undefined : at(named).connection.place(at(named).number),
    name: undefined,
    lane: undefined,
    mayFork: true,
    idleFor: undefined,
    onlyAsDelta: () => given.onlyAsDelta ?? false,
    excluded: excluded === undefined ? undefined : at(excluded).connection,
    ...given.wish
  })
  return found._tag === "Use" ? `${found.connection.name}${found.lane.name}` : found._tag
}

type Rows = ReadonlyArray<readonly [what: string, given: Case, expected: string]>

const describeRows = (title: string, rows: Rows) =>
  describe(`${title}:`, () => {
    for (const [what, given, expected] of rows) {
      it(`${what}: ${expected}`, () => assert.strictEqual(place(given), expected))
    }
  })

const strict: Rows = [
  ["no connection", { wish: { lane: "" } }, "Wait"],
  ["no connection, and there can be one", { mayGrow: true, wish: { lane: "" } }, "Grow"],
  ["one without room", { a: { lanes: ["busy"] }, wish: { lane: "2" } }, "Wait"],
  ["one without room, and there can be more", { a: { lanes: ["busy"] }, mayGrow: true, wish: { lane: "2" } }, "Grow"],
  ["a lane that is new", { a: { room: 1 }, wish: { lane: "mine" } }, "amine"],
  ["a lane with a head", { a: { lanes: ["head"] }, wish: { lane: "1" } }, "a1"],
  ["a lane on which something drains", { a: { lanes: ["busy"], room: 1 }, mayGrow: true, wish: { lane: "1" } }, "Wait"],
  ["whatever heads there are", { a: { lanes: ["head", "unused"] }, heads: ["a1"], wish: { lane: "2" } }, "a2"],
  ["the first connection with room", { a: { room: 0 }, b: { room: 1 }, wish: { lane: "x" } }, "bx"]
]

const named: Rows = [
  ["its lane is free", { a: { lanes: ["head"] }, b: { names: 1 }, named: "a1" }, "a1"],
  ["its lane is free, and a head fits elsewhere", {
    a: { lanes: ["head"] },
    b: { lanes: ["head"] },
    named: "a1",
    heads: ["b1"]
  }, "a1"],
  ["its lane has no head", { a: { lanes: ["unused", "head"] }, named: "a1" }, "a1"],
  ["its lane is busy", { a: { lanes: ["busy", "unused"] }, b: { names: 1 }, named: "a1" }, "a2"],
  ["its lane is pinned", { a: { lanes: ["pinned head"], names: 1 }, named: "a1" }, "a2"],
  ["its lane is busy, and no copies are to be asked for", {
    a: { lanes: ["busy", "busy"], names: 1 },
    b: { names: 1 },
    named: "a1",
    wish: { mayFork: false }
  }, "b1"],
  ["its connection is full", { a: { lanes: ["head"], room: 0 }, b: { names: 1 }, named: "a1" }, "b1"],
  ["its connection is full, and a head fits elsewhere", {
    a: { lanes: ["head"], room: 0 },
    b: { lanes: ["head", "unused"] },
    named: "a1",
    heads: ["b1"]
  }, "b2"],
  [
    "its connection has failed the request",
    { a: { lanes: ["head"] }, b: { names: 1 }, named: "a1", excluded: "a" },
    "b1"
  ]
]

const heads: Rows = [
  ["on its lane, though another connection has less to do", {
    a: { lanes: ["busy", "head"] },
    b: { names: 1 },
    heads: ["a2"]
  }, "a2"],
  ["on its lane, though there can be more", { a: { lanes: ["head"] }, mayGrow: true, heads: ["a1"] }, "a1"],
  [
    "on the lane of the longest",
    { a: { lanes: ["head", "head"] }, b: { lanes: ["head"] }, heads: ["b1", "a2", "a1"] },
    "b1"
  ],
  ["as a copy of the longest, before the next one's lane", {
    a: { lanes: ["busy head", "unused", "head"] },
    heads: ["a1", "a3"]
  }, "a2"],
  ["under a new name, as a copy", { a: { lanes: ["busy head"], names: 1 }, heads: ["a1"] }, "a2"],
  ["as a copy of one that copies are being made of", { a: { lanes: ["pinned head", "unused"] }, heads: ["a1"] }, "a2"],
  ["as a copy in the place of another conversation", { a: { lanes: ["busy head", "head"] }, heads: ["a1"] }, "a2"],
  ["on the next one's lane, where the longest one's connection is full", {
    a: { lanes: ["busy head"], room: 0 },
    b: { lanes: ["head"] },
    heads: ["a1", "b1"]
  }, "b1"],
  ["on the next one's lane, where no copies are to be asked for", {
    a: { lanes: ["busy head", "unused", "head"] },
    heads: ["a1", "a3"],
    wish: { mayFork: false }
  }, "a3"],
  ["as a copy, where it has another name", {
    a: { lanes: ["head"], names: 1 },
    heads: ["a1"],
    owner: "one",
    wish: { name: "other" }
  }, "a2"],
  ["on its lane, where it has the same name", {
    a: { lanes: ["head"], names: 1 },
    heads: ["a1"],
    owner: "one",
    wish: { name: "one" }
  }, "a1"],
  ["on its lane, where the conversation has no name", {
    a: { lanes: ["head"], names: 1 },
    heads: ["a1"],
    wish: { name: "other" }
  }, "a1"],
  ["on its lane, where a copy would take another conversation's", {
    a: { lanes: ["head", "head"] },
    heads: ["a1"],
    owner: "one",
    wish: { name: "other" }
  }, "a1"],
  ["on its lane, where no copies are to be asked for", {
    a: { lanes: ["head"], names: 1 },
    heads: ["a1"],
    owner: "one",
    wish: { name: "other", mayFork: false }
  }, "a1"],
  ["elsewhere, where a copy has no lane", {
    a: { lanes: ["busy head", "pinned head"], room: 1 },
    b: { names: 1 },
    heads: ["a1"]
  }, "b1"]
]

const onlyAsDelta: Rows = [
  ["a head's connection is full", {
    a: { lanes: ["head"], room: 0 },
    b: { names: 1 },
    heads: ["a1"],
    onlyAsDelta: true
  }, "Wait"],
  ["a head's connection is full, and there can be more", {
    a: { lanes: ["head"], room: 0 },
    mayGrow: true,
    heads: ["a1"],
    onlyAsDelta: true
  }, "Wait"],
  ["a head's lane is busy, and no copies are to be asked for", {
    a: { lanes: ["busy head", "unused"] },
    heads: ["a1"],
    onlyAsDelta: true,
    wish: { mayFork: false }
  }, "Wait"],
  ["a head's lane is free", { a: { lanes: ["head"] }, heads: ["a1"], onlyAsDelta: true }, "a1"],
  ["no head fits", { b: { names: 1 }, onlyAsDelta: true }, "b1"],
  ["the head's connection takes no more turns", {
    a: { lanes: ["head"] },
    aRetires: true,
    b: { names: 1 },
    heads: ["a1"],
    onlyAsDelta: true
  }, "b1"],
  ["the head's connection has failed the request", {
    a: { lanes: ["head"] },
    b: { names: 1 },
    heads: ["a1"],
    excluded: "a",
    onlyAsDelta: true
  }, "b1"],
  ["it could be sent as a whole", { a: { lanes: ["head"], room: 0 }, b: { names: 1 }, heads: ["a1"] }, "b1"]
]

const unused: Rows = [
  ["an unused lane before a new name", { a: { lanes: ["head", "unused"], names: 1 } }, "a2"],
  ["a new name before a head is given up", { a: { lanes: ["head"], names: 1 } }, "a2"],
  ["the connection with the fewest conversations", { a: { lanes: ["head"], names: 1 }, b: { names: 1 } }, "b1"],
  ["those that run count", { a: { lanes: ["busy", "unused"] }, b: { lanes: ["head", "head"], names: 1 } }, "a2"],
  ["unused lanes do not count", { a: { lanes: ["unused", "unused"] }, b: { lanes: ["head"], names: 1 } }, "a1"],
  [
    "the oldest of those that have as many",
    { a: { lanes: ["busy"], names: 1 }, b: { lanes: ["head"], names: 1 } },
    "a2"
  ],
  ["no matter that there can be more", { a: { lanes: ["head"], names: 1 }, mayGrow: true }, "a2"],
  ["no more than can run at once, while there can be more", {
    a: { lanes: ["head", "busy"], names: 1, places: 2 },
    mayGrow: true
  }, "Grow"],
  ["more than can run at once, where there can be no more", {
    a: { lanes: ["head", "busy"], names: 1, places: 2 }
  }, "a3"],
  ["not behind a large upload", { a: { names: 1, uploading: mebi }, b: { lanes: ["head"], names: 1 } }, "b2"],
  ["behind a small upload", { a: { names: 1, uploading: mebi - 1 }, b: { lanes: ["head"], names: 1 } }, "a1"],
  ["behind a large one, where each has one", {
    a: { names: 1, uploading: mebi },
    b: { lanes: ["head"], names: 1, uploading: mebi }
  }, "a1"],
  ["not on a full one", { a: { lanes: ["unused"], room: 0 }, b: { lanes: ["head"], names: 1 } }, "b2"],
  [
    "not on one that has failed the request",
    { a: { names: 1 }, b: { lanes: ["head"], names: 1 }, excluded: "a" },
    "b2"
  ],
  ["on one that has failed the request, where it is the only one", { a: { names: 1 }, excluded: "a" }, "a1"],
  ["not even there, where there can be more", { a: { names: 1 }, excluded: "a", mayGrow: true }, "Grow"]
]

const full: Rows = [
  ["no connection, and none can be", {}, "Wait"],
  ["no connection, and there can be one", { mayGrow: true }, "Grow"],
  ["no room", { a: { lanes: ["busy", "busy"] } }, "Wait"],
  ["no room, and there can be more", { a: { lanes: ["busy", "busy"] }, mayGrow: true }, "Grow"],
  ["each free lane has a head, and there can be more", { a: { lanes: ["head"] }, mayGrow: true }, "Grow"],
  ["each free lane has a head", { a: { lanes: ["busy", "head"] }, b: { lanes: ["busy head"] } }, "a2"],
  ["each free lane has a head of which copies are made", { a: { lanes: ["pinned head"] } }, "Wait"],
  ["a lane with a head on a full connection", { a: { lanes: ["head"], room: 0 } }, "Wait"],
  ["a lane with a head on the connection that failed", {
    a: { lanes: ["head"] },
    b: { lanes: ["busy"] },
    excluded: "a"
  }, "Wait"]
]

describeRows("a request whose lane the caller chose is placed there", strict)
describeRows("1. a request that names a response is placed beside it", named)
describeRows("2. a request is placed at a head that it fits", heads)
describeRows("3. a request that is too large as a whole waits for a head", onlyAsDelta)
describeRows("4. a request is placed where nobody's head is given up", unused)
describeRows("5., 6. a request is placed on another connection, or in the place of another conversation", full)

it("whether a request could be sent as a whole is asked only where that matters", () => {
  let asked = 0
  const [a] = [new Fake("a", { lanes: ["busy head"], names: 1 })]
  const wish = {
    name: undefined,
    named: undefined,
    lane: undefined,
    idleFor: undefined,
    excluded: undefined,
    mayFork: true
  }
  const onlyAsDelta = () => {
    asked++
    return true
  }
  Placement.place({ connections: [a], now, mayGrow: false }, { ...wish, onlyAsDelta, heads: [] })
  Placement.place({ connections: [a], now, mayGrow: false }, { ...wish, onlyAsDelta, heads: [a.kept(1)] })
  assert.strictEqual(asked, 0)
})

/** When its conversation was served last, in seconds before now; whether it was served more than once. */
interface Conversation {
  readonly idle: number
  readonly goesOn?: boolean
  readonly is?: "busy" | "pinned" | "unused"
}

const givesWay = (conversations: ReadonlyArray<Conversation>, idleFor?: number): string | undefined => {
  const lanes = conversations.map(({ goesOn = false, idle, is }, index) => {
    const lane = new Lane(String.fromCharCode(97 + index))
    const kept = Keeping.make(lane.name, { at: now - 1000 * idle, isContinuation: goesOn })
    if (is !== "unused") lane.memory = { _tag: "Head", kept }
    if (is === "busy") lane.hold()
    if (is === "pinned") lane.pins = 1
    return lane
  })
  return Placement.givesWay(lanes, now, idleFor === undefined ? undefined : 1000 * idleFor)?.name
}

const once = (idle: number): Conversation => ({ idle })
const goesOn = (idle: number): Conversation => ({ idle, goesOn: true })

describe("the conversation that gives way", () => {
  const table: ReadonlyArray<
    readonly [
      what: string,
      conversations: ReadonlyArray<Conversation>,
      idleFor: number | undefined,
      expected: string | undefined
    ]
  > = [
    ["there is none", [], undefined, undefined],
    [
      "none is free",
      [{ idle: 1000, is: "busy" }, { idle: 1000, is: "pinned" }, { idle: 1, is: "unused" }],
      undefined,
      undefined
    ],
    ["the oldest, after ten minutes", [once(1), goesOn(601), once(2)], undefined, "b"],
    ["not the oldest, at ten minutes", [once(1), goesOn(600), once(2)], undefined, "c"],
    ["one that has had one turn, before an older one that goes on", [goesOn(300), once(1)], undefined, "b"],
    ["of those with one turn the oldest, where they are four", [once(4), once(3), once(2), once(1)], undefined, "a"],
    [
      "of those with one turn the oldest of the latest four",
      [once(6), once(5), once(4), once(3), once(2), once(1)],
      undefined,
      "c"
    ],
    ["in whatever order they are", [once(3), goesOn(9), once(6), once(1), once(5), once(2), once(4)], undefined, "g"],
    ["of those with one turn the oldest, where they are fewer", [once(1), once(2), goesOn(300)], undefined, "b"],
    ["the oldest, where all go on", [goesOn(1), goesOn(3), goesOn(2)], undefined, "b"],
    ["the oldest, for one that was idle for less when it was displaced", [goesOn(31), once(1)], 20, "a"],
    ["not the oldest, for one that was idle for almost as long", [goesOn(30), once(1)], 20, "b"],
    ["not one that is busy, however old", [{ idle: 1000, is: "busy" }, once(1)], undefined, "b"]
  ]
  for (const [what, conversations, idleFor, expected] of table) {
    it(`${what}: ${expected ?? "nobody"}`, () => assert.strictEqual(givesWay(conversations, idleFor), expected))
  }
})
