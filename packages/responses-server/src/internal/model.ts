/**
 * The built-in model: a pure function of what it sees, so that every transport gives the same conversation. It calls the
 * offered tools as often as the user asked for ("3 tool calls", "use the tools 3 times"; else once) and then answers.
 */
import { type ResponseItem, type ResponseRequest, ResponseScript } from "effect-responses"
import * as Predicate from "effect/Predicate"
import { hash } from "../Context.ts"
import { sample } from "./sample.ts"

type Item = ResponseItem.ResponseItem

const contentText = (content: string | ReadonlyArray<ResponseItem.ContentPart>): string =>
  typeof content === "string"
    ? content
    : content.map((part) => "text" in part && Predicate.isString(part.text) ? part.text : "").join("")

const isOutput = (item: Item): item is ResponseItem.FunctionCallOutput | ResponseItem.CustomToolCallOutput =>
  item.type === "function_call_output" || item.type === "custom_tool_call_output"

const isCall = (item: Item): item is ResponseItem.FunctionCall | ResponseItem.CustomToolCall =>
  item.type === "function_call" || item.type === "custom_tool_call"

const isUser = (item: Item): item is ResponseItem.Message =>
  (item.type === undefined || item.type === "message") && item.role === "user"

const wanted = (text: string): number => {
  const found = /(\d+)\s+tool\s+calls?/i.exec(text) ?? /tools?\s+(\d+)\s+times/i.exec(text)
  return found === null ? 1 : Number(found[1])
}

interface Callable {
  readonly name: string
  readonly call: (callId: string, seed: number) => ResponseScript.Turn
}

const callable = (tool: ResponseRequest.Tool): ReadonlyArray<Callable> => {
  const { name } = tool
  if (!Predicate.isString(name)) return []
  if (tool.type === "function") {
    const parameters = "parameters" in tool ? tool.parameters : undefined
    return [{
      name,
      call: (callId, seed) => ResponseScript.toolCall({ name, callId, arguments: sample(parameters, seed) })
    }]
  }
  return tool.type === "custom"
    ? [{ name, call: (callId, seed) => ResponseScript.customToolCall({ name, callId, input: `input ${seed + 1}` }) }]
    : []
}

interface Offer {
  readonly tools: ReadonlyArray<Callable>
  /** Whether this answer has to call one, however many calls there were. */
  readonly mustCall: boolean
}

const namesOf = (tools: unknown): ReadonlyArray<unknown> =>
  (Array.isArray(tools) ? tools : []).map((tool: unknown) => Predicate.isRecord(tool) ? tool["name"] : undefined)

const offered = ({ tool_choice: choice, tools }: ResponseRequest.ResponseRequest): Offer => {
  const all = (tools ?? []).flatMap(callable)
  if (!Predicate.isRecord(choice)) return { tools: choice === "none" ? [] : all, mustCall: choice === "required" }
  const isAllowed = choice["type"] === "allowed_tools"
  const names = isAllowed ? namesOf(choice["tools"]) : [choice["name"]]
  return {
    tools: all.filter(({ name }) => names.includes(name)),
    mustCall: !isAllowed || choice["mode"] === "required"
  }
}

/** What the text of an answer must be, when the caller gave a schema for it. */
const formatted = (request: ResponseRequest.ResponseRequest, seed: number): string | undefined => {
  const format: unknown = Predicate.isRecord(request.text) ? request.text["format"] : undefined
  if (!Predicate.isRecord(format)) return undefined
  if (format["type"] === "json_schema") return JSON.stringify(sample(format["schema"], seed))
  return format["type"] === "json_object" ? JSON.stringify({ answer: `answer ${seed + 1}` }) : undefined
}

const excerpt = (text: string, length: number): string => text.length <= length ? text : `${text.slice(0, length - 1)}…`

const firstLine = (text: string): string => text.trim().split(/\r?\n/, 1).join()

/** How many outputs an answer quotes. */
const quoted = 5

const answer = (items: ReadonlyArray<Item>, question: string, outputs: ReadonlyArray<Item>): string => {
  if (outputs.length === 0) {
    return question === ""
      ? "There is nothing to answer."
      : `You said: ${excerpt(question, 200)}`
  }
  const names = new Map(items.filter(isCall).map((call) => [call.call_id, call.name]))
  const results = outputs.filter(isOutput).slice(-quoted).map((output) =>
    `${names.get(output.call_id) ?? output.call_id} said ${excerpt(firstLine(contentText(output.output)), 80)}`
  )
  return `After ${outputs.length} tool ${outputs.length === 1 ? "call" : "calls"}: ${results.join("; ")}.`
}

const thought = (
  request: ResponseRequest.ResponseRequest,
  items: ReadonlyArray<Item>,
  names: string
): ResponseScript.Turn =>
  ResponseScript.reasoning(
    `I need ${names}.`,
    request.include?.includes("reasoning.encrypted_content")
      ? { encrypted: Buffer.from(`thought:${hash(items)}`).toString("base64") }
      : {}
  )

export const model = (
  request: ResponseRequest.ResponseRequest,
  { input }: ResponseScript.Context
): ResponseScript.Turn => {
  const asked = input.reduce((found, item, index) => isUser(item) ? index : found, -1)
  const question = input[asked]
  const text = question !== undefined && isUser(question) ? contentText(question.content) : ""
  const outputs = input.slice(asked + 1).filter(isOutput)
  const { mustCall, tools } = offered(request)
  const missing = tools.length === 0 ? 0 : Math.max(wanted(text) - outputs.length, mustCall ? 1 : 0)
  const before = input.filter(isCall).length
  if (missing <= 0) return ResponseScript.text(formatted(request, before) ?? answer(input, text, outputs))

  // How many calls there were does not name one: a history that is made smaller has fewer than before.
  const mark = hash(input).slice(0, 8)
  // Every third time two at once, so that callers meet parallel calls.
  const count = request.parallel_tool_calls !== false && before % 3 === 2 ? Math.min(2, missing) : 1
  const calls = Array.from({ length: count }, (_, index) => {
    const seed = before + index
    const tool = tools[seed % tools.length]
    return tool === undefined
      ? []
      : [{ name: tool.name, turn: tool.call(`call_${seed + 1}_${mark}_${tool.name}`, seed) }]
  }).flat()
  const thinks = before % 2 === 0
  return ResponseScript.turn([
    ...(thinks ? [thought(request, input, calls.map(({ name }) => name).join(" and "))] : []),
    ...calls.map(({ turn }) => turn)
  ])
}
