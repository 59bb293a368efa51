/** Where the latest response of each lane is, by its id: those that left no head, too, as a caller may name them. */
import type { Lane } from "./lane.ts"
import type { Place } from "./place.ts"

export interface ResponsePlaces {
  /** The response before on the lane is no longer there. */
  readonly set: (place: Place, id: string) => void
  /** The lane is gone. */
  readonly delete: (lane: Lane) => void
  readonly get: (id: string) => Place | undefined
  /** The same, on a connection that serves. */
  readonly open: (id: string) => Place | undefined
}

export const make = (): ResponsePlaces => {
  const byId = new Map<string, Place>()
  const remove = ({ latestId }: Lane): void => {
    if (latestId !== undefined) byId.delete(latestId)
  }

  return {
    set: (place, id) => {
      remove(place.lane)
      place.lane.latestId = id
      byId.set(id, place)
    },
    delete: remove,
    get: (id) => byId.get(id),
    open: (id) => {
      const place = byId.get(id)
      return place?.connection.isOpen() === true ? place : undefined
    }
  }
}
