/** The conversations that each connection served last, so that another one can be told them. */
import type * as ResponseRequest from "../../ResponseRequest.ts"
import type { FinalResponse } from "../../Responses.ts"
import type { Connection } from "./connection.ts"
import type { Lane } from "./lane.ts"
import type { Place } from "./place.ts"

export interface Served {
  readonly request: ResponseRequest.ResponseRequest
  readonly output: FinalResponse["output"]
  readonly isComplete: boolean
}

export class ServedLast {
  /** By their lanes, the latest last. */
  private readonly byConnection = new WeakMap<Connection, Map<Lane, Served>>()
  private readonly max: number

  constructor(max: number) {
    this.max = max
  }

  delete({ connection, lane }: Place): void {
    this.byConnection.get(connection)?.delete(lane)
  }

  set(place: Place, served: Served): void {
    this.delete(place)
    const all = this.byConnection.get(place.connection) ?? new Map<Lane, Served>()
    this.byConnection.set(place.connection, all.set(place.lane, served))
    const [oldest] = all.keys()
    if (all.size > this.max && oldest !== undefined) all.delete(oldest)
  }

  latest(connection: Connection): ReadonlyArray<Served> {
    return [...this.byConnection.get(connection)?.values() ?? []].toReversed()
  }
}
