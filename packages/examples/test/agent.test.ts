import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ResponsesTest } from "effect-responses"
import * as Agent from "../src/demo/agent.ts"
import * as Lines from "../src/demo/lines.ts"
import * as Task from "../src/demo/task.ts"
import * as Text from "../src/demo/text.ts"

const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`

const call = (fields: object) => ({
  type: "function_call",
  id: "fc_1",
  call_id: "call_1",
  name: "f",
  arguments: "{}",
  ...fields
})

/** Items that a server may send, and the calls that a person is shown of them. */
const items: Readonly<Record<string, readonly [item: object, shown: string]>> = {
  "a call without a name": [call({ name: null }), "answers"],
  "a call whose name is an object": [call({ name: { toString: 1 } }), "answers"],
  "a call without arguments": [call({ arguments: null }), "answers"],
  "arguments that are no JSON": [call({ arguments: "{" }), "f({)"],
  "arguments that cannot be said": [call({ arguments: "{\"a\":{\"toString\":1},\"b\":2}" }), "f(…, 2)"],
  "arguments nested 20,000 levels deep": [call({ arguments: deep }), "f(…)"],
  "arguments with a value nested 20,000 levels deep": [call({ arguments: `{"a":${deep}}` }), "f(…)"],
  "a message without content": [{ type: "message", role: "assistant", content: null }, "answers"]
}

describe("the demo's agent, over whatever a server sends", () => {
  for (const [name, [item, shown]] of Object.entries(items)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const steps: Array<Agent.Progress> = []
        const { turns } = yield* Agent.run({
          request: Task.request({ model: "m", toolCalls: 1 }),
          show: (progress) => Effect.sync(() => steps.push(progress))
        })
        assert.isAbove(steps.length, 0)
        const line = Text.line(Lines.ended(turns[0]!), { colours: false, width: Infinity })
        assert.isTrue(line.trimEnd().endsWith(shown), line)
      }).pipe(Effect.provide(ResponsesTest.layer([
        ResponsesTest.raw([
          { type: "response.created", response: { id: "resp_1" } },
          { type: "response.output_item.added", output_index: 0, item },
          { type: "response.output_item.done", output_index: 0, item },
          { type: "response.completed", response: { id: "resp_1", status: "completed", output: [item] } }
        ]),
        ResponsesTest.text("Done.")
      ]))))
  }

  it("a word of megabytes is broken into lines", () => {
    assert.strictEqual(Text.wrap("x".repeat(10_000_000), 50).length, 200_000)
  })
})
