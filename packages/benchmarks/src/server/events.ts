/** What the server of the benchmarks says: the texts of its events, small and strict enough for every client's decoder. */

const eventBytes = 250

const response = (id: string, model: string, status: "in_progress" | "completed", output: ReadonlyArray<object>) => ({
  id,
  object: "response",
  created_at: 1_767_225_600,
  status,
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  metadata: {},
  model,
  output,
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  service_tier: "default",
  store: false,
  temperature: 1,
  text: { format: { type: "text" } },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
  usage: status === "in_progress" ? null : {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 100,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 200
  },
  user: null
})

const message = (status: string, text: string) => ({
  type: "message",
  id: "msg_1",
  status,
  role: "assistant",
  content: text === "" ? [] : [{ type: "output_text", text, annotations: [], logprobs: [] }]
})

const place = { item_id: "msg_1", output_index: 0, content_index: 0 }

/** `delta` padded so that the event is as long as a model's are. */
export const textDelta = (sequence: number, start: string): string => {
  const write = (delta: string) =>
    JSON.stringify({
      type: "response.output_text.delta",
      sequence_number: sequence,
      ...place,
      delta,
      logprobs: []
    })
  return write(start + ".".repeat(Math.max(1, eventBytes - write(start).length)))
}

export const created = (id: string, model: string): ReadonlyArray<string> => {
  const begun = response(id, model, "in_progress", [])
  return [
    JSON.stringify({ type: "response.created", sequence_number: 0, response: begun }),
    JSON.stringify({ type: "response.in_progress", sequence_number: 1, response: begun })
  ]
}

export const textStart: ReadonlyArray<string> = [
  JSON.stringify({
    type: "response.output_item.added",
    sequence_number: 2,
    output_index: 0,
    item: message("in_progress", "")
  }),
  JSON.stringify({
    type: "response.content_part.added",
    sequence_number: 3,
    ...place,
    part: { type: "output_text", text: "", annotations: [], logprobs: [] }
  })
]

/** The server has kept nothing of the response that the request names. */
export const notFound = (id: string): string =>
  JSON.stringify({
    type: "error",
    status: 400,
    error: {
      type: "invalid_request_error",
      code: "previous_response_not_found",
      message: `Previous response with id '${id}' not found.`,
      param: "previous_response_id"
    }
  })

/** The text at the end is short, unless it is to be sent back: what is measured is the way of the deltas. */
export const textEnd = (id: string, model: string, sequence: number, text = "The end."): ReadonlyArray<string> => {
  const item = message("completed", text)
  return [
    JSON.stringify({
      type: "response.output_text.done",
      sequence_number: sequence,
      ...place,
      text,
      logprobs: []
    }),
    JSON.stringify({
      type: "response.content_part.done",
      sequence_number: sequence + 1,
      ...place,
      part: item.content[0]
    }),
    JSON.stringify({ type: "response.output_item.done", sequence_number: sequence + 2, output_index: 0, item }),
    JSON.stringify({
      type: "response.completed",
      sequence_number: sequence + 3,
      response: response(id, model, "completed", [item])
    })
  ]
}

/** Twenty events with these. */
export const argumentDeltas = 14

/** A call of a function, as the model writes it. */
export const call = (id: string, model: string, callId: string): ReadonlyArray<string> => {
  const parts = Array.from({ length: argumentDeltas }, (_, index) => `part ${index} of ${callId}`)
  const text = JSON.stringify({ path: parts.join(" ") })
  const size = Math.ceil(text.length / argumentDeltas)
  const item = (status: string, arguments_: string) => ({
    type: "function_call",
    id: `fc_${callId}`,
    status,
    call_id: callId,
    name: "tool_1",
    arguments: arguments_
  })
  const done = item("completed", text)
  const at = { item_id: done.id, output_index: 0 }
  return [
    JSON.stringify({
      type: "response.output_item.added",
      sequence_number: 2,
      output_index: 0,
      item: item("in_progress", "")
    }),
    ...Array.from({ length: argumentDeltas }, (_, index) =>
      JSON.stringify({
        type: "response.function_call_arguments.delta",
        sequence_number: 3 + index,
        ...at,
        delta: text.slice(index * size, (index + 1) * size)
      })),
    JSON.stringify({
      type: "response.function_call_arguments.done",
      sequence_number: 3 + argumentDeltas,
      ...at,
      name: done.name,
      arguments: text
    }),
    JSON.stringify({
      type: "response.output_item.done",
      sequence_number: 4 + argumentDeltas,
      output_index: 0,
      item: done
    }),
    JSON.stringify({
      type: "response.completed",
      sequence_number: 5 + argumentDeltas,
      response: response(id, model, "completed", [done])
    })
  ]
}
