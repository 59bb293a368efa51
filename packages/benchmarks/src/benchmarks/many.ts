import { atLeast, limit, median, type Row, rows } from "../report/result.ts"
import { type Benchmark, expectAll, interleave, mapValues, memoryRounds, type Run, withPrograms } from "../run.ts"
import type { ProgramName } from "../ways/many/all.ts"

const names = [
  "Responses.forEach, one Layer",
  "Responses.forEach, 8 connections",
  "Responses.forEach, a Layer each",
  "Responses.forEach, HTTP",
  "openai lanes",
  "openai SSE"
] as const satisfies ReadonlyArray<ProgramName>

type Name = typeof names[number] | typeof alone

const alone = "one conversation alone"

interface Scenario {
  readonly what: string
  readonly conversations: number
  /** Before anything counts, each conversation has so many turns. */
  readonly before: number
  readonly turns: number
  readonly atOnce: number
  readonly millis: number
  readonly deltas: number
}

const own = names[0]
const small = names[1]
const http = "Responses.forEach, HTTP"

/** Eight connections with sixteen lanes: so many responses run at once on them. */
const places = 128

/** In seconds: no Layer with so many places can be faster. */
const bound = ({ conversations, millis, turns }: Scenario): number =>
  Math.max(turns, conversations * turns / places) * millis / 1000

/** A delta each 50 ms. */
const answersOf = (millis: number) => ({ millis, deltas: millis / 50 })

const users: Scenario = {
  what: "20 users",
  conversations: 20,
  before: 0,
  turns: 2,
  atOnce: 20,
  ...answersOf(1000)
}

const agents = ({ size }: Run): Scenario => ({
  what: "200 conversations",
  conversations: Math.ceil(200 * size),
  before: 0,
  turns: 10,
  atOnce: Infinity,
  ...answersOf(300)
})

/** They come back a hundred at a time, in the order in which they came first. */
const idle = ({ size }: Run): Scenario => ({
  what: "1,000 idle",
  conversations: Math.ceil(1000 * size),
  before: 1,
  turns: 1,
  atOnce: Math.ceil(100 * size),
  ...answersOf(300)
})

interface Found {
  readonly wall: number
  readonly first: number
  readonly deltas: number
  readonly sockets: number
  readonly cpu: number
  readonly bytes: number
}

const play = async (run: Run, scenario: Scenario, ways: ReadonlyArray<Name>) =>
  withPrograms(names, async (program) => {
    const once = async (way: Name): Promise<Found> => {
      const remote = program(way === alone ? own : way)
      const { atOnce, before, deltas, millis, turns, ...one } = scenario
      const conversations = way === alone ? 1 : one.conversations
      const model = `chat:${millis}:${deltas}`
      // `Infinity` is no JSON.
      const work = { model, conversations, atOnce: Math.min(atOnce, conversations) }
      await remote.call("open", run.url)
      if (before > 0) await remote.call("turns", { ...work, turns: before })
      await run.server.call("chats")
      await run.server.call("received")
      const cost = await remote.call("turns", { ...work, turns })
      const seen = await run.server.call("chats")
      const bytes = await run.server.call("received")
      await remote.call("close")
      const asked = conversations * turns
      expectAll(way, cost, asked * deltas)
      return {
        wall: cost.wallMillis / 1000,
        first: cost.longestFirst / 1000,
        deltas: seen.delta / asked,
        sockets: seen.sockets,
        cpu: cost.cpuMicros / 1000 / asked,
        bytes: bytes / 1000 / asked
      }
    }
    await interleave(run, ways, once, 1)
    return interleave(run, ways, once, memoryRounds(run))
  })

const table = ({ what }: Scenario, found: ReadonlyMap<Name, ReadonlyArray<Found>>): ReadonlyArray<Row> => {
  const together = new Map([...found].filter(([way]) => way !== alone))
  return [
    ...rows(`${what}: wall of a round`, "s", mapValues(together, ({ wall }) => wall), own),
    ...rows(`${what}: longest time to a first delta`, "s", mapValues(together, ({ first }) => first), own),
    ...rows(`${what}: share of turns sent as deltas`, "", mapValues(together, ({ deltas }) => deltas)),
    ...rows(`${what}: sockets`, "", mapValues(together, ({ sockets }) => sockets)),
    ...rows(`${what}: CPU per turn`, "ms", mapValues(found, ({ cpu }) => cpu), own),
    ...rows(`${what}: sent per turn`, "kB", mapValues(together, ({ bytes }) => bytes), own)
  ]
}

const of = (found: ReadonlyMap<Name, ReadonlyArray<Found>>, way: Name, what: keyof Found): number =>
  median((found.get(way) ?? []).map((one) => one[what]))

const least = (found: ReadonlyMap<Name, ReadonlyArray<Found>>, what: keyof Found): number =>
  Math.min(...names.map((way) => of(found, way, what)))

/** The first turn of a conversation travels whole. */
const ideal = (turns: number): number => (turns - 1) / turns

export const many: Benchmark = {
  name: "many",
  what: "Many conversations of one program: 20 users, 200 at once, 1,000 that come back",
  run: async (run) => {
    const first = await play(run, users, names)
    const second = await play(run, agents(run), [...names, alone])
    const third = await play(run, idle(run), names)
    return {
      rows: [...table(users, first), ...table(agents(run), second), ...table(idle(run), third)],
      goals: [
        limit("20 users: wall <= 1.25x the best", of(first, own, "wall") / least(first, "wall"), 1.25, "x"),
        limit("20 users: wall not above HTTP's", of(first, own, "wall") / of(first, http, "wall"), 1, "x"),
        atLeast("20 users: share of deltas is ideal", of(first, own, "deltas"), ideal(users.turns)),
        limit("200 conversations: wall <= 1.25x the best", of(second, own, "wall") / least(second, "wall"), 1.25, "x"),
        limit(
          "200 conversations: wall with 8 connections <= 1.25x what 128 places allow",
          of(second, small, "wall") / bound(agents(run)),
          1.25,
          "x"
        ),
        atLeast("200 conversations: share of deltas is ideal", of(second, own, "deltas"), ideal(agents(run).turns)),
        limit(
          "200 conversations: CPU per turn <= 1.3x one alone",
          of(second, own, "cpu") / of(second, alone, "cpu"),
          1.3,
          "x"
        ),
        atLeast("1,000 idle: share of deltas is ideal", of(third, own, "deltas"), 1),
        limit("1,000 idle: wall <= 1.25x the best", of(third, own, "wall") / least(third, "wall"), 1.25, "x")
      ]
    }
  }
}
