/** The fields of a create body and what may stand in each. */
import * as Predicate from "effect/Predicate"
import * as Items from "./inputItems.ts"
import { missing, outOfRange, type Problem, wrongType, wrongValue } from "./problems.ts"
import * as Tools from "./tools.ts"

export type Check = (value: unknown, param: string) => Problem | undefined

const of = (expected: string, is: (value: unknown) => boolean): Check => (value, param) =>
  is(value) ? undefined : wrongType(param, expected, value)

const anything: Check = () => undefined
const string = of("a string", Predicate.isString)
const boolean = of("a boolean", Predicate.isBoolean)
const object = of("an object", Predicate.isRecord)
const array = of("an array", Array.isArray)
const stringOrObject = of("a string or an object", (value) => Predicate.isString(value) || Predicate.isRecord(value))
const strings = of(
  "an array of strings",
  (value) => Array.isArray(value) && value.every((element) => Predicate.isString(element))
)

const within = (kind: "integer" | "decimal", from: number, to: number): Check => (value, param) => {
  if (!Predicate.isNumber(value) || (kind === "integer" && !Number.isInteger(value))) {
    return wrongType(param, kind === "integer" ? "an integer" : "a decimal", value)
  }
  return value < from
    ? outOfRange(param, kind, value, from)
    : value > to
    ? outOfRange(param, kind, value, to)
    : undefined
}

const oneOf = (...supported: ReadonlyArray<string>): Check => (value, param) =>
  !Predicate.isString(value)
    ? wrongType(param, "a string", value)
    : supported.includes(value)
    ? undefined
    : wrongValue(param, value, supported)

const metadata: Check = (value, param) => {
  if (!Predicate.isRecord(value)) return wrongType(param, "an object", value)
  const [name, wrong] = Object.entries(value).find(([, text]) => !Predicate.isString(text)) ?? []
  return name === undefined ? undefined : wrongType(`${param}.${name}`, "a string", wrong)
}

const prompt: Check = (value, param) =>
  !Predicate.isRecord(value) ? wrongType(param, "an object", value) : Predicate.isNullable(value["id"])
    ? missing(`${param}.id`)
    : string(value["id"], `${param}.id`)

const toolChoice: Check = (value, param) =>
  Predicate.isString(value) ? oneOf("none", "auto", "required")(value, param) : stringOrObject(value, param)

/** `null` stands for "left out" wherever it is. */
export const fields = {
  access_programs: anything,
  background: boolean,
  context_management: array,
  conversation: stringOrObject,
  frequency_penalty: within("decimal", -2, 2),
  generate: boolean,
  image: object,
  include: strings,
  input: Items.input,
  instructions: string,
  max_output_tokens: within("integer", 16, Number.POSITIVE_INFINITY),
  max_tool_calls: within("integer", 1, Number.POSITIVE_INFINITY),
  metadata,
  model: string,
  moderation: object,
  parallel_tool_calls: boolean,
  presence_penalty: within("decimal", -2, 2),
  previous_response_id: string,
  prompt,
  prompt_cache_key: string,
  prompt_cache_options: object,
  prompt_cache_retention: oneOf("in_memory", "in-memory", "24h"),
  reasoning: object,
  safety_identifier: string,
  service_tier: oneOf("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"),
  store: boolean,
  stream: boolean,
  stream_id: string,
  stream_options: object,
  temperature: within("decimal", 0, 2),
  text: Tools.text,
  tool_choice: toolChoice,
  tools: Tools.tools,
  top_logprobs: within("integer", 0, 20),
  top_p: within("decimal", 0, 1),
  truncation: oneOf("auto", "disabled"),
  user: string
} satisfies Readonly<Record<string, Check>>

export const isField = (name: string): name is keyof typeof fields => Object.hasOwn(fields, name)
