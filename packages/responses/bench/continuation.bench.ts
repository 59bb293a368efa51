/**
 * What the delta rule costs, against writing the full input as JSON: one run, interleaved, medians.
 *
 * `npx tsx packages/responses/bench/continuation.bench.ts`
 */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"
import * as Record from "effect/Record"
import * as Continuation from "../src/Continuation.ts"
import type { ResponseItem } from "../src/ResponseItem.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"

const rounds = 31

/** Each way is run so often before the next has its turn. The first time it finds nothing of the history in the caches. */
const inARow = 5
const bytesPerItem = 2000

/** Lines with a quotation mark here and there, as code and prose have them: plain letters are JSON's best case. */
const words = (seed: number, bytes: number): string => {
  let text = ""
  for (let n = seed; text.length < bytes; n = (n * 1103515245 + 12345) % 2147483648) {
    text += n % 9 === 0 ? "\n  " : n % 17 === 0 ? `"${n.toString(36)}" ` : `${n.toString(36)} `
  }
  return text.slice(0, bytes)
}

const item = (index: number): ResponseItem => {
  const body = words(index + 1, bytesPerItem)
  const call_id = `call_${index - (index % 5)}`
  switch (index % 5) {
    case 0:
      return { type: "message", role: "user", content: [{ type: "input_text", text: body }] }
    case 1:
      return { type: "reasoning", id: `rs_${index}`, summary: [], encrypted_content: body }
    case 2:
      return {
        type: "function_call",
        id: `fc_${index}`,
        status: "completed",
        call_id,
        name: "read_file",
        arguments: JSON.stringify({ path: `src/${index}.ts`, around: body })
      }
    case 3:
      return { type: "function_call_output", call_id, output: body }
    default:
      return {
        type: "message",
        id: `msg_${index}`,
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: body, annotations: [], logprobs: [] }]
      }
  }
}

const tool = (index: number) => ({
  type: "function",
  name: `tool_${index}`,
  description: words(index, 200),
  strict: true,
  parameters: {
    type: "object",
    properties: {
      path: { type: "string", description: words(index, 120) },
      from: { type: ["integer", "null"], minimum: 0 },
      kind: { type: "string", enum: ["file", "folder", "link"] },
      options: {
        type: "object",
        properties: { deep: { type: "boolean" }, limit: { type: "integer" } },
        required: ["deep"]
      }
    },
    required: ["path", "from", "kind", "options"],
    additionalProperties: false
  }
})

const settings: ResponseRequest = {
  model: "gpt-5.5",
  store: false,
  instructions: words(7, 12_000),
  tools: Array.from({ length: 16 }, (_, index) => tool(index)),
  reasoning: { effort: "high", summary: "auto" },
  include: ["reasoning.encrypted_content"]
}

const copy = <A>(value: A): A => JSON.parse(JSON.stringify(value))

const median = (times: ReadonlyArray<number>): number => Arr.sort(times, Order.number)[times.length >> 1] ?? Number.NaN

const measure = (size: number) => {
  const history = Array.from({ length: size }, (_, index) => item(index))
  const head = Continuation.commit(Continuation.plan(undefined, { ...settings, input: history }), {
    response: { id: "resp_1", status: "completed" },
    output: []
  })
  const added: ReadonlyArray<ResponseItem> = [
    { type: "message", role: "user", content: words(3, bytesPerItem) },
    { type: "message", role: "user", content: words(4, bytesPerItem) }
  ]
  const output = [item(4), item(9)]
  const turn = (request: ResponseRequest) => {
    const plan = Continuation.plan(head, request)
    if (plan._tag !== "Delta") throw new Error(`not a delta: ${plan.reason._tag}`)
    return Continuation.commit(plan, { response: { id: "resp_2", status: "completed" }, output })
  }
  const same = { ...settings, input: [...history, ...added] }
  const ways = {
    stringify: () => JSON.stringify(same.input),
    same: () => turn(same),
    copies: () => turn(copies),
    first: () => Continuation.plan(undefined, same)
  }
  const copies = copy(same)
  const names = Object.keys(ways) as ReadonlyArray<keyof typeof ways>
  const cold = Record.map(ways, () => new Array<number>())
  const warm = Record.map(ways, () => new Array<number>())
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      for (let time = 0; time < inARow; time++) {
        const start = performance.now()
        ways[name]()
        ;(time === 0 ? cold : warm)[name].push(performance.now() - start)
      }
    }
  }
  const part = (of: typeof cold, name: keyof typeof ways) =>
    `${median(of[name]).toFixed(3)} = 1/${(median(of.stringify) / median(of[name])).toFixed(0)}`
  const row = (what: string, goal: string, name: keyof typeof ways) => ({
    items: size,
    MB: (JSON.stringify(same.input).length / 1e6).toFixed(1),
    what,
    goal,
    "ms (of stringify)": part(warm, name),
    "after other work": part(cold, name)
  })
  return [
    row("JSON.stringify of the input", "", "stringify"),
    row("plan + commit, the same objects", "1/50", "same"),
    row("plan + commit, a deep copy", "1/4", "copies"),
    row("plan without a head", "", "first")
  ]
}

console.table([1000, 5000].flatMap(measure))
