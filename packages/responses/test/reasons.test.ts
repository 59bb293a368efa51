import { assert, describe, it } from "@effect/vitest"
import * as Reasons from "../src/internal/wire/reasons.ts"
import {
  canFallBack,
  ConnectionError,
  Delivery,
  InvalidRequest,
  isUnsent,
  MalformedEvent,
  PreviousResponseNotFound,
  ResponseFailed,
  type ResponsesError
} from "../src/ResponsesError.ts"

/**
 * May HTTP serve it; what does it say of the transport; may another connection repeat it (`if allowed`: only with
 * `repeat: "unacknowledged"`); may it be dialled again with the same key; is it the caller's. What differs by status comes
 * after a semicolon.
 */
type Verdicts = readonly [http: string, outage: string, repeat: string, redial: string, callers: string]

type Tag = Exclude<ResponsesError["_tag"], "ConnectionError">

/** These have no `delivery`: the server did not run the request. */
type Undelivered = "InvalidRequest" | "PreviousResponseNotFound"

type Table =
  & Record<ConnectionError["reason"] | Exclude<Tag, Undelivered>, Record<Delivery, Verdicts>>
  & Record<Undelivered, Record<"unsent", Verdicts>>

const table: Table = {
  Credentials: {
    unsent: ["no", "none", "no", "no", "yes"],
    unacknowledged: ["no", "none", "no", "no", "yes"],
    partial: ["no", "answered", "no", "no", "yes"]
  },
  Unreachable: {
    unsent: ["yes; 401, 403: no", "down; 401, 403: none", "no", "yes", "no; 401, 403: yes"],
    unacknowledged: ["no", "unanswered", "no", "yes", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "yes", "no; 401, 403: yes"]
  },
  OpenTimeout: {
    unsent: ["yes; 401, 403: no", "down; 401, 403: none", "no", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "unanswered", "no", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  Refused: {
    unsent: ["yes; 401, 403: no", "down; 401, 403: none", "no", "no; 429, 500, 503: yes", "no; 401, 403: yes"],
    unacknowledged: ["no", "unanswered", "no", "no; 429, 500, 503: yes", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no; 429, 500, 503: yes", "no; 401, 403: yes"]
  },
  Lost: {
    unsent: ["yes; 401, 403: no", "down; 401, 403: none", "yes", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "unanswered", "if allowed", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  Expired: {
    unsent: ["yes; 401, 403: no", "answered", "yes", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "answered", "if allowed", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  Closed: {
    unsent: ["no", "none", "no", "no", "yes"],
    unacknowledged: ["no", "none", "no", "no", "yes"],
    partial: ["no", "answered", "no", "no", "yes"]
  },
  TooLarge: {
    unsent: ["yes; 401, 403: no", "none", "no", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "none", "no", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  QueueTimeout: {
    unsent: ["yes; 401, 403: no", "none", "no", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "none", "no", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  QueueFull: {
    unsent: ["yes; 401, 403: no", "none", "no", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "none", "no", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  NoRoom: {
    unsent: ["yes; 401, 403: no", "none", "no", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "none", "no", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  FirstEventTimeout: {
    unsent: ["yes; 401, 403: no", "unanswered", "yes", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "unanswered", "if allowed", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  Stalled: {
    unsent: ["yes; 401, 403: no", "unanswered", "yes", "no", "no; 401, 403: yes"],
    unacknowledged: ["no", "unanswered", "if allowed", "no", "no; 401, 403: yes"],
    partial: ["no", "answered", "no", "no", "no; 401, 403: yes"]
  },
  TurnTimeout: {
    unsent: ["no", "unanswered", "no", "no", "yes"],
    unacknowledged: ["no", "unanswered", "no", "no", "yes"],
    partial: ["no", "answered", "no", "no", "yes"]
  },
  Overrun: {
    unsent: ["no", "answered", "no", "no", "yes"],
    unacknowledged: ["no", "answered", "no", "no", "yes"],
    partial: ["no", "answered", "no", "no", "yes"]
  },
  InvalidRequest: {
    unsent: ["no", "none", "no", "no", "yes"]
  },
  PreviousResponseNotFound: {
    unsent: ["no", "answered", "no", "no", "yes"]
  },
  ResponseFailed: {
    unsent: ["no", "answered", "no", "no", "yes; 429, 500, 503: no"],
    unacknowledged: ["no", "answered", "no", "no", "yes; 429, 500, 503: no"],
    partial: ["no", "answered", "no", "no", "yes; 429, 500, 503: no"]
  },
  MalformedEvent: {
    unsent: ["no", "unanswered", "no", "no", "no"],
    unacknowledged: ["no", "unanswered", "no", "no", "no"],
    partial: ["no", "unanswered", "no", "no", "no"]
  }
}

/** Does not compile if the library has a row for what is no failure. */
const rows: Readonly<Record<Reasons.Reason | Tag, Partial<Record<Delivery, Verdicts>>>> = table

const statuses = [401, 403, 404, 426, 429, 500, 503]

const ofReason = (reason: ConnectionError["reason"], delivery: Delivery, status?: number) =>
  new ConnectionError({ reason, delivery, status, description: "Broke" })

const ofTag: Record<Tag, (delivery: Delivery, status?: number) => ResponsesError> = {
  InvalidRequest: () => new InvalidRequest({ field: "model", description: "is empty" }),
  PreviousResponseNotFound: (_, status) => new PreviousResponseNotFound({ status, description: "Broke" }),
  ResponseFailed: (delivery, status) => new ResponseFailed({ delivery, status, description: "Broke", frame: {} }),
  MalformedEvent: (delivery) => new MalformedEvent({ delivery, description: "a broken frame", frame: "" })
}

const cases = [
  ...ConnectionError.fields.reason.literals.map((name) => ({
    name,
    make: (delivery: Delivery, status?: number): ResponsesError => ofReason(name, delivery, status)
  })),
  ...(["InvalidRequest", "PreviousResponseNotFound", "ResponseFailed", "MalformedEvent"] as const).map((name) => ({
    name,
    make: ofTag[name]
  }))
].flatMap(({ make, name }) =>
  Delivery.literals.flatMap((delivery) => {
    const verdicts = rows[name][delivery]
    return verdicts === undefined
      ? []
      : [{ name, delivery, verdicts, make: (status?: number) => make(delivery, status) }]
  })
)

const yes = (verdict: boolean) => verdict ? "yes" : "no"

const mayRepeat = (error: ResponsesError) =>
  Reasons.mayRepeat("unsent")(error) ? "yes" : Reasons.mayRepeat("unacknowledged")(error) ? "if allowed" : "no"

/** The verdict without a status, and then each other one with its statuses. */
const inWords = (make: (status?: number) => ResponsesError, verdictOf: (error: ResponsesError) => string): string => {
  const usual = verdictOf(make())
  const verdicts = statuses.map((status) => ({ status, verdict: verdictOf(make(status)) }))
  const others = new Set(verdicts.map(({ verdict }) => verdict).filter((verdict) => verdict !== usual))
  const saying = (other: string) => verdicts.filter(({ verdict }) => verdict === other).map(({ status }) => status)
  return [usual, ...Array.from(others, (other) => `${saying(other).join(", ")}: ${other}`)].join("; ")
}

describe("the verdicts on", () => {
  for (const { delivery, make, name, verdicts } of cases) {
    it(`${name}, ${delivery}`, () => {
      assert.deepStrictEqual([
        inWords(make, (error) => yes(canFallBack(error))),
        inWords(make, Reasons.signOf),
        inWords(make, mayRepeat),
        inWords(make, (error) => yes(Reasons.mayRedial(error))),
        inWords(make, (error) => yes(Reasons.isCallers(error)))
      ], verdicts)
    })
  }
})

const errors = cases.flatMap(({ delivery, make }) =>
  [undefined, ...statuses].map((status) => ({ delivery, status, error: make(status) }))
)

describe("of all failures", () => {
  it("those are unsent that have no delivery or say so", () => {
    for (const { delivery, error } of errors) assert.strictEqual(isUnsent(error), delivery === "unsent", error.message)
  })

  it("HTTP may serve what a connection did not send, unless it is the caller's", () => {
    for (const { error } of errors) {
      const expected = error._tag === "ConnectionError" && isUnsent(error) && !Reasons.isCallers(error)
      assert.strictEqual(canFallBack(error), expected, error.message)
    }
  })

  it("only what HTTP may serve says that the transport is down", () => {
    const down = errors.filter(({ error }) => Reasons.isDown(error))
    assert.isTrue(down.length > 0 && down.every(({ error }) => canFallBack(error)))
  })

  it("a new key may mend what has the status 401", () => {
    for (const { error, status } of errors) {
      if (error._tag === "ConnectionError") {
        assert.strictEqual(Reasons.mayRedialWithNewKey(error), status === 401, error.message)
      }
    }
  })

  it("a refusal is judged by its code before its status", () => {
    const refused = (code: string, status: number) =>
      new ConnectionError({ reason: "Refused", delivery: "unsent", description: "Broke", code, status })
    assert.isTrue(Reasons.mayRedial(refused("rate_limit_exceeded", 400)))
    assert.isFalse(Reasons.mayRedial(refused("insufficient_quota", 429)))
  })
})
