/** The agent's tools: what the model is told of them, and what they do. */
import type { ResponseItem, ResponseRequest } from "effect-responses"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as Schema from "effect/Schema"
import * as shop from "./shop.ts"

interface Tool {
  readonly definition: ResponseRequest.FunctionTool
  /** Takes the arguments as the model wrote them. What goes wrong is for the model to read, which can do better then. */
  readonly run: (args: string) => Effect.Effect<string>
}

const tool = <A, I>(options: {
  readonly name: string
  readonly description: string
  readonly parameters: Schema.Schema<A, I>
  readonly run: (args: A) => string
}): Tool => {
  const decode = Schema.decode(Schema.parseJson(options.parameters))
  const { $schema: _, ...parameters } = JSONSchema.make(options.parameters)
  return {
    definition: {
      type: "function",
      name: options.name,
      description: options.description,
      parameters,
      strict: true
    },
    run: (args) =>
      decode(args).pipe(
        Effect.map(options.run),
        Effect.catchAll((error) => Effect.succeed(`Error: the arguments do not fit.\n${error.message}`))
      )
  }
}

const service = Schema.Literal(...shop.services).annotations({ description: "Which service to look into." })

const all: ReadonlyArray<Tool> = [
  tool({
    name: "search_logs",
    description: "Lines that a service logged in the night, oldest first. Begin with errors; warnings often say why.",
    parameters: Schema.Struct({
      service,
      level: Schema.Literal(...shop.levels),
      limit: Schema.Number.annotations({ jsonSchema: { type: "integer", minimum: 10, maximum: 16 } })
    }),
    run: ({ level, limit, service }) => shop.searchLogs(service, level, limit)
  }),
  tool({
    name: "query_metric",
    description: "A metric of a service, one value a minute, with what it was before and after the incident began.",
    parameters: Schema.Struct({
      service,
      metric: Schema.Literal(...shop.metrics),
      minutes: Schema.Number.annotations({ jsonSchema: { type: "integer", minimum: 20, maximum: 30 } })
    }),
    run: ({ metric, minutes, service }) => shop.queryMetric(service, metric, minutes)
  }),
  tool({
    name: "list_deploys",
    description: "What was deployed last night: when, by whom, and what it says it changes.",
    parameters: Schema.Struct({ service }),
    run: ({ service }) => shop.listDeploys(service)
  }),
  tool({
    name: "read_config",
    description: "The configuration a service runs with: pools, time-outs, retries, jobs, feature flags.",
    parameters: Schema.Struct({ service }),
    run: ({ service }) => shop.readConfig(service)
  })
]

export const definitions: ReadonlyArray<ResponseRequest.FunctionTool> = all.map(({ definition }) => definition)

export const run = (call: ResponseItem.FunctionCall): Effect.Effect<string> =>
  all.find(({ definition }) => definition.name === call.name)?.run(call.arguments) ??
    Effect.succeed(`Error: there is no tool ${call.name}.`)
