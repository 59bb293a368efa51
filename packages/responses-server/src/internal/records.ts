/** What a server saw, within bounds, and the counts of everything since its start. */
import type { Observation, Outcome, RecordedRequest, SeenContext, Stats } from "../Observation.ts"
import * as Log from "./log.ts"
import type { Store } from "./memory.ts"
import type { Served } from "./socket.ts"

/** What an observation costs beside the request that it carries. In bytes, roughly. */
const overhead = 256

export const make = (options: { readonly limit: number; readonly bytes: number }) => {
  const dropped = new Map<Observation["_tag"], number>()
  const observations = Log.make<Observation>({
    ...options,
    onDrop: ({ _tag }) => dropped.set(_tag, (dropped.get(_tag) ?? 0) + 1)
  })
  const requests = Log.make<RecordedRequest>(options)
  const contexts = Log.make<SeenContext>(options)
  const responses: Record<Outcome, number> = {
    completed: 0,
    incomplete: 0,
    failed: 0,
    error: 0,
    closed: 0,
    abandoned: 0
  }
  let opened = 0
  let received = 0

  return {
    nextConnection: () => ++opened,
    opened: () => opened,
    dropped: (tag: Observation["_tag"]) => dropped.get(tag) ?? 0,
    requests: requests.entries,
    contexts: contexts.entries,
    events: observations.stream,
    addContext: (context: SeenContext) => contexts.add(context, overhead),
    add: (observation: Observation) => {
      if (observation._tag === "ResponseEnded") responses[observation.outcome]++
      if (observation._tag !== "RequestReceived") return observations.add(observation, overhead)
      const { request } = observation
      received++
      requests.add(request, request.bytes + overhead)
      observations.add(observation, request.bytes + overhead)
    },
    stats: (connections: ReadonlySet<Served>, store: Store): Stats => {
      const lanes = [...connections].flatMap(({ lanes }) => [...lanes.all.values()])
      const sum = (count: (connection: Served) => number) =>
        [...connections].reduce((total, connection) => total + count(connection), 0)
      return {
        connections: { opened, open: connections.size },
        inFlight: sum((connection) => connection.lanes.inFlight()),
        queued: sum((connection) => connection.lanes.queued()),
        lanes: lanes.length,
        cached: lanes.filter(({ latest }) => latest !== undefined).length,
        stored: store.size(),
        requests: received,
        responses: { ...responses }
      }
    }
  }
}
