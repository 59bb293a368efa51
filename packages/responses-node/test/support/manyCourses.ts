/** Generated courses of many conversations at once on one Layer: what each of them does, and what the server is like. */
import type * as Dialect from "effect-responses-server/Dialect"
import type * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as FastCheck from "effect/FastCheck"
import { dialect, type Echo } from "./histories.ts"
import * as Strikes from "./strikes.ts"

export type Step =
  /** Says something; with `tools` the model calls tools first, and every call is answered. */
  | { readonly _tag: "Say"; readonly tools: number; readonly echo: Echo }
  /** Goes on, and at the same time goes on from an older answer: `back` answers ago. */
  | { readonly _tag: "Branch"; readonly back: number; readonly isFirst: boolean; readonly staysOn: boolean }
  /** Goes on from an older answer. */
  | { readonly _tag: "Return"; readonly back: number }
  /** Changes what was said at some point, and goes on from the end. */
  | { readonly _tag: "Edit"; readonly at: number; readonly inPlace: boolean }
  /** Leaves after some events. */
  | { readonly _tag: "Leave"; readonly events: number }
  /** Is interrupted some turns of the event loop after it asked. */
  | { readonly _tag: "Interrupt"; readonly after: number }
  /** Names the last response itself and sends only what is new. */
  | { readonly _tag: "Explicit" }
  | { readonly _tag: "WarmUp" }
  | { readonly _tag: "Settings"; readonly instructions: string }

export interface Conversation {
  /** The `stream_id` of its requests. Several conversations may have the same. */
  readonly name: string | undefined
  /** Begins with the same words as others do. */
  readonly isPlain: boolean
  /** Before each step the conversation waits for so many turns of the event loop. */
  readonly steps: ReadonlyArray<{ readonly step: Step; readonly pause: number }>
}

export interface Course {
  readonly store: boolean
  readonly server: Pick<ResponsesServer.Options, "atMaxInFlight" | "evictsParents" | "streamIds">
  readonly dialect: Dialect.Dialect
  readonly maxConnections: number
  readonly maxLanes: number
  readonly onEarlyEnd: "close" | "drain"
  /** Connections are replaced again and again, all the time. */
  readonly isRestless: boolean
  /** Whether a step begins when all conversations have had the one before it. */
  readonly inRounds: boolean
  /** In milliseconds. */
  readonly deltaDelay: number
  readonly conversations: ReadonlyArray<Conversation>
  /** `when`: as soon as the server has had so many requests. */
  readonly faults: ReadonlyArray<{ readonly fault: Strikes.Fault; readonly when: number }>
}

const { array, boolean, constant, constantFrom, integer, oneof, record } = FastCheck

const say: FastCheck.Arbitrary<Step> = record({
  _tag: constant("Say" as const),
  tools: constantFrom(0, 0, 0, 1, 2),
  echo: constantFrom<Echo>("same", "same", "copy", "stripped", "asSent")
})

const step: FastCheck.Arbitrary<Step> = oneof(
  { weight: 6, arbitrary: say },
  {
    weight: 4,
    arbitrary: record({
      _tag: constant("Branch" as const),
      back: integer({ min: 0, max: 2 }),
      isFirst: boolean(),
      staysOn: boolean()
    })
  },
  { weight: 1, arbitrary: record({ _tag: constant("Return" as const), back: integer({ min: 1, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: record({ _tag: constant("Edit" as const), at: integer({ min: 0, max: 8 }), inPlace: boolean() })
  },
  { weight: 2, arbitrary: record({ _tag: constant("Leave" as const), events: integer({ min: 0, max: 6 }) }) },
  { weight: 2, arbitrary: record({ _tag: constant("Interrupt" as const), after: integer({ min: 0, max: 4 }) }) },
  { weight: 1, arbitrary: constant({ _tag: "Explicit" as const }) },
  { weight: 1, arbitrary: constant({ _tag: "WarmUp" as const }) },
  { weight: 1, arbitrary: record({ _tag: constant("Settings" as const), instructions: constantFrom("x", "y") }) }
)

const conversation = (step: FastCheck.Arbitrary<Step>, maxSteps: number): FastCheck.Arbitrary<Conversation> =>
  record({
    name: constantFrom(undefined, undefined, "mine", "yours"),
    isPlain: constantFrom(false, false, false, true),
    steps: array(record({ step, pause: constantFrom(0, 0, 1, 5) }), { minLength: 1, maxLength: maxSteps })
  })

/** Few conversations that go on for long, or up to 40 that do not. */
const conversations = oneof(
  { weight: 3, arbitrary: array(conversation(step, 8), { minLength: 1, maxLength: 6 }) },
  { weight: 2, arbitrary: array(conversation(step, 4), { minLength: 7, maxLength: 40 }) }
)

/** Anything may happen. */
export const wild: FastCheck.Arbitrary<Course> = record({
  store: boolean(),
  server: record({
    streamIds: constantFrom(
      "lanes" as const,
      "lanes" as const,
      "echoed" as const,
      "dropped" as const,
      "refused" as const
    ),
    atMaxInFlight: constantFrom("wait" as const, "wait" as const, "refuse" as const),
    evictsParents: boolean()
  }),
  dialect,
  maxConnections: integer({ min: 1, max: 3 }),
  maxLanes: integer({ min: 1, max: 16 }),
  onEarlyEnd: constantFrom("close" as const, "drain" as const),
  isRestless: constantFrom(false, false, false, true),
  inRounds: boolean(),
  deltaDelay: constantFrom(0, 0, 1),
  conversations,
  faults: oneof(
    { weight: 1, arbitrary: constant([]) },
    {
      weight: 2,
      arbitrary: array(record({ fault: Strikes.fault, when: integer({ min: 1, max: 60 }) }), { maxLength: 6 })
    }
  )
})

/** All answers differ, and so do all conversations, from their first words on. */
const distinct = (course: Course): Course => ({
  ...course,
  conversations: course.conversations.map((conversation) => ({ ...conversation, isPlain: false }))
})

/** Conversations and branches: each has a lane of its own. */
const names = ({ conversations }: Course): number =>
  conversations.reduce(
    (count, { steps }) => count + 1 + steps.filter(({ step }) => step._tag === "Branch").length,
    0
  )

/** Nothing breaks, nobody leaves, and there is a lane for each conversation and each branch. */
export const calm: FastCheck.Arbitrary<Course> = record({
  maxConnections: integer({ min: 1, max: 3 }),
  maxLanes: integer({ min: 2, max: 16 })
}).chain(({ maxConnections, maxLanes }) => {
  // Each conversation may have a branch at the same time.
  const most = Math.min(40, Math.floor(maxLanes / 2))
  const branch: FastCheck.Arbitrary<Step> = record({
    _tag: constant("Branch" as const),
    back: constant(0),
    isFirst: boolean(),
    staysOn: boolean()
  })
  return record({
    store: boolean(),
    server: constant({ streamIds: "lanes" as const, atMaxInFlight: "refuse" as const }),
    dialect: dialect.map((dialect) => ({ ...dialect, ids: "each" as const })),
    maxConnections: constant(maxConnections),
    maxLanes: constant(maxLanes),
    onEarlyEnd: constantFrom("close" as const, "drain" as const),
    isRestless: constant(false),
    inRounds: boolean(),
    // A server that answers at once has given a parent up before it looks at the fork that came next.
    deltaDelay: constant(1),
    conversations: array(conversation(oneof({ weight: 3, arbitrary: say }, { weight: 1, arbitrary: branch }), 5), {
      minLength: 1,
      maxLength: most
    }),
    faults: constant([])
  })
}).map(distinct).filter((course) => names(course) <= 32)

/** As many conversations as there are lanes on all connections together, each with one turn a round. */
export const full: FastCheck.Arbitrary<Course> = record({
  maxConnections: integer({ min: 1, max: 3 }),
  maxLanes: integer({ min: 1, max: 16 }),
  rounds: integer({ min: 2, max: 3 })
}).chain(({ maxConnections, maxLanes, rounds }) =>
  record({
    store: boolean(),
    server: constant({ streamIds: "lanes" as const, atMaxInFlight: "refuse" as const }),
    dialect: constant({}),
    maxConnections: constant(maxConnections),
    maxLanes: constant(maxLanes),
    onEarlyEnd: constant("drain" as const),
    isRestless: constant(false),
    inRounds: constant(true),
    deltaDelay: constant(1),
    conversations: array(
      record({
        name: constant(undefined),
        isPlain: constant(false),
        steps: array(record({ step: say, pause: constant(0) }), { minLength: rounds, maxLength: rounds })
      }),
      { minLength: 1, maxLength: Math.min(40, maxConnections * maxLanes) }
    ),
    faults: constant([])
  })
)
