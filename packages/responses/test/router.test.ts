import { assert, describe, it } from "@effect/vitest"
import * as Exchange from "../src/internal/exchange/exchange.ts"
import * as Belonging from "../src/internal/socket/belonging.ts"
import { type Lane, Lanes } from "../src/internal/socket/lane.ts"
import * as Router from "../src/internal/socket/router.ts"
import type { ServerEvent } from "../src/ResponseEvent.ts"
import { ConnectionError } from "../src/ResponsesError.ts"

const exchange = () =>
  Exchange.make({ maxOutputSize: Infinity, onBehind: () => {}, onCaughtUp: () => {}, redact: (text) => text })

const event = (type: string | undefined, id?: string, more: object = {}): ServerEvent =>
  ({
    ...type === undefined ? {} : { type },
    ...id === undefined ? {} : { response: { id } },
    ...more
  }) as ServerEvent

const delta = (lane?: string): ServerEvent =>
  event("response.output_text.delta", undefined, { delta: "Hi", ...lane === undefined ? {} : { stream_id: lane } })

const failure = event("error", undefined, { message: "No." })

/** A router with its lanes: `add` has a request run on one. `route` gives the request that runs on the lane of the frame. */
const makeRouter = () => {
  const lanes = new Lanes()
  const router = Router.make(lanes)
  return {
    lanes,
    settle: router.settle,
    route: (frame: ServerEvent): Exchange.Exchange | "dropped" | "unclaimed" => {
      const lane = router.route(frame)
      if (typeof lane === "string") return lane
      assert(lane.exchange !== undefined, "a lane without a request was given")
      return lane.exchange
    },
    add: (name: string, exchange: Exchange.Exchange) => {
      const lane = lanes.use(name)
      if (lane.exchange !== undefined) free(lane, lane.exchange)
      lane.hold()
      lane.run(exchange)
    }
  }
}

type TestRouter = ReturnType<typeof makeRouter>

const free = (lane: Lane, exchange: Exchange.Exchange) => {
  lane.ended(exchange)
  lane.release()
}

/** A router, with a request running on each of the lanes. */
const running = (...lanes: ReadonlyArray<string>) => {
  const router = makeRouter()
  const exchanges = lanes.map((lane) => {
    const made = exchange()
    router.add(lane, made)
    return made
  })
  return { router, exchanges }
}

/** What a connection does with a frame. Tells whether the frame reached an exchange. */
const pass = (router: TestRouter, frame: ServerEvent) => {
  const found = router.route(frame)
  if (typeof found === "string") return found
  found.offer(frame, 1)
  if (found.isFinished()) {
    for (const lane of router.lanes) {
      if (lane.exchange === found) free(lane, found)
    }
    router.settle(found, frame)
  }
  return found
}

describe("a frame belongs to", () => {
  it("the request on its lane", () => {
    const { exchanges: [unnamed, a], router } = running("", "a")
    assert.strictEqual(router.route(delta()), unnamed)
    assert.strictEqual(router.route(delta("a")), a)
  })

  it("the only request, if it names a lane that was never used, or none", () => {
    const { exchanges: [a], router } = running("a")
    assert.strictEqual(router.route(delta("b")), a)
    assert.strictEqual(router.route(delta()), a)
  })

  it("the request whose response it names, if it names no lane, or one that was never used", () => {
    const { exchanges: [a, b], router } = running("a", "b")
    pass(router, event("response.created", "resp_a", { stream_id: "a" }))
    pass(router, event("response.created", "resp_b", { stream_id: "b" }))
    assert.strictEqual(router.route(event("response.completed", "resp_b")), b)
    assert.strictEqual(router.route(event("response.completed", "resp_a", { stream_id: "c" })), a)
  })

  it("no request, if it names a lane that was never used and two requests run", () => {
    const { router } = running("a", "b")
    assert.strictEqual(router.route(delta("c")), "unclaimed")
    assert.strictEqual(router.route(failure), "unclaimed")
  })

  it("no request, if it names a lane whose response has ended", () => {
    const { router } = running("a")
    pass(router, event("response.completed", "resp_a", { stream_id: "a" }))
    router.add("b", exchange())
    assert.strictEqual(router.route(delta("a")), "unclaimed")
    assert.strictEqual(router.route({ ...failure, stream_id: "a" }), "unclaimed")
  })

  it("the request whose response it names, also if it names a lane whose response has ended", () => {
    const { router } = running("a")
    pass(router, event("response.completed", "resp_a", { stream_id: "a" }))
    const b = exchange()
    router.add("b", b)
    pass(router, event("response.created", "resp_b", { stream_id: "b" }))
    assert.strictEqual(router.route(event("response.completed", "resp_b", { stream_id: "a" })), b)
  })

  it("no request, if it names no lane and the response without a lane has ended, unless it is a failure", () => {
    const { router } = running("")
    pass(router, event("response.completed", "resp_a"))
    const b = exchange()
    router.add("b", b)
    assert.strictEqual(router.route(delta()), "unclaimed")
    assert.strictEqual(router.route(failure), b)
  })
})

describe("a failure without the name of its lane belongs to", () => {
  const numbered = (number: number, lane?: string): ServerEvent =>
    event("response.output_text.delta", undefined, { delta: "Hi", stream_id: lane, sequence_number: number })

  const failureAt = (number: number): ServerEvent => ({ ...failure, sequence_number: number })

  /** Responses that have begun on the lanes, each with so many events. */
  const begun = (counts: Readonly<Record<string, number>>) => {
    const { exchanges, router } = running(...Object.keys(counts))
    for (const [lane, count] of Object.entries(counts)) {
      pass(router, event("response.created", `resp_${lane}`, { stream_id: lane, sequence_number: 0 }))
      for (let number = 1; number < count; number++) pass(router, numbered(number, lane))
    }
    return { router, exchanges }
  }

  it("the response whose events it numbers on", () => {
    const { exchanges: [a, b], router } = begun({ a: 3, b: 5 })
    assert.strictEqual(router.route(failureAt(3)), a)
    assert.strictEqual(router.route(failureAt(5)), b)
  })

  it("that response, also where another request has not begun", () => {
    const { exchanges: [a], router } = begun({ a: 3 })
    router.add("b", exchange())
    assert.strictEqual(router.route(failureAt(3)), a)
  })

  it("the only request that has not begun, if it numbers on the events of none", () => {
    const { router } = begun({ a: 3, b: 5 })
    const c = exchange()
    router.add("c", c)
    for (const frame of [failure, failureAt(0), failureAt(9)]) assert.strictEqual(router.route(frame), c)
  })

  it("nobody, if two responses have as many events, or two requests have not begun", () => {
    const same = begun({ a: 3, b: 3 }).router
    assert.strictEqual(same.route(failureAt(3)), "dropped")
    const { router } = begun({ a: 3 })
    for (const lane of ["b", "c"]) router.add(lane, exchange())
    assert.strictEqual(router.route(failure), "unclaimed")
  })

  it("nobody, if all have begun and it has no number", () => {
    assert.strictEqual(begun({ a: 3, b: 5 }).router.route(failure), "unclaimed")
  })

  it("the only response, whatever its number", () => {
    const { exchanges: [a], router } = begun({ a: 3 })
    for (const frame of [failure, failureAt(9)]) assert.strictEqual(router.route(frame), a)
  })

  it("and one that names a lane which was never used does not go to the one that has not begun", () => {
    const { router } = begun({ a: 3 })
    router.add("b", exchange())
    assert.strictEqual(router.route({ ...failure, stream_id: "c" }), "unclaimed")
  })
})

describe("the rest of a response that was ended from this side", () => {
  const lost = () => new ConnectionError({ reason: "Lost", delivery: "unacknowledged", description: "lost" })

  it("still reaches it, and tells who it is and when it is over", () => {
    const { exchanges: [a], router } = running("a")
    a?.fail(lost)
    const sent = [
      event("response.created", "resp_a", { stream_id: "a" }),
      delta("a"),
      event("response.completed", "resp_a", { stream_id: "a" })
    ]
    for (const frame of sent) assert.strictEqual(pass(router, frame), a)
    assert.isTrue(a?.isFinished())
    // What comes late of it is not taken for the next response.
    const next = exchange()
    router.add("a", next)
    assert.strictEqual(router.route(event("response.in_progress", "resp_a", { stream_id: "a" })), "dropped")
    assert.strictEqual(router.route(event("response.created", "resp_b", { stream_id: "a" })), next)
  })

  it("does not get into the response of another lane", () => {
    const { exchanges: [a, b], router } = running("a", "b")
    pass(router, event("response.created", "resp_a", { stream_id: "a" }))
    a?.fail(lost)
    pass(router, event("response.created", "resp_b", { stream_id: "b" }))
    assert.strictEqual(router.route(delta("a")), a)
    assert.strictEqual(router.route(event("response.completed", "resp_a")), a)
    assert.strictEqual(router.route(event("response.completed", "resp_b")), b)
  })
})

/**
 * Every cell of the table, made to happen: frames that lead to what is known, then the frame in question. The expected
 * verdicts are written a second time here, in the words of the rule, so that a change of the table has to be meant.
 */
describe("with one request on the lane", () => {
  /** The frames before: how the server announced its responses so far, and how far the running one has come. */
  const histories: Readonly<Record<Belonging.Announcement, ReadonlyArray<ServerEvent>>> = {
    nothing: [delta(), event("response.completed", "over")],
    progress: [event("response.in_progress", "over"), event("response.completed", "over")],
    created: [event("response.created", "over"), event("response.completed", "over")]
  }

  const beginnings: Readonly<Record<Belonging.Running, ReadonlyArray<ServerEvent>>> = {
    free: [],
    waiting: [],
    unnamed: [delta()],
    named: [event("response.created", "own")]
  }

  const types: Readonly<Record<Belonging.Kind, string | undefined>> = {
    created: "response.created",
    progress: "response.in_progress",
    output: "response.output_text.delta",
    end: "response.completed",
    failed: "response.failed",
    error: "error",
    done: "response.done",
    other: "response.brand_new"
  }

  const ids: Readonly<Record<Belonging.Id, string | undefined>> = {
    none: undefined,
    own: "own",
    over: "over",
    new: "unseen"
  }

  const frameOf = (kind: Belonging.Kind, id: Belonging.Id) =>
    kind === "output" || kind === "error" || kind === "other"
      ? event(types[kind], undefined, { delta: "x", ...id === "none" ? {} : { response_id: ids[id] } })
      : event(types[kind], ids[id], id === "none" ? { response: {} } : {})

  const reaches = (
    announces: Belonging.Announcement,
    state: Belonging.Running,
    kind: Belonging.Kind,
    id: Belonging.Id,
    isLeft: boolean
  ) => {
    const { router } = running("")
    for (const frame of histories[announces]) pass(router, frame)
    const asked = exchange()
    if (state !== "free") router.add("", asked)
    for (const frame of beginnings[state]) pass(router, frame)
    if (isLeft) {
      asked.fail(() => new ConnectionError({ reason: "Lost", delivery: "unacknowledged", description: "lost" }))
    }
    return pass(router, frameOf(kind, id)) === asked
  }

  /** `1` reaches the request, `.` does not; the ids in the order none, own, over, new. */
  type Expected = { readonly [K in Belonging.Kind]: string }

  const nobody: Expected = {
    created: "....",
    progress: "....",
    output: "....",
    end: "....",
    failed: "....",
    error: "....",
    done: "....",
    other: "...."
  }

  const waiting: Expected = {
    ...nobody,
    created: "1111",
    progress: "11.1",
    output: ".1.1",
    end: ".1..",
    failed: "11.1",
    error: "11.1",
    other: "11.1"
  }

  /** A server that gives all its responses one id begins the next one with it, unless it sends `created`. */
  const oneId = "1111"

  const waitingUnannounced: Expected = {
    ...waiting,
    progress: oneId,
    output: "11.1",
    end: oneId,
    failed: oneId,
    error: oneId
  }

  const named: Expected = {
    created: "11..",
    progress: "11.1",
    output: "11..",
    end: "11..",
    failed: "11.1",
    error: "11.1",
    done: ".1..",
    other: "11.."
  }

  const expected: ReadonlyArray<readonly [Belonging.Running, Belonging.Announcement, Expected]> = [
    ["free", "nothing", nobody],
    ["free", "progress", nobody],
    ["free", "created", nobody],
    ["waiting", "nothing", waitingUnannounced],
    ["waiting", "progress", { ...waiting, progress: oneId }],
    ["waiting", "created", waiting],
    ["unnamed", "nothing", {
      created: "1111",
      progress: oneId,
      output: "11.1",
      end: "1111",
      failed: "1111",
      error: "11.1",
      done: "....",
      other: "11.1"
    }],
    ["named", "created", named]
  ]

  // What was ended from this side goes on at the server: its frames are told from others as before.
  const cases = expected.flatMap((row) =>
    row[0] === "free" ? [{ row, isLeft: false }] : [{ row, isLeft: false }, { row, isLeft: true }]
  )

  for (const { isLeft, row: [state, announces, rows] } of cases) {
    it(`${state}${isLeft ? ", and ended from this side" : ""}, on a server that has announced ${announces}`, () => {
      const found = Object.fromEntries(
        (Object.keys(rows) as ReadonlyArray<Belonging.Kind>).map((kind) => [
          kind,
          (Object.keys(ids) as ReadonlyArray<Belonging.Id>).map((id) => {
            // An exchange without a name has no id of its own.
            const isPossible = id !== "own" || state === "named"
            return isPossible ? reaches(announces, state, kind, id, isLeft) ? "1" : "." : rows[kind][1]
          }).join("")
        ])
      )
      assert.deepStrictEqual(found, { ...rows })
    })
  }

  it("no cell of the table is without a test", () => {
    const cells = Object.values(Belonging.table).flatMap((rows) => Object.values(rows).flatMap(Object.values))
    assert.strictEqual(cells.length, 4 * 8 * 4)
  })
})

describe("a stranger: a response that began beside the one that runs", () => {
  it("gets its own output, and the one that runs gets its own again after the stranger's end", () => {
    const { exchanges: [a], router } = running("")
    const sent = [
      event("response.created", "a"),
      delta(),
      event("response.created", "b"),
      event("response.in_progress", "b"),
      delta(),
      event("response.completed", "b"),
      delta(),
      event("response.completed", "a")
    ]
    const reached = sent.map((frame) => pass(router, frame) === a)
    assert.deepStrictEqual(reached, [true, true, false, false, false, false, true, true])
    assert.strictEqual(a?.result()?.id, "a")
  })

  it("that began while the lane was free is not taken for the next response", () => {
    const { router } = running("")
    pass(router, event("response.created", "a"))
    pass(router, event("response.completed", "a"))
    pass(router, event("response.created", "stranger"))
    const b = exchange()
    router.add("", b)
    for (const frame of [delta(), event("response.completed", "stranger")]) {
      assert.strictEqual(pass(router, frame), "dropped")
    }
    assert.strictEqual(pass(router, event("response.created", "b")), b)
  })

  it("an end that belongs to no response that began is not the answer of the next", () => {
    const { exchanges: [a], router } = running("")
    pass(router, event("response.created", "a"))
    assert.strictEqual(pass(router, event("response.completed", "b")), "dropped")
    assert.strictEqual(pass(router, event("response.completed", "a")), a)
    const next = exchange()
    router.add("", next)
    assert.strictEqual(pass(router, event("response.completed", "b")), "dropped")
  })
})

describe("a server of its own kind", () => {
  const turns = (...frames: ReadonlyArray<ServerEvent>) => {
    const { router } = running()
    return [1, 2, 3].map(() => {
      const asked = exchange()
      router.add("", asked)
      const reached = frames.map((frame) => pass(router, frame) === asked)
      return reached.every(Boolean) && asked.isFinished()
    })
  }

  it("with one id for all responses, which begin with created", () => {
    assert.deepStrictEqual(
      turns(event("response.created", "x"), delta(), event("response.completed", "x")),
      [true, true, true]
    )
  })

  it("with one id for all responses, which begin with in_progress", () => {
    assert.deepStrictEqual(
      turns(event("response.in_progress", "x"), delta(), event("response.completed", "x")),
      [true, true, true]
    )
  })

  it("with an id for each response, which begins with in_progress: a late one begins nothing", () => {
    const { router } = running()
    const ask = () => {
      const asked = exchange()
      router.add("", asked)
      return asked
    }
    for (const id of ["1", "2"]) {
      ask()
      pass(router, event("response.in_progress", id))
      pass(router, event("response.completed", id))
    }
    const third = ask()
    assert.strictEqual(pass(router, event("response.in_progress", "1")), "dropped")
    assert.strictEqual(pass(router, event("response.in_progress", "3")), third)
  })

  it("with one id for all responses, which begin with their output", () => {
    assert.deepStrictEqual(turns(delta(), delta(), event("response.completed", "x")), [true, true, true])
  })

  it("with one id for all responses, of which it sends nothing but the ends", () => {
    assert.deepStrictEqual(turns(event("response.completed", "x")), [true, true, true])
  })

  it("with another id in each event of a response", () => {
    const { exchanges: [a], router } = running("")
    for (const frame of [event("response.created", "1"), event("response.in_progress", "2"), delta()]) {
      assert.strictEqual(pass(router, frame), a)
    }
    assert.strictEqual(pass(router, event("response.completed", "3")), a)
  })

  it("that sends nothing but the ends of its responses", () => {
    const { router } = running()
    for (const id of ["1", "2", "3"]) {
      const asked = exchange()
      router.add("", asked)
      assert.strictEqual(pass(router, event("response.completed", id)), asked)
    }
  })

  it("that sends news of its own before a response: they do not begin it", () => {
    const { exchanges: [a], router } = running("")
    assert.strictEqual(pass(router, event("codex.rate_limits")), a)
    assert.strictEqual(pass(router, event("vendor.news")), a)
    assert.isFalse(a?.hasBegun())
  })

  it("that sends late frames: those of the latest 256 responses are told from the one that runs", () => {
    const { router } = running()
    for (let id = 0; id < 300; id++) {
      router.add("", exchange())
      pass(router, event("response.created", String(id)))
      pass(router, event("response.completed", String(id)))
    }
    const last = exchange()
    router.add("", last)
    pass(router, event("response.created", "last"))
    assert.strictEqual(pass(router, event("response.in_progress", "299")), "dropped")
    assert.strictEqual(pass(router, event("response.in_progress", "45")), "dropped")
    assert.strictEqual(pass(router, event("response.in_progress", "43")), last)
  })
})
