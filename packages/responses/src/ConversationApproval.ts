/**
 * What somebody has to approve before a conversation goes on.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * - `Tool`: a call of a tool of this program. `approve` has it run, `reject` has the model told that it was not.
 * - `Mcp`: the server asks whether it may run a tool of a remote MCP server. `callId` is the id of its request.
 *
 * `arguments` is what the model wrote, as JSON where it can be read as such, and as its text where not.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Approval = Schema.Union(
  Schema.TaggedStruct("Tool", { callId: Schema.String, name: Schema.String, arguments: Schema.Unknown }),
  Schema.TaggedStruct("Mcp", {
    callId: Schema.String,
    name: Schema.String,
    arguments: Schema.Unknown,
    serverLabel: Schema.String
  })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Approval = typeof Approval.Type
