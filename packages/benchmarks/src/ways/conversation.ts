/** The tool loop's conversation: 30 KB to start with, of it 12.6 KB that travel every turn, and 2 KB a turn. */

/** Lines with a quotation mark here and there, as code and prose have them: plain letters are JSON's best case. */
export const words = (seed: number, length: number): string => {
  let text = ""
  for (let n = seed; text.length < length; n = (n * 1103515245 + 12345) % 2147483648) {
    text += n % 9 === 0 ? "\n  " : n % 17 === 0 ? `"${n.toString(36)}" ` : `${n.toString(36)} `
  }
  return text.slice(0, length)
}

export const instructions = words(7, 6000)

const parameters = {
  type: "object" as const,
  properties: { path: { type: "string" as const, description: words(5, 300) } },
  required: ["path"],
  additionalProperties: false
}

export const tools = Array.from({ length: 8 }, (_, index) => ({
  type: "function" as const,
  name: `tool_${index}`,
  description: words(index, 280),
  strict: true,
  parameters
}))

export const question = words(11, 17_000)

export const settings = { store: false, instructions, tools }

export const firstItem = { type: "message" as const, role: "user" as const, content: question }

/** What the tool says. */
export const outputText = (turn: number): string => words(turn, 1150)

export const outputItem = (callId: string, turn: number) => ({
  type: "function_call_output" as const,
  call_id: callId,
  output: outputText(turn)
})
