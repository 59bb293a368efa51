/**
 * Who names the lanes, and whether the server has lanes at all. A label is not a lane: some servers send `stream_id` back and
 * run one response at a time, some leave it out, some refuse it. What one connection has shown holds for the Layer.
 */
import type { Profile } from "../../Profile.ts"

/** So many named lanes a server takes in the life of one connection. */
export const maxNames = 32

export class Naming {
  /** `callers`: one response at a time in all, so `stream_id` goes out as the caller gave it. */
  readonly by: "callers" | "layer"
  /** Whether the lanes of the Layer's go out under names. */
  private isNamed: boolean
  private readonly maxLanes: number

  constructor({ maxConnections, maxLanes, profile }: {
    readonly maxConnections: number | undefined
    readonly maxLanes: number
    readonly profile: Pick<Profile, "lanes">
  }) {
    this.by = maxConnections === 1 && maxLanes === 1 ? "callers" : "layer"
    this.isNamed = profile.lanes
    this.maxLanes = maxLanes
  }

  /** Whether the server is sent names that the Layer has chosen. */
  get sendsNames(): boolean {
    return this.by === "layer" && this.isNamed
  }

  /** The server left the name out of an event, or refused it. */
  refused(): void {
    this.isNamed = false
  }

  /** Responses at once on a connection on which an event has, or has not, come back with the name of its lane. */
  slots(isProven: boolean): number {
    return this.sendsNames && isProven ? this.maxLanes : 1
  }

  /** The same, on a connection that is yet to be proven. */
  get hopedFor(): number {
    return this.slots(true)
  }
}
