/** A lane of a connection. */
import type { Connection } from "./connection.ts"
import type { Lane } from "./lane.ts"

export interface Place {
  readonly connection: Connection
  readonly lane: Lane
}
