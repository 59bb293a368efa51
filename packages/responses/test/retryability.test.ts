/** Every error has the same face, whatever else it is. */
import * as PlatformError from "@effect/platform/Error"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as ConversationErrors from "../src/ConversationError.ts"
import * as wireError from "../src/internal/wire/wireError.ts"
import * as ResponsesErrors from "../src/ResponsesError.ts"
import { ToolFailed } from "../src/ResponseTool.ts"

type Face = ResponsesErrors.Retryability

type Reason = ResponsesErrors.ConnectionError["reason"]

const deliveries = ResponsesErrors.Delivery.literals

const statuses = [401, 403, 404, 408, 425, 426, 429, 500, 503]

const connection = (
  reason: Reason,
  fields: Partial<ConstructorParameters<typeof ResponsesErrors.ConnectionError>[0]> = {}
) => new ResponsesErrors.ConnectionError({ reason, delivery: "unsent", description: "Broke", ...fields })

/** Whether the very same request can succeed later: without a status, and the statuses with which that is otherwise. */
const reasons: Record<Reason, readonly [retryable: boolean, otherwise: ReadonlyArray<number>]> = {
  Credentials: [false, []],
  Unreachable: [true, [401, 403]],
  OpenTimeout: [true, [401, 403]],
  Refused: [false, [408, 425, 429, 500, 503]],
  Lost: [true, [401, 403]],
  Expired: [true, [401, 403]],
  Closed: [false, []],
  TooLarge: [false, []],
  QueueTimeout: [true, [401, 403]],
  QueueFull: [true, [401, 403]],
  NoRoom: [false, []],
  FirstEventTimeout: [true, [401, 403]],
  Stalled: [true, [401, 403]],
  TurnTimeout: [false, []],
  Overrun: [false, []]
}

describe("a ConnectionError", () => {
  for (const reason of ResponsesErrors.ConnectionError.fields.reason.literals) {
    const [retryable, otherwise] = reasons[reason]
    it(`${reason} is ${retryable ? "" : "not "}retryable, and otherwise with ${otherwise.join(", ") || "no status"}`, () => {
      for (const delivery of deliveries) {
        assert.strictEqual(connection(reason, { delivery }).retryable, retryable)
        for (const status of statuses) {
          const error = connection(reason, { delivery, status })
          assert.strictEqual(error.retryable, otherwise.includes(status) ? !retryable : retryable, error.message)
          assert.strictEqual(error.delivery, delivery)
        }
      }
    })
  }

  it("Refused is judged by its code and words as well, and 401 and 403 outweigh them", () => {
    assert.isTrue(connection("Refused", { code: "rate_limit_exceeded", status: 400 }).retryable)
    assert.isFalse(connection("Refused", { code: "insufficient_quota", status: 429 }).retryable)
    assert.isTrue(connection("Refused", { description: "The service is overloaded", closeCode: 1008 }).retryable)
    assert.isFalse(connection("Refused", { code: "rate_limit_exceeded", status: 401 }).retryable)
  })

  it("has what the server asks to wait", () => {
    const error = wireError.fromRefusal({ status: 429, headers: { "retry-after": "7" }, body: "" })
    assert.deepStrictEqual(error.retryAfter, Duration.seconds(7))
  })
})

const tool = (reason: ToolFailed["reason"], cause?: unknown) =>
  new ToolFailed({ name: "pay", callId: "call_1", reason, description: "Broke", cause })

const journal = (reason: ConversationErrors.JournalFailed["reason"], cause?: unknown) =>
  new ConversationErrors.JournalFailed({ id: "c", reason, description: "Broke", cause })

/** Whether it passes by itself. */
const systemErrors: Record<PlatformError.SystemErrorReason, boolean> = {
  AlreadyExists: false,
  BadResource: false,
  Busy: true,
  InvalidData: false,
  NotFound: false,
  PermissionDenied: false,
  TimedOut: true,
  UnexpectedEof: true,
  Unknown: true,
  WouldBlock: true,
  WriteZero: true
}

const place = { module: "FileSystem", method: "open" } as const

const systemError = (reason: PlatformError.SystemErrorReason) =>
  new PlatformError.SystemError({ ...place, reason, pathOrDescriptor: "c.jsonl" })

const failed = (fields: { readonly status: number }) =>
  new ResponsesErrors.ResponseFailed({ description: "Broke", delivery: "unsent", frame: {}, ...fields })

const table: ReadonlyArray<readonly [name: string, Face & Error, Pick<Face, "delivery" | "retryable">]> = [
  [
    "InvalidRequest",
    new ResponsesErrors.InvalidRequest({ field: "model", description: "is empty" }),
    { delivery: "unsent", retryable: false }
  ],
  [
    "PreviousResponseNotFound",
    new ResponsesErrors.PreviousResponseNotFound({ description: "Gone" }),
    { delivery: "unsent", retryable: false }
  ],
  ["ResponseFailed, passing", failed({ status: 429 }), { delivery: "unsent", retryable: true }],
  ["ResponseFailed, final", failed({ status: 400 }), { delivery: "unsent", retryable: false }],
  ...deliveries.map((delivery) =>
    [
      `MalformedEvent, ${delivery}`,
      new ResponsesErrors.MalformedEvent({ description: "noise", frame: "{", delivery }),
      { delivery, retryable: false }
    ] as const
  ),
  [
    "ConnectionError",
    connection("Closed"),
    { delivery: "unsent", retryable: false }
  ],
  [
    "TooManyRounds",
    new ConversationErrors.TooManyRounds({ rounds: 3 }),
    { delivery: "partial", retryable: false }
  ],
  [
    "BudgetSpent",
    new ConversationErrors.BudgetSpent({ budget: 100, spent: 120, rounds: 2 }),
    { delivery: "partial", retryable: false }
  ],
  ["ApprovalRequired", new ConversationErrors.ApprovalRequired({ approvals: [] }), {
    delivery: "partial",
    retryable: false
  }],
  [
    "ApprovalNotPending",
    new ConversationErrors.ApprovalNotPending({ callId: "c", reason: "Unknown", approvals: [] }),
    { delivery: "unsent", retryable: false }
  ],
  ["PendingRound", new ConversationErrors.PendingRound({ calls: [] }), { delivery: "unsent", retryable: false }],
  [
    "ConversationTaken",
    new ConversationErrors.ConversationTaken({ id: "c", epoch: 1 }),
    { delivery: "partial", retryable: false }
  ],
  ["JournalFailed Unreachable", journal("Unreachable"), { delivery: "partial", retryable: true }],
  ...PlatformError.SystemErrorReason.literals.map((reason) =>
    [
      `JournalFailed Unreachable, ${reason}`,
      journal("Unreachable", systemError(reason)),
      { delivery: "partial", retryable: systemErrors[reason] }
    ] as const
  ),
  [
    "JournalFailed Unreachable, BadArgument",
    journal("Unreachable", new PlatformError.BadArgument(place)),
    { delivery: "partial", retryable: false }
  ],
  [
    "JournalFailed Unreachable, of an error that can pass",
    journal("Unreachable", connection("Unreachable")),
    { delivery: "partial", retryable: true }
  ],
  [
    "JournalFailed Unreachable, of an error that cannot",
    journal("Unreachable", connection("Closed")),
    { delivery: "partial", retryable: false }
  ],
  [
    "JournalFailed Unreachable, of any other error",
    journal("Unreachable", new Error("Broke")),
    { delivery: "partial", retryable: true }
  ],
  ["JournalFailed Malformed", journal("Malformed"), { delivery: "partial", retryable: false }],
  ["ToolFailed UnknownTool", tool("UnknownTool"), { delivery: "partial", retryable: false }],
  ["ToolFailed BadArguments", tool("BadArguments"), { delivery: "partial", retryable: false }],
  ["ToolFailed BadOutput", tool("BadOutput"), { delivery: "partial", retryable: false }],
  ["ToolFailed HandlerFailed", tool("HandlerFailed", new Error("Broke")), { delivery: "partial", retryable: false }],
  [
    "ToolFailed HandlerFailed, of an error that can pass",
    tool("HandlerFailed", connection("Unreachable")),
    { delivery: "partial", retryable: true }
  ],
  [
    "ToolFailed HandlerFailed, of an error that cannot",
    tool("HandlerFailed", connection("Closed")),
    { delivery: "partial", retryable: false }
  ]
]

describe("the face", () => {
  for (const [name, { delivery, retryAfter, retryable }, expected] of table) {
    it(`of ${name}`, () => {
      assert.deepStrictEqual({ delivery, retryable, retryAfter }, { ...expected, retryAfter: undefined })
    })
  }

  it("every class of errors is in the table", () => {
    const classes = [...Object.values(ResponsesErrors), ...Object.values(ConversationErrors), ToolFailed]
      .filter((value): value is typeof ToolFailed => typeof value === "function" && value.prototype instanceof Error)
    assert.isAtLeast(classes.length, 10)
    for (const each of classes) {
      assert.isTrue(table.some(([, error]) => error instanceof each), `${each.name} is not in the table`)
    }
  })
})

const everyConnectionError = ResponsesErrors.ConnectionError.fields.reason.literals.flatMap((reason) =>
  deliveries.flatMap((delivery) =>
    [undefined, ...statuses].map((status) => connection(reason, { delivery, status, description: "Broke" }))
  )
)

describe("a message", () => {
  it("says that it is safe to send again only of what is retryable and was not run", () => {
    for (const error of [...everyConnectionError, ...table.map(([, error]) => error)]) {
      if (error.retryable) continue
      assert.notMatch(error.message, /send (?:it|the request) again|try again/, error.message)
    }
    for (const error of everyConnectionError) {
      assert.strictEqual(
        error.message.includes("safe to send the request again"),
        error.retryable && error.delivery === "unsent",
        error.message
      )
    }
  })

  it("of a refused key", () => {
    const error = wireError.fromRefusal({ status: 401, headers: {}, body: "" })
    assert.strictEqual(
      error.message,
      "The server refused the connection (status 401): nothing was run, and the same request would fail again"
    )
  })
})
