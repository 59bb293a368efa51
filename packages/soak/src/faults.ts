/**
 * Which faults a server can have in a turn, and which end of the turn fits each of them. A new kind is one more entry, a
 * new way to end one more name in `ends`.
 */
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Predicate from "effect/Predicate"
import type { Dice } from "./dice.ts"

export type Transport = "websocket" | "http"

/** Who looks at the clock in place of the caller: the library, alone or by asking the server for signs of life. */
export type Watch = "clocks" | "pings"

export interface Broken {
  readonly after: number
  readonly transport: Transport
  readonly watch?: Watch | undefined
}

/**
 * How a turn ended, in one word: `completed`, `incomplete`, the reason of a `ConnectionError` or the tag of another error
 * with its delivery (`Lost/partial`, `ResponseFailed/unsent`), or what the caller did (`left`, `interrupted`, `limit`).
 */
export type End = string

/** Where a turn was broken, by the frames that came before: none, the beginning of the response, some of its output. */
type Place = "first" | "begun" | "partial"

export interface At {
  /** Frames that come before. */
  readonly after: number
  readonly dice: Dice
  readonly responseId: string
  readonly request: ResponseRequest
  /** What the model says. */
  readonly items: ResponseScript.Turn
}

export interface Fault {
  readonly weight: number
  readonly places: readonly [Place, ...ReadonlyArray<Place>]
  readonly turn: (at: At) => ResponseScript.Turn
  readonly ends: (at: Broken) => ReadonlyArray<End>
  /** The server says with it that the model did not run, so the request may come again. Default: never */
  readonly nothingRan?: (at: Broken) => boolean
  /** Nothing comes any more, so somebody has to look at the clock. Default: no */
  readonly isSilent?: true
  /** The connection ends after the response, and may take the next one with it. Default: no */
  readonly closesLater?: true
}

/** `output_item.added` is the third frame, and the first one of the output. */
const delivery = (after: number) => after >= 3 ? "partial" : "unacknowledged"

export const afterOf = (place: Place, dice: Dice): number =>
  place === "first" ? 0 : place === "begun" ? 1 + dice.below(2) : 3 + dice.below(4)

const { badFrame, close, completed, drop, error, events, expire, forget, raw, silence, turn, wait } = ResponseScript

const anywhere = ["first", "begun", "partial"] as const
const fine = (): ReadonlyArray<End> => ["completed"]

const harmless = (how: (at: At) => ResponseScript.Turn, weight = 1): Fault => ({
  weight,
  places: ["partial"],
  turn: how,
  ends: fine
})

const lost: Fault["ends"] = ({ after }) => [`Lost/${delivery(after)}`]

const silent: Fault["ends"] = ({ after, watch }) => {
  if (watch === undefined) return ["limit"]
  if (after === 0) return ["FirstEventTimeout/unacknowledged"]
  // A server that answers pings is not taken for dead.
  return [`${watch === "clocks" ? "Stalled" : "TurnTimeout"}/${delivery(after)}`]
}

/** The connection may have been deaf before. */
const silentOrDeaf: Fault["ends"] = (at) => at.watch === "pings" ? [...silent(at), ...lost(at)] : silent(at)

const isFirst: NonNullable<Fault["nothingRan"]> = ({ after }) => after === 0

const closed = (code: number): Fault => ({
  weight: 1,
  places: anywhere,
  turn: ({ after, items }) => turn([items, close({ code, after })]),
  // 1008 on a connection on which nothing was ever said is a refusal, by the library's own word.
  ends: (at) =>
    code === 1008 && at.after === 0 && at.transport === "websocket" ? [...lost(at), "Refused/unsent"] : lost(at),
  nothingRan: (at) => code === 1008 && at.after === 0 && at.transport === "websocket"
})

const failing = (
  details: ResponseScript.ErrorDetails,
  places: Fault["places"] = ["first", "partial"]
): Fault => {
  const refuses = details.status !== undefined && details.status < 500
  return {
    weight: 1,
    places,
    turn: ({ after, items }) => turn([items, error(details, { after })]),
    ends: ({ after }) => [`ResponseFailed/${after === 0 && refuses ? "unsent" : delivery(after)}`],
    nothingRan: ({ after }) => after === 0 && refuses
  }
}

const malformed = (kind: ResponseScript.BadFrame): Fault => ({
  weight: 1,
  places: anywhere,
  turn: ({ after, items }) => turn([items, badFrame(kind, { after })]),
  // Over HTTP there is no binary frame: it is one more event.
  ends: ({ after, transport }) =>
    kind === "binary" && transport === "http" ? fine() : [`MalformedEvent/${delivery(after)}`]
})

const done = ({ responseId }: At) => events([{ type: "response.done", response: { id: responseId } }])

/**
 * What a server still has to say of the response before, when the next one is asked for already: only where none but that
 * one can be meant. As text, for the server would take an end that it sends for the end of what it is at.
 */
const previous = (type: string) => ({ items, request }: At) => {
  const { previous_response_id: id, store, stream_id } = request
  return stream_id === undefined || store !== false || Predicate.isNullable(id)
    ? items
    : turn([raw([JSON.stringify({ type, stream_id, response: { id, output: [] } })], { after: 0 }), items])
}

const table = {
  none: { ...harmless(({ items }) => items), weight: 50 },
  slow: harmless(({ dice, items }) => turn([wait(1 + dice.below(20)), items], { deltaDelay: 1 }), 3),
  queued: harmless(({ items }) => turn([items], { queued: true })),
  /** Text in thousands of frames. */
  flood: harmless(({ items }) => turn([items], { chunkSize: 4 })),
  /** More than the library keeps for a caller who is behind. */
  huge: harmless(({ items }) =>
    turn([items, ...Array.from({ length: 3 }, () => badFrame("huge", { after: 3, bytes: 500_000 }))])
  ),
  noise: harmless(({ after, items }) =>
    turn([items, raw([{ type: "keepalive" }, { type: "codex.rate_limits", used: 1 }], { after })])
  ),
  // Everybody's continuation is lost with it.
  forgetAll: harmless(({ after, items }) => turn([items, forget("all", { after })]), 0.6),
  forgetLatest: harmless(({ after, items }) => turn([items, forget("latest", { after })])),
  forgetPrevious: harmless(({ after, items }) => turn([items, forget("previous", { after })])),
  forgetItself: harmless(({ items }) => turn([items, completed, forget("latest")])),
  pings: harmless(({ items }) => turn([items, ResponseScript.pings(false, { after: 0 })])),
  trailingDone: harmless((at) => turn([at.items, completed, done(at)])),
  lateDone: harmless((at) => turn([at.items, completed, wait(1 + at.dice.below(10)), done(at)])),
  previousDone: harmless(previous("response.done"), 2),
  previousEnd: harmless(previous("response.completed"), 2),
  endsTwice: harmless(({ items }) => turn([items, completed, completed])),
  endsTwiceLate: harmless(({ dice, items }) => turn([items, completed, wait(1 + dice.below(10)), completed])),
  incomplete: {
    ...harmless(({ items }) => turn([items, ResponseScript.incomplete()])),
    ends: () => ["incomplete"]
  },
  failed: {
    weight: 1,
    places: ["partial"],
    turn: ({ items }) => turn([items, ResponseScript.failed({ code: "server_error", message: "Broken" })]),
    ends: () => ["ResponseFailed/partial"]
  },
  failedFirst: {
    weight: 1,
    places: ["begun"],
    turn: () => ResponseScript.failed({ code: "rate_limit_exceeded", message: "Slow down" }),
    ends: () => ["ResponseFailed/unacknowledged"]
  },
  errorNested: failing({ status: 400, code: "invalid_prompt", message: "No" }),
  errorOverload: failing({ status: 503, code: "server_is_overloaded", message: "Later" }),
  errorRate: failing({
    status: 429,
    code: "rate_limit_exceeded",
    message: "Slow down",
    headers: { "retry-after": "1" },
    headersAt: "frame"
  }),
  errorFlat: failing({ shape: "flat", status: 500, code: "server_error", message: "Broken" }),
  errorUntyped: failing({ shape: "untyped", message: "Something is wrong" }),
  errorString: {
    weight: 1,
    places: ["first"],
    // What comes behind such an error is nobody's, so the server closes.
    turn: () => turn([raw([{ type: "error", error: "Something is wrong" }]), close({ code: 1011 })]),
    ends: () => ["ResponseFailed/unacknowledged"],
    closesLater: true
  },
  /** As the server words it where the id is not known any more, though it is. */
  errorNotFound: {
    weight: 1,
    places: ["first"],
    turn: () =>
      error({ status: 400, code: "previous_response_not_found", message: "Not found", param: "previous_response_id" }),
    ends: () => ["PreviousResponseNotFound"],
    nothingRan: isFirst
  },
  /** The 60 minutes, without the close that should follow. */
  errorLimit: {
    weight: 1,
    places: ["first", "begun", "partial"],
    turn: ({ after, items }) =>
      turn([
        items,
        error({ status: 400, code: "websocket_connection_limit_reached", message: "60 minutes" }, { after })
      ]),
    ends: ({ after }) => [`Expired/${after === 0 ? "unsent" : delivery(after)}`],
    nothingRan: isFirst
  },
  expire: {
    weight: 2,
    places: anywhere,
    turn: ({ after, items }) => turn([items, expire({ after })]),
    ends: ({ after, transport }) =>
      transport === "http" ? fine() : [`Expired/${after === 0 ? "unsent" : delivery(after)}`],
    nothingRan: isFirst
  },
  silence: {
    weight: 2,
    places: anywhere,
    turn: ({ after, items }) => turn([items, silence({ after })]),
    ends: silentOrDeaf,
    isSilent: true
  },
  /** Pings are not answered either. */
  silenceDeaf: {
    weight: 1,
    places: anywhere,
    turn: ({ after, items }) => turn([items, ResponseScript.pings(false, { after: 0 }), silence({ after })]),
    ends: (at) => at.watch === "pings" && at.transport === "websocket" ? lost(at) : silent(at),
    isSilent: true
  },
  unfinished: {
    weight: 1,
    places: ["partial"],
    turn: ({ items }) => turn([items, ResponseScript.unfinished]),
    // Over HTTP the body ends.
    ends: (at) => at.transport === "http" ? ["Lost/partial"] : silentOrDeaf({ ...at, after: 3 }),
    isSilent: true
  },
  drop: { weight: 2, places: anywhere, turn: ({ after, items }) => turn([items, drop({ after })]), ends: lost },
  dropWithin: {
    weight: 2,
    places: anywhere,
    turn: ({ after, dice, items }) => turn([items, drop({ after, bytes: 1 + dice.below(60) })]),
    ends: lost
  },
  close1000: closed(1000),
  close1001: closed(1001),
  close1006: closed(1006),
  close1008: closed(1008),
  close1009: closed(1009),
  close1011: closed(1011),
  close1012: closed(1012),
  close1013: closed(1013),
  notJson: malformed("notJson"),
  notObject: malformed("notObject"),
  notEvent: malformed("notEvent"),
  truncated: malformed("truncated"),
  binary: malformed("binary")
} satisfies Readonly<Record<string, Fault>>

export type FaultKind = keyof typeof table

export const faults: Readonly<Record<FaultKind, Fault>> = table

export const kinds = Object.keys(table) as ReadonlyArray<FaultKind>
