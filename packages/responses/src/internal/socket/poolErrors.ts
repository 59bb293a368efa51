/** What a request is told that gets no place. */
import { ConnectionError } from "../../ResponsesError.ts"

export const layerClosed = () =>
  new ConnectionError({
    reason: "Closed",
    delivery: "unsent",
    description:
      "The Layer that owns the connection is closed, or is being closed, and takes no requests. A Layer that is " +
      "provided to one effect is closed when that effect ends: provide it to the whole program"
  })

export const noRoom = () =>
  new ConnectionError({
    reason: "NoRoom",
    delivery: "unsent",
    description: "The fiber that asks holds every place itself: its responses run until it has read them. " +
      "Raise maxConnections or maxLanes, or read them in other fibers"
  })

export const queueFull = (maxWaiting: number) =>
  new ConnectionError({
    reason: "QueueFull",
    delivery: "unsent",
    description: `${maxWaiting} requests wait already (maxWaiting)`
  })
