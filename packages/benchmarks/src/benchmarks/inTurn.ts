import { atLeast, median, row } from "../report/result.ts"
import { type Benchmark, expectAll, interleave, memoryRounds, withPrograms } from "../run.ts"

const names = ["Responses.forEach, one connection"] as const

/** Names of lanes on one connection: so many conversations can be continued. */
const places = 32
const conversations = places * 1.5
const turns = 10
const deltas = 5

/** With the future known: who comes last gives way. Of the others each finds its place, but for one that is taken meanwhile. */
const best = (turns - 1) / turns * (places - 1) / (conversations - 1)

export const inTurn: Benchmark = {
  name: "in-turn",
  what: "48 conversations on one connection, which has places for 32, one after the other and again",
  run: (run) =>
    withPrograms(names, async (program) => {
      const once = async (way: typeof names[number]) => {
        const remote = program(way)
        await remote.call("open", run.url)
        await run.server.call("chats")
        for (let turn = 0; turn < turns; turn++) {
          const work = { model: `chat:0:${deltas}`, conversations, turns: 1, atOnce: 1 }
          expectAll(way, await remote.call("turns", work), conversations * deltas)
        }
        const { delta, sockets } = await run.server.call("chats")
        await remote.call("close")
        if (sockets !== 1) throw new Error(`${sockets} connections`)
        return delta / conversations / turns
      }
      const found = (await interleave(run, names, once, memoryRounds(run))).get(names[0]) ?? []
      const measure = "share of turns sent as deltas"
      return {
        rows: [
          row(measure, "", names[0], found, best),
          row(measure, "", "the best choice of who gives way", [best], best),
          row(measure, "", "least recently used gives way", [0], best)
        ],
        goals: [atLeast(`${measure} >= 0.5`, median(found), 0.5)]
      }
    })
}
