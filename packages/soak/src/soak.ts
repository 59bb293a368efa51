/** Many callers over several Layers, against one server that has every fault there is, and what became of it. */
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as Chat from "./chat.ts"
import * as Clock from "./clock.ts"
import * as Dialogue from "./dialogue.ts"
import { dice } from "./dice.ts"
import { eventLoopTurn } from "./eventLoop.ts"
import * as Faults from "./faults.ts"
import * as Layers from "./layers.ts"
import * as Plan from "./plan.ts"
import * as RefereeModule from "./referee.ts"
import type { Facts } from "./report.ts"
import * as Resources from "./resources.ts"
import * as Script from "./script.ts"
import * as Strikes from "./strikes.ts"
import * as Upgrades from "./upgrades.ts"
import * as Watch from "./watch.ts"

export interface Options {
  readonly seed: number
  /** Requests, at the least. */
  readonly turns: number
  readonly callers: number
  /** A blow from outside comes with every so many turns. Default: 25 */
  readonly strikeEvery?: number | undefined
  /** How long the library bears with a silent server, in milliseconds. Default: 5000 */
  readonly limit?: number | undefined
  /** Only Layers that have this in their names. Default: all */
  readonly layer?: string | undefined
  /** Told ten times. */
  readonly onTenth?: ((tenth: number, heap: number) => void) | undefined
}

/** Each caller goes from one of its conversations to another: raw ones, and `Conversation`s. */
const conversations = 2

/** So often in each tenth, and the least counts: responses that are being given have megabytes that pass. */
const looks = 3

const apiKey = Redacted.make("sk-soak-soak-soak")

const underLoad = Effect.fnUntraced(function*(options: Options) {
  const { callers, limit = 5000, seed, strikeEvery = 25, turns } = options
  const looked: Array<number> = []
  const heaps: Array<number> = []
  const overheads: Array<number> = []
  const blows = yield* Queue.unbounded<number>()
  const clock = yield* Effect.clock
  const traits = new Map(Layers.specs.map((spec) => [spec.name, spec]))
  const referee = RefereeModule.make({
    now: () => clock.unsafeCurrentTimeMillis(),
    stalled: limit + 1000,
    traitsOf: (layer) => traits.get(layer) ?? first,
    onAsked: (count) => {
      if (count % strikeEvery === 0) Queue.unsafeOffer(blows, count / strikeEvery)
      if (count % Math.max(1, Math.floor(turns / 10 / looks)) !== 0 || looked.length >= 10 * looks) return
      looked.push(Resources.heap())
      if (looked.length % looks !== 0) return
      const heap = Math.min(...looked.slice(-looks))
      heaps.push(heap)
      options.onTenth?.(heaps.length, heap)
    }
  })
  const [first = Layers.specs[0], ...others] = Layers.specs.filter(({ name }) => name.includes(options.layer ?? ""))
  const specs = [first, ...others] as const
  const specOf = (caller: number): Layers.Spec => specs[caller % specs.length] ?? first
  const planOf = (key: Plan.Key) => Plan.plan(seed, key, specOf(Plan.callerOf(key)))

  const server = yield* ResponsesServer.make({
    apiKey,
    seed,
    script: Script.make(referee, { plan: planOf, layerOf: (key) => specOf(Plan.callerOf(key)).name }),
    upgrades: Upgrades.decide(seed, referee.upgraded),
    storeLimit: 300,
    recordLimit: 16,
    recordBytes: 1 << 20
  })
  yield* server.events.pipe(
    Stream.runForEach((observation) => Effect.sync(() => referee.observe(observation))),
    Effect.interruptible,
    Effect.forkScoped
  )

  const bounded = <E, R>(what: string, effect: Effect.Effect<unknown, E, R>) =>
    effect.pipe(
      Effect.disconnect,
      Effect.timeoutTo({
        duration: "60 seconds",
        onSuccess: () => {},
        onTimeout: () => referee.report("", "", `hangs: ${what}`)
      })
    )

  const supervisor = yield* Supervisor.track
  const client = Effect.gen(function*() {
    const layers = yield* Effect.forEach(specs, (spec) => Layers.make(spec, { apiKey, limit, url: server.url }))
    const strike = Effect.fnUntraced(function*(count: number) {
      const kind = Strikes.choose(seed, count)
      const layer = dice(seed, "rebuild", count).pick(layers)
      referee.struck(kind, kind === "rebuild" ? layer.spec.name : undefined)
      yield* kind === "rebuild"
        ? bounded(`closing ${layer.spec.name} while it is used`, layer.rebuild)
        : Strikes.strikes[kind].strike(server)
    })
    const striker = yield* Queue.take(blows).pipe(
      Effect.flatMap(strike),
      Effect.forever,
      Effect.interruptible,
      Effect.fork
    )

    const caller = (number: number) => {
      const spec = specOf(number)
      const held = layers[number % layers.length]
      if (held === undefined) return Effect.void
      const service = Watch.make({
        referee,
        layer: spec.name,
        plan: planOf,
        service: held.service,
        onOverhead: (millis) => void overheads.push(millis)
      })
      return Effect.gen(function*() {
        const asks = yield* Effect.forEach(Array.from({ length: conversations }), (_, index) => {
          const options = { seed, referee, spec, service, name: `${number}.${index}` }
          return index % 2 === 0 ? Effect.sync(() => Dialogue.make(options)) : Chat.make(options)
        })
        for (let turn = 0; referee.asked() < turns; turn++) {
          yield* asks[dice(seed, "caller", number, turn).below(asks.length)]?.(turn) ?? Effect.void
        }
      })
    }
    yield* Effect.forEach(Array.from({ length: callers }, (_, index) => index), caller, {
      concurrency: "unbounded",
      discard: true
    })
    yield* striker.interruptAsFork(striker.id())
    yield* Effect.forEach(layers, (layer) => bounded(`closing ${layer.spec.name}`, layer.close), { discard: true })
    return (yield* Effect.forEach(layers, (layer) => layer.stats)).flat()
  })
  const stats = yield* Effect.supervised(client, supervisor)

  const { opened } = yield* server.connections
  if (opened > 0) yield* bounded("the end of the connections", server.waitFor("ConnectionClosed", opened))
  yield* Effect.repeatN(eventLoopTurn, 50)
  referee.close()
  const fibers = yield* supervisor.value
  for (const fiber of fibers) referee.report("", "", `a fiber is left: ${String(fiber.id())}`)
  const left = yield* server.stats
  for (const [what, count] of [["connections", left.connections.open], ["responses", left.inFlight]] as const) {
    if (count > 0) referee.report("", "", `${count} ${what} are left open on the server`)
  }
  return { referee, stats, heaps, overheads, opened }
}, Effect.scoped)

/** So often everything that can happen has to happen in a run that is long enough. */
const least = { count: 50, turns: 20_000 }

const scarce = ({ faults, strikes, upgrades }: RefereeModule.Counts): ReadonlyArray<string> =>
  [
    ...Faults.kinds.map((kind) => [`fault ${kind}`, faults[kind]] as const),
    ...Strikes.kinds.map((kind) => [`blow ${kind}`, strikes[kind]] as const),
    ...Upgrades.kinds.map((kind) => [`upgrade ${kind}`, upgrades[kind]] as const)
  ].flatMap(([name, count = 0]) => count < least.count ? [`${name} came ${count} times only`] : [])

/** The last tenth may need so much more than the second, by when everything that is bounded is full. */
const growth = 1.1

export const run = Effect.fnUntraced(function*(options: Options) {
  const before = Resources.held()
  const began = performance.now()
  const { heaps, opened, overheads, referee, stats } = yield* Effect.scoped(Effect.gen(function*() {
    const { heard } = yield* Resources.complaints
    const result = yield* Effect.withClock(underLoad(options), yield* Clock.make)
    for (const what of heard) result.referee.report("", "", what)
    return result
  }))
  const millis = performance.now() - began
  for (const what of yield* Resources.leaks(before)) referee.report("", "", `is left behind: ${what}`)
  if (options.turns >= least.turns && options.layer === undefined) {
    for (const what of scarce(referee.counts)) referee.report("", "", what)
  }
  const [, second] = heaps
  const last = heaps.at(-1)
  // Below some thousand turns a heap says more of what was compiled than of what was kept.
  if (options.turns >= 5000 && second !== undefined && last !== undefined && last > second * growth) {
    referee.report("", "", `the heap grew from ${second} to ${last} bytes`)
  }
  const facts: Facts = {
    seed: options.seed,
    turns: referee.judged(),
    undisturbed: referee.undisturbed(),
    millis,
    connections: opened,
    recycled: stats.reduce((sum, { recycled }) => sum + recycled, 0),
    deltas: stats.reduce((sum, { deltas }) => sum + deltas, 0),
    counts: referee.counts,
    overheads: overheads.toSorted((a, b) => a - b),
    heaps,
    violations: referee.violations
  }
  return facts
}, Logger.withMinimumLogLevel(LogLevel.Warning))
