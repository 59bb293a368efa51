/** What the model says to the support agent. From packages/responses-server: `start --script ../examples/src/agents/supportScript.ts` */
import { ResponseScript } from "effect-responses"

const { error, text, toolCall, turn } = ResponseScript

export const script: ResponseScript.Script = [
  error({ status: 429, code: "rate_limit_exceeded", message: "Too many requests" }),
  toolCall({ name: "get_order", arguments: { order: 17 } }),
  turn([
    toolCall({ name: "track_parcel", arguments: { order: 17 } }),
    toolCall({ name: "check_stock", arguments: { article: "lamp" } }),
    toolCall({ name: "get_policy" })
  ]),
  turn([text("The parcel is lost."), toolCall({ name: "refund", arguments: { order: 17 } })]),
  text("You have your money back.")
]
