/**
 * Where a `Conversation` writes down what has happened, so that it can go on after a failure, also in another process.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { ConversationTaken, JournalFailed } from "./ConversationError.ts"
import * as JournalFile from "./internal/conversation/journalFile.ts"
import {
  type CustomToolCallOutput,
  type FunctionCallOutput,
  type McpApprovalResponse,
  ResponseItem
} from "./ResponseItem.ts"

const Items = Schema.Array(ResponseItem)

const CallOutput = Schema.declare(
  (value): value is FunctionCallOutput | CustomToolCallOutput =>
    Predicate.isRecord(value) && Predicate.isString(value["call_id"]) &&
    (value["type"] === "function_call_output" || value["type"] === "custom_tool_call_output"),
  { identifier: "CallOutput", message: () => "Expected the output of a call" }
)

const ApprovalResponse = Schema.declare(
  (value): value is McpApprovalResponse =>
    Predicate.isRecord(value) && Predicate.isString(value["approval_request_id"]) &&
    value["type"] === "mcp_approval_response",
  { identifier: "McpApprovalResponse", message: () => "Expected the answer to an approval request" }
)

/** A response that the server has stored. */
const Stored = Schema.Struct({
  id: Schema.String,
  /** Of the settings that it was asked for with: equal settings have equal ones. */
  settings: Schema.String
})

/** Journals of before have none. */
const response = Schema.optional(Stored)

/** Left out in older journals, and where it is none. */
const told = Schema.optional(Schema.Number)

/** Names a call among several open ones of one `call_id`. Left out where there is only one, and in older journals. */
const key = Schema.optional(Schema.String)

/**
 * What is written down, in the order in which it happens.
 *
 * - `Loaded`: the conversation begins with this history.
 * - `Asked`: `run` begins with this input.
 * - `Withdrawn`: what was asked was refused as invalid, and is not asked again.
 * - `Answered`: a response to a `run` has ended, and this is kept of it.
 * - `Sent`: `send` has ended, with this input and this output.
 * - `Compacted`: this history has taken the place of the one before.
 * - `Started`: the tool of a call is about to run.
 * - `Failed`: it has failed, and the failure was not told to the model. It may run again.
 * - `Ended`: the call has its output. That of a rejected call says so.
 * - `Held`: the call is not run before it is approved.
 * - `Approved`: a held call may run.
 * - `Decided`: the server may run a tool of an MCP server, or may not.
 *
 * `response` is there where the server has stored the response, so that another process can go on from it.
 *
 * `key` is there where another call of the same `call_id` is open as well, and says that the call of an async tool is meant.
 *
 * `told`: how many outputs of async tools the request has told, from the first that the model did not know.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Union(
  Schema.TaggedStruct("Loaded", { history: Items }),
  Schema.TaggedStruct("Asked", { input: Items }),
  Schema.TaggedStruct("Withdrawn", {}),
  Schema.TaggedStruct("Answered", { output: Items, response, told }),
  Schema.TaggedStruct("Sent", { input: Items, output: Items, response, told }),
  Schema.TaggedStruct("Compacted", { history: Items, response }),
  Schema.TaggedStruct("Started", { callId: Schema.String, attempt: Schema.Number, key }),
  Schema.TaggedStruct("Failed", { callId: Schema.String, key }),
  Schema.TaggedStruct("Ended", { output: CallOutput, key }),
  Schema.TaggedStruct("Held", { callId: Schema.String }),
  Schema.TaggedStruct("Approved", { callId: Schema.String }),
  Schema.TaggedStruct("Decided", { response: ApprovalResponse })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * A conversation in the hands of its latest owner.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owned {
  /** Rises with each `load` of the conversation, by whichever process. */
  readonly epoch: number
  readonly entries: ReadonlyArray<Entry>
  /**
   * Writes the entry number `seq`, counted from 0, and succeeds when it will outlive the process. Writing a number that was
   * written before does nothing, as a write that failed may have been done. Fails with `ConversationTaken` from the moment
   * on at which another owner has loaded the conversation. It is not interrupted, and has to end by itself.
   */
  readonly append: (seq: number, entry: Entry) => Effect.Effect<void, ConversationTaken | JournalFailed>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Reads the conversation, which may be new, and takes it over from its owner before. */
  readonly load: (id: string) => Effect.Effect<Owned, JournalFailed>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ConversationJournal
  extends Context.Tag("effect-responses/ConversationJournal")<ConversationJournal, Service>()
{}

const gap = (id: string, seq: number, length: number): JournalFailed =>
  new JournalFailed({ id, reason: "Malformed", description: `entry ${seq} was to follow ${length} entries` })

/**
 * Lives as long as the program: for tests, and for conversations that are made anew within one process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory: Effect.Effect<Service> = Effect.sync(() => {
  const conversations = new Map<string, { epoch: number; readonly entries: Array<Entry> }>()
  return {
    load: (id) =>
      Effect.sync(() => {
        const stored = conversations.get(id) ?? { epoch: 0, entries: [] }
        conversations.set(id, stored)
        const epoch = ++stored.epoch
        return {
          epoch,
          entries: [...stored.entries],
          append: (seq, entry) =>
            Effect.suspend((): Effect.Effect<void, ConversationTaken | JournalFailed> => {
              if (stored.epoch !== epoch) return Effect.fail(new ConversationTaken({ id, epoch }))
              if (seq > stored.entries.length) return Effect.fail(gap(id, seq, stored.entries.length))
              if (seq === stored.entries.length) stored.entries.push(entry)
              return Effect.void
            })
        }
      })
  }
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<ConversationJournal> = Layer.effect(ConversationJournal, makeMemory)

/**
 * @since 0.1.0
 * @category models
 */
export interface FileOptions {
  /** Where the files are. It is made if it is missing. */
  readonly directory: string
}

const decode = Schema.decodeUnknown(Schema.Array(Entry))

/**
 * A file of JSON lines for each conversation. A line is on the disk before the conversation goes on. An owner that was
 * killed in the middle of a line leaves that line without effect. A file that begins with something else is no journal: `load`
 * fails with `JournalFailed` `Malformed`, and does not write to it. The directory must be local: owners in several processes
 * rely on appends that do not overwrite each other.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFile = (
  options: FileOptions
): Effect.Effect<Service, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path

    const load = Effect.fnUntraced(function*(id: string) {
      const unreachable = (cause: unknown) =>
        new JournalFailed({ id, reason: "Unreachable", description: String(cause), cause })
      const malformed = (description: string) => new JournalFailed({ id, reason: "Malformed", description })
      yield* Effect.mapError(fs.makeDirectory(options.directory, { recursive: true }), unreachable)
      const file = path.join(options.directory, `${encodeURIComponent(id)}.jsonl`)
      const claimed = yield* Effect.mapError(JournalFile.claim(fs, file), unreachable)
      if (claimed === undefined) return yield* malformed(`${file} is another kind of file, and was left as it is`)
      const { append, epoch, values } = claimed
      if (values === undefined) return yield* malformed(`an entry is missing in ${file}`)
      const entries = yield* Effect.mapError(decode(values), (error) => malformed(`${file}: ${error.message}`))
      return {
        epoch,
        entries,
        append: (seq: number, entry: Entry) =>
          append(seq, entry).pipe(
            Effect.mapError(unreachable),
            Effect.filterOrFail(Predicate.isTruthy, () => new ConversationTaken({ id, epoch })),
            Effect.asVoid
          )
      }
    })
    return { load }
  })

/**
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Conversation, ConversationJournal } from "effect-responses"
 *
 * // On Node the `FileSystem` and the `Path` come with `NodeContext.layer` of `@effect/platform-node`.
 * export const program = Conversation.open({ id: "order-17", model: "gpt-5.5" }).pipe(
 *   Effect.flatMap((conversation) => Stream.runDrain(conversation.resume)),
 *   Effect.provide(ConversationJournal.layerFile({ directory: "conversations" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (
  options: FileOptions
): Layer.Layer<ConversationJournal, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(ConversationJournal, makeFile(options))
