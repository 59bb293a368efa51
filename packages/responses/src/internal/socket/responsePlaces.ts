/** Where the latest response of each lane is, by its id: those that left no head, too, as a caller may name them. */
import type { Lane } from "./lane.ts"
import type { Place } from "./place.ts"

export class ResponsePlaces {
  private readonly byId = new Map<string, Place>()

  /** The response before on the lane is no longer there. */
  set(place: Place, id: string): void {
    this.delete(place.lane)
    place.lane.latestId = id
    this.byId.set(id, place)
  }

  /** The lane is gone. */
  delete({ latestId }: Lane): void {
    if (latestId !== undefined) this.byId.delete(latestId)
  }

  get(id: string): Place | undefined {
    return this.byId.get(id)
  }

  /** The same, on a connection that serves. */
  open(id: string): Place | undefined {
    const place = this.byId.get(id)
    return place?.connection.isOpen() === true ? place : undefined
  }
}
