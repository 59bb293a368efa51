/** Frames that are not what they should be. */
import type { BadFrame } from "../../ResponseScript.ts"

const event = {
  type: "response.output_text.delta",
  item_id: "msg_bad",
  output_index: 0,
  content_index: 0,
  delta: "bad"
}

const defaultSize = 20_000_000

export const badFrame = (kind: BadFrame, bytes = defaultSize): { readonly frame: string; readonly binary?: true } => {
  const text = JSON.stringify(event)
  switch (kind) {
    case "notJson":
      return { frame: "This is not JSON." }
    case "notObject":
      return { frame: "[\"response.output_text.delta\"]" }
    case "notEvent":
      return { frame: "{\"delta\":\"bad\"}" }
    case "truncated":
      return { frame: text.slice(0, text.length / 2) }
    case "binary":
      return { frame: text, binary: true }
    case "huge": {
      const [head, tail] = ["{\"type\":\"response.padding\",\"padding\":\"", "\"}"]
      return { frame: `${head}${"x".repeat(Math.max(0, bytes - head.length - tail.length))}${tail}` }
    }
  }
}
