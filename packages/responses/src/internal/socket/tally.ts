/** What has happened on a Layer, heard in one place, and the totals that it adds up to. */
import * as ResponsesTelemetry from "../../ResponsesTelemetry.ts"

export type Happening =
  /** A connection was opened. */
  | { readonly _tag: "Connected" }
  /** The `recycle` schedule had a connection replaced. */
  | { readonly _tag: "Recycled" }
  /** A successor was told the conversation of the connection before. */
  | { readonly _tag: "Rewarmed" }
  /** More waited for a caller than there is room for. */
  | { readonly _tag: "Overrun" }
  /** An event came that is of no response. */
  | { readonly _tag: "News" }
  /** A connection did not answer a ping. */
  | { readonly _tag: "Unresponsive" }
  | { readonly _tag: "Began"; readonly response: ResponsesTelemetry.Sending }

const none = {
  connections: 0,
  recycled: 0,
  rewarmed: 0,
  unresponsive: 0,
  overruns: 0,
  news: 0,
  responses: 0,
  deltas: 0,
  bytesSent: 0,
  bytesSaved: 0,
  reconnected: 0,
  resentInFull: 0
}

export type Totals = Readonly<typeof none>

export interface Tally {
  readonly hear: (happening: Happening) => void
  readonly totals: () => Totals
}

export const make = (): Tally => {
  const totals = { ...none }

  const began = (response: ResponsesTelemetry.Sending) => {
    const { bytesSaved, bytesSent, deltas, recoveries } = ResponsesTelemetry.measures(response)
    totals.responses++
    totals.deltas += deltas
    totals.bytesSent += bytesSent
    totals.bytesSaved += bytesSaved
    for (const tag of recoveries) {
      if (tag === "Reconnected") totals.reconnected++
      if (tag === "ResentInFull") totals.resentInFull++
    }
  }

  return {
    hear: (happening) => {
      switch (happening._tag) {
        case "Connected":
          return void totals.connections++
        case "Recycled":
          return void totals.recycled++
        case "Rewarmed":
          return void totals.rewarmed++
        case "Unresponsive":
          return void totals.unresponsive++
        case "News":
          return void totals.news++
        case "Overrun":
          return void totals.overruns++
        case "Began":
          return began(happening.response)
      }
    },
    totals: () => ({ ...totals })
  }
}
