/** A caller who leaves history and tools to `Conversation`. */
import * as Conversation from "effect-responses/Conversation"
import * as Responses from "effect-responses/Responses"
import * as ResponseTool from "effect-responses/ResponseTool"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conduct from "./conduct.ts"
import { answered, type Ask, type Options } from "./dialogue.ts"
import { dice } from "./dice.ts"
import * as Plan from "./plan.ts"

const look = ResponseTool.make({
  name: "look",
  parameters: Schema.Struct({ what: Schema.String }),
  handler: ({ what }) => Effect.succeed(`seen ${what}`)
})

const longest = 40

export const make = Effect.fnUntraced(function*({ name, referee, seed, service, spec }: Options) {
  const fresh = Conversation.make({
    model: "m",
    store: spec.store,
    // The referee counts what is asked.
    retry: false,
    instructions: `Be kind. ${name}`,
    tools: [look],
    ...(spec.lanes === true ? { stream_id: `lane-${name}` } : {})
  }).pipe(Effect.provideService(Responses.Responses, service))

  let conversation = yield* fresh
  const asking: Ask = Effect.fnUntraced(function*(number: number) {
    const key: Plan.Key = `${name}.${number}`
    const plan = Plan.plan(seed, key, spec)
    const at = dice(seed, "chat", key)
    const history = yield* conversation.history
    if (history.length > longest) conversation = yield* fresh
    else if (at.chance(0.05)) conversation = yield* conversation.fork
    else if (at.chance(0.03) && history.length > 0) yield* Effect.ignore(conversation.warmUp)
    const { run, send } = conversation
    const unanswered = answered(yield* conversation.history).slice((yield* conversation.history).length)
    const input = [...unanswered, Plan.say(key)]
    const ask = at.chance(0.7) ? run : send
    yield* Conduct.perform(
      referee,
      key,
      plan,
      spec,
      (attempt) => Stream.runDrain(Conduct.listening(plan, attempt)(ask(input)))
    )
  })
  return asking
})
