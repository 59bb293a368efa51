/** The lanes of one connection, as the vendor's server has them: what it keeps of each, and what it holds its clients to. */

/** Responses at once on one connection, and names of lanes in its life. */
const most = { running: 16, names: 32 }

export class Lanes {
  /** The latest response of each lane: what can be continued. */
  private readonly latest = new Map<string, string>()
  private readonly running = new Set<string>()
  private readonly names = new Set<string>()

  /** A client that goes beyond the limits, or asks twice on one lane, ends the run. */
  begin(lane = ""): void {
    if (this.running.has(lane)) throw new Error(`a second response on the lane "${lane}"`)
    this.running.add(lane)
    if (lane !== "") this.names.add(lane)
    if (this.running.size > most.running) throw new Error(`${this.running.size} responses at once`)
    if (this.names.size > most.names) throw new Error(`${this.names.size} names of lanes`)
  }

  end(lane = ""): void {
    this.running.delete(lane)
  }

  knows(id: string): boolean {
    return [...this.latest.values()].includes(id)
  }

  /** Whatever the lane is asked next, what it had is given up. */
  forget(lane = ""): void {
    this.latest.delete(lane)
  }

  keep(lane = "", id: string): void {
    this.latest.set(lane, id)
  }
}
