/** The lanes of one connection: each answers its requests in turn, and a connection gives so many responses at once. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import type { Wire } from "./connection.ts"
import type { Core, Json } from "./core.ts"
import { advance, isFork, type Lane, makeLaneMemory, type Memory } from "./memory.ts"
import { type Portion, portions } from "./play.ts"
import { alreadyInFlight, type Problem, streamLimitReached } from "./problems.ts"
import type { Run } from "./run.ts"
import * as Steer from "./steer.ts"

export interface Lanes {
  /** Queues a request, or says why not. */
  readonly offer: (name: string | undefined, body: Json) => Effect.Effect<Problem | undefined>
  readonly steer: (message: Json) => void
  readonly all: ReadonlyMap<string | undefined, Lane>
  readonly inFlight: () => number
  readonly queued: () => number
}

interface ServedLane extends Lane {
  readonly queue: Queue.Queue<Json>
  readonly memory: Memory
}

/** How many ended responses a connection can still tell from those it never had. */
const endedLimit = 256

/** What came at the same time as a request has come when this is over. */
const eventLoopTurn = Effect.async<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

const goOn = (act: () => void) => Effect.as(Effect.sync(act), false)

export const make = Effect.fnUntraced(function*(core: Core, wire: Wire, options: {
  readonly connection: number
  readonly expire: () => void
}) {
  const lanes = new Map<string | undefined, ServedLane>()
  const permits = yield* Effect.makeSemaphore(core.limits.inFlight)
  const scope = yield* Effect.scope
  const active = new Map<string, Steer.Active>()
  const ended = new Set<string>()
  /** Input that waits for the outputs of calls, by the response that made them. */
  const parked = new Map<string, ReadonlyArray<Steer.Steer>>()
  let inFlight = 0
  let waiting = 0
  let steers = 0

  const fail = (code: Steer.FailureCode, message: string, steer: Parameters<typeof Steer.failed>[2], run?: Run) => {
    const frame = Steer.failed(code, message, steer)
    wire.send(run === undefined ? { sequence_number: 0, ...frame } : run.extra(frame))
  }

  const steer: Lanes["steer"] = (message) => {
    const { input, previous_response_id: responseId } = message
    const found = Predicate.isString(responseId) ? active.get(responseId) : undefined
    const refuse = (code: Steer.FailureCode, text: string) => fail(code, text, { responseId, input }, found?.run)
    const wrong = Steer.problem(message)
    if (wrong !== undefined) return refuse("invalid_input", wrong)
    if (found === undefined) {
      return ended.has(String(responseId))
        ? refuse("response_already_completed", `Response '${String(responseId)}' has already completed.`)
        : refuse("response_not_found", `Response '${String(responseId)}' is not available on this connection.`)
    }
    const { request } = found.run
    if (!found.run.hasBegun() || found.run.outcome() !== undefined) {
      return refuse("response_not_active", `Response '${String(responseId)}' is no longer accepting input.`)
    }
    const isBound = request === undefined || request.generate === false ||
      Predicate.isNotNullable(request.conversation) || Predicate.isNotNullable(request.context_management)
    if (isBound || !core.canSteer(request.model ?? "")) {
      return refuse("steering_not_supported", "The model or the mode of this response does not support steering.")
    }
    if (found.steers.length >= core.limits.steers) {
      return refuse("too_many_pending_steers", `At most ${core.limits.steers} submissions can be pending.`)
    }
    const accepted = { id: `steer_${options.connection}_${++steers}`, responseId: found.run.responseId, input }
    found.steers.push(accepted)
    wire.send(found.run.extra(Steer.accepted(accepted)))
  }

  /** `true`: the response gave way to its successor. */
  const send = (current: Steer.Active, portion: Portion & { readonly _tag: "Send" }) =>
    Effect.suspend(() => {
      const { run, steers } = current
      const frames = []
      let gaveWay = false
      for (const { frame, ...more } of portion.frames) {
        gaveWay = steers.length > 0 && run.isAtBoundary()
        frames.push(gaveWay ? { frame: run.steered() } : { ...more, frame: run.send(frame) })
        if (gaveWay) break
      }
      return Effect.as(wire.sendAll(frames), gaveWay)
    })

  const perform = (current: Steer.Active, portion: Portion): Effect.Effect<boolean> => {
    switch (portion._tag) {
      case "Send":
        return send(current, portion)
      case "Wait":
        return Effect.as(Effect.sleep(portion.millis), false)
      case "Silence":
        return Effect.never
      case "Forget":
        return goOn(() => core.forget(portion.what, current.run.request?.previous_response_id))
      case "Expire":
        return goOn(options.expire)
      case "Pings":
        return goOn(() => wire.answerPings(portion.answered))
      case "Close":
        return Effect.zipRight(Effect.sync(() => wire.close(portion)), Effect.never)
      case "Cut": {
        const { bytes, frame } = portion
        const cut = () => frame === undefined ? wire.close(undefined) : wire.cutWithin(frame, bytes ?? 0)
        return Effect.zipRight(Effect.sync(cut), Effect.never)
      }
    }
  }

  const play = (current: Steer.Active, closing: { byServer: boolean }) =>
    Effect.gen(function*() {
      const all = portions(current.run.steps)
      for (const [index, portion] of all.entries()) {
        if (portion._tag === "Wait" && current.run.outcome() !== undefined) {
          // The response is over: what comes after a pause comes on an idle lane.
          const rest = Effect.forEach(all.slice(index), (portion) => perform(current, portion), { discard: true })
          yield* Effect.forkIn(Effect.interruptible(rest), scope)
          return
        }
        closing.byServer = portion._tag === "Close" || portion._tag === "Cut"
        if (yield* perform(current, portion)) return
      }
    })

  const goesOn = (lane: ServedLane) => {
    if (core.evictsParents) advance(lane)
  }

  const respond = (lane: ServedLane, body: Json): Effect.Effect<Json | undefined> => {
    goesOn(lane)
    return Effect.flatMap(core.engine.respond(body, "websocket", lane.memory), (run) => {
      const current: Steer.Active = { run, steers: [] }
      const closing = { byServer: false }
      active.set(run.responseId, current)
      return play(current, closing).pipe(
        Effect.ensuring(Effect.sync(() => {
          active.delete(run.responseId)
          lane.parent = undefined
          ended.add(run.responseId)
          for (const id of ended) {
            if (ended.size <= endedLimit) break
            ended.delete(id)
          }
          core.publish({
            _tag: "ResponseEnded",
            responseId: run.responseId,
            transport: "websocket",
            connection: options.connection,
            outcome: run.outcome() ?? (closing.byServer ? "closed" : "abandoned")
          })
        })),
        Effect.map(() => successor(current, body))
      )
    })
  }

  /** The request that goes on with what was queued, if there is one now. */
  const successor = ({ run, steers }: Steer.Active, body: Json): Json | undefined => {
    if (steers.length === 0) return undefined
    const outcome = run.outcome()
    if (outcome !== "completed" && outcome !== "incomplete") {
      for (const steer of steers) fail("successor_creation_failed", "The response failed.", steer, run)
      return undefined
    }
    const calls = run.calls()
    if (calls.length === 0) {
      const { generate: _generate, ...settings } = body
      return { ...settings, previous_response_id: run.responseId, input: Steer.items(steers) }
    }
    parked.set(run.responseId, steers)
    for (const id of parked.keys()) {
      if (parked.size <= core.limits.lanes) break
      parked.delete(id)
    }
    for (const steer of steers) wire.send(run.extra(Steer.pending(steer, calls)))
    return undefined
  }

  const withParked = (body: Json): Json => {
    const { input, previous_response_id: previousId } = body
    const steers = Predicate.isString(previousId) ? parked.get(previousId) : undefined
    if (steers === undefined || !Array.isArray(input)) return body
    parked.delete(String(previousId))
    return { ...body, input: [...Steer.items(steers), ...input] }
  }

  const serve = (lane: ServedLane, first: Json) =>
    Effect.gen(function*() {
      let body: Json | undefined = withParked(first)
      if (core.evictsParents && isFork(lane, body["previous_response_id"])) yield* eventLoopTurn
      while (body !== undefined) body = yield* respond(lane, body)
    }).pipe(
      Effect.ensuring(Effect.sync(() => {
        inFlight--
      })),
      (effect) =>
        Effect.suspend(() => {
          waiting--
          inFlight++
          return effect
        }),
      permits.withPermits(1)
    )

  const laneOf = Effect.fnUntraced(function*(name: string | undefined) {
    const found = lanes.get(name)
    if (found !== undefined) return found
    const named = lanes.size - (lanes.has(undefined) ? 1 : 0)
    if (name !== undefined && named >= core.limits.lanes) return undefined
    const kept: Lane = { latest: undefined, parent: undefined }
    const lane: ServedLane = Object.assign(kept, {
      queue: yield* Queue.unbounded<Json>(),
      memory: makeLaneMemory(kept, () => lanes.values(), core.store)
    })
    lanes.set(name, lane)
    yield* Queue.take(lane.queue).pipe(
      Effect.flatMap((body) => serve(lane, body)),
      Effect.forever,
      Effect.interruptible,
      Effect.forkIn(scope)
    )
    return lane
  })

  const made: Lanes = {
    all: lanes,
    steer,
    inFlight: () => inFlight,
    queued: () => waiting,
    offer: (name, body) =>
      Effect.suspend(() => {
        const { atInFlight, inFlight: limit, lanes: names } = core.limits
        if (atInFlight === "refuse" && inFlight + waiting >= limit) return Effect.succeed(alreadyInFlight(limit))
        return Effect.flatMap(laneOf(name), (lane) => {
          if (lane === undefined) return Effect.succeed(streamLimitReached(names))
          waiting++
          goesOn(lane)
          return Effect.as(Queue.offer(lane.queue, body), undefined)
        })
      })
  }
  return made
})
