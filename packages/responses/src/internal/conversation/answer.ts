/** What the responses of a run say together. */
import type { Usage } from "../../ResponseEvent.ts"
import * as ResponseItem from "../../ResponseItem.ts"
import type { FinalResponse } from "../../Responses.ts"

const add = (left: Usage, right: Usage): Usage => ({
  input_tokens: left.input_tokens + right.input_tokens,
  output_tokens: left.output_tokens + right.output_tokens,
  total_tokens: left.total_tokens + right.total_tokens,
  input_tokens_details: {
    cached_tokens: (left.input_tokens_details?.cached_tokens ?? 0) + (right.input_tokens_details?.cached_tokens ?? 0)
  },
  output_tokens_details: {
    reasoning_tokens: (left.output_tokens_details?.reasoning_tokens ?? 0) +
      (right.output_tokens_details?.reasoning_tokens ?? 0)
  }
})

const usageOf = (responses: ReadonlyArray<FinalResponse>): Usage | undefined =>
  responses.flatMap(({ usage }) => usage ?? []).reduce<Usage | undefined>(
    (sum, usage) => sum === undefined ? usage : add(sum, usage),
    undefined
  )

export const make = (responses: ReadonlyArray<FinalResponse>) => {
  const output = responses.at(-1)?.output ?? []
  return { text: ResponseItem.text({ output }), output, rounds: responses.length, usage: usageOf(responses), responses }
}
