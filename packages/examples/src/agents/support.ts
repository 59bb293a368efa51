/** A support agent with five tools: `tsx packages/examples/src/agents/support.ts "My lamp has not come." [--approve]` */
import { Terminal } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Config, Context, Data, Duration, Effect, Exit, Layer, Schedule, Schema, Stream } from "effect"
import { Conversation, ConversationJournal, ResponseTool } from "effect-responses"
import { NodeResponses } from "effect-responses-node"
import { fileURLToPath } from "node:url"

export class Busy extends Data.TaggedError("Busy") {}

/** What the tools know of the world. Tests provide another one. */
export class Shop extends Context.Tag("effect-responses-examples/agents/support/Shop")<Shop, {
  readonly order: (order: number) => Effect.Effect<object>
  readonly parcel: (order: number) => Effect.Effect<string>
  readonly stock: (article: string) => Effect.Effect<number, Busy>
  readonly refund: (order: number, idempotencyKey: string) => Effect.Effect<string>
}>() {}

const ShopLive = Layer.effect(
  Shop,
  Effect.map(Config.withDefault(Config.duration("CARRIER_DELAY"), Duration.seconds(3)), (delay) => {
    let asked = 0
    return {
      order: () => Effect.succeed({ article: "lamp", cents: 4900 }),
      parcel: () => Effect.delay(Effect.succeed("Lost on the way"), delay),
      stock: () => Effect.suspend(() => asked++ % 2 === 0 ? new Busy() : Effect.succeed(14)),
      refund: (order, idempotencyKey) => Effect.succeed(`Order ${order} is refunded, as ${idempotencyKey}`)
    }
  })
)

const shop = Effect.serviceFunctions(Shop)
const policy = "What is lost on the way is refunded."
const Order = Schema.Struct({ order: Schema.Int })

export const tools = [
  ResponseTool.make({ name: "get_order", parameters: Order, handler: ({ order }) => shop.order(order) }),
  ResponseTool.make({
    name: "track_parcel",
    parameters: Order,
    handler: ({ order }) => shop.parcel(order),
    timeout: "1 minute",
    // Ctrl-C may come while it runs. To look again does no harm.
    onUnknownOutcome: "rerun"
  }),
  ResponseTool.make({
    name: "check_stock",
    parameters: Schema.Struct({ article: Schema.String }),
    handler: ({ article }) => shop.stock(article),
    retry: { times: 2, schedule: Schedule.spaced("1 second") },
    onFailure: () => "Nobody knows how many there are."
  }),
  ResponseTool.make({ name: "get_policy", parameters: Schema.Struct({}), handler: () => Effect.succeed(policy) }),
  ResponseTool.make({
    name: "refund",
    parameters: Order,
    needsApproval: true,
    handler: ({ order }, { idempotencyKey }) => shop.refund(order, idempotencyKey)
  })
]

const textOf = (event: Conversation.EventOf<"all">): string => {
  if (event.type === "response.output_text.delta") return event.delta
  if (event.type === "conversation.tool.started") return `\n${event.name} …`
  if (event.type === "conversation.tool.ended") return `\n${event.name}: ${event.result._tag}\n`
  if (event.type === "conversation.retrying") return `\n${event.error._tag}: again in ${Duration.format(event.delay)}\n`
  if (event.type !== "conversation.approvals.pending") return ""
  return event.approvals.map((call) => `\n--approve or --reject? ${call.name} ${JSON.stringify(call.arguments)}`).join(
    ""
  )
}

export const agent = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const { display } = yield* Terminal.Terminal
  const settings = { model: "gpt-5.5", instructions: "Look things up.", store: false, retry: { times: 5 } }
  const conversation = yield* Conversation.open({ ...settings, id: "ada", tools })
  for (const { callId } of yield* conversation.approvals) {
    if (args.includes("--approve")) yield* conversation.approve(callId)
    if (args.includes("--reject")) yield* conversation.reject(callId, "the boss says no")
  }
  const question = args.find((arg) => !arg.startsWith("--"))
  const events = question === undefined ? conversation.resume : conversation.run(question, { pending: "resume" })
  yield* Stream.runForEach(events, (event) => display(textOf(event)))
  yield* display("\n")
})

const Journal = ConversationJournal.layerFile({ directory: process.env["JOURNAL"] ?? "conversations" })

// Tests import this file.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  agent(process.argv.slice(2)).pipe(
    Effect.provide([ShopLive, NodeResponses.layerConfig(), Layer.provideMerge(Journal, NodeContext.layer)]),
    NodeRuntime.runMain({
      // Ctrl-C leaves with 130. Without this it would be 0, as if all were done.
      teardown: (exit, leave) => leave(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
    })
  )
}
