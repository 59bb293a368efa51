/** A model whose answers name their questions, and what a caller must get of them. */
import type { ResponseEvent } from "effect-responses/ResponseEvent"
import type * as ResponseItem from "effect-responses/ResponseItem"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Predicate from "effect/Predicate"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

const textOf = (content: unknown): string =>
  Predicate.isString(content)
    ? content
    : Array.isArray(content)
    ? content.map((part: unknown) => Predicate.hasProperty(part, "text") ? String(part.text) : "").join("")
    : ""

const isQuestion = (item: ResponseItem.ResponseItem): item is ResponseItem.Message =>
  (item.type === undefined || item.type === "message") && item.role === "user"

/** What the model puts out, piece by piece: `calls` first, if the question wants some and they have no output yet. */
const outputFor = (items: Items) => {
  const at = items.findLastIndex(isQuestion)
  const asked = items[at]
  const question = asked !== undefined && isQuestion(asked) ? textOf(asked.content) : ""
  const wanted = Number(/: (\d) tool calls$/.exec(question)?.[1] ?? 0)
  const isAnswered = items.slice(at + 1).some(({ type }) => type === "function_call_output")
  const calls = Array.from({ length: isAnswered ? 0 : wanted }, (_, index) => `${question} / ${index}`)
  return {
    thought: question.length % 3 === 0 ? `Thinking of ${question}` : undefined,
    calls,
    answer: calls.length === 0 ? `Answer to ${question}` : undefined
  }
}

export const answer = ({ index, input }: ResponseScript.Context): ResponseScript.Turn => {
  const { answer, calls, thought } = outputFor(input)
  return ResponseScript.turn([
    ...thought === undefined ? [] : [ResponseScript.reasoning(thought, { encrypted: `sealed ${thought}` })],
    ...calls.map((what, call) =>
      ResponseScript.toolCall({ name: "look", arguments: { what }, callId: `call_${index}_${call}` })
    ),
    ...answer === undefined ? [] : [ResponseScript.text(answer)]
  ], { chunkSize: 5 })
}

const expected = (items: Items) => {
  const { answer, calls, thought } = outputFor(items)
  return { answer: answer ?? "", thought: thought ?? "", calls: calls.map((what) => JSON.stringify({ what })).join("") }
}

/** Collects the events of one response, and says what is wrong with them. */
export const listener = (history: Items, streamId: string | undefined) => {
  const heard = { answer: "", thought: "", calls: "" }
  const sent: Array<ResponseItem.ResponseItem> = []
  let next = 0
  let wrong: string | undefined
  return {
    sent,
    hear: (event: ResponseEvent): void => {
      const number: unknown = Reflect.get(event, "sequence_number")
      const name: unknown = Reflect.get(event, "stream_id")
      if (number !== next++) wrong ??= `event ${next - 1} of the response has the number ${String(number)}`
      if (name !== streamId) wrong ??= `an event names the lane ${String(name)}`
      if (event.type === "response.output_item.done") sent.push(event.item)
      if (event.type === "response.output_text.delta") heard.answer += event.delta
      if (event.type === "response.reasoning_summary_text.delta") heard.thought += event.delta
      if (event.type === "response.function_call_arguments.delta") heard.calls += event.delta
    },
    wrong: (): string | undefined => {
      const [is, should] = [JSON.stringify(heard), JSON.stringify(expected(history))]
      return wrong ?? (is === should ? undefined : `the caller of ${should} heard ${is}`)
    }
  }
}
