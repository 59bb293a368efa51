/**
 * Turns of many conversations. What the user says has the number of the conversation and of the turn in it, so that the server
 * knows whether it was sent, or has kept, all that was said before.
 */
import * as Events from "./events.ts"
import type { Out } from "./out.ts"
import { encode } from "./wire.ts"

const counts = { full: 0, delta: 0, refused: 0 }
let responses = 0

/** How many requests came since the last call, by what travelled. */
export const counted = (): Readonly<typeof counts> => {
  const found = { ...counts }
  Object.assign(counts, { full: 0, delta: 0, refused: 0 })
  return found
}

/** As long as a short answer of a model. */
const answerText = (conversation: number, turn: number) => `The end of ${conversation}, ${turn}. `.padEnd(1000, "word ")

interface Asked {
  readonly conversation: number
  readonly turn: number
  readonly previous: string | undefined
}

const read = (body: string): Asked => {
  const said = [...body.matchAll(/@(\d+):(\d+)@/g)].map((match) => [Number(match[1]), Number(match[2])] as const)
  const [conversation = 0, turn = 0] = said.at(-1) ?? []
  const previous = /"previous_response_id":"([^"]*)"/.exec(body)?.[1]
  const name = `turn ${turn} of conversation ${conversation}`
  if (said.some(([other]) => other !== conversation)) throw new Error(`${name} has words of another one`)
  if (said.length !== (previous === undefined ? turn : 1)) throw new Error(`${name} came with ${said.length}`)
  if (previous !== undefined && !previous.startsWith(`resp_${conversation}_${turn - 1}_`)) {
    throw new Error(`${name} continues ${previous}`)
  }
  return { conversation, turn, previous }
}

const delta = (index: number): string => Events.textDelta(index + 4, `${index} `)

/** `deltas` over `millis`, from `response.created` on. */
export const answer = (out: Out, model: string, millis: number, deltas: number, body: string): void => {
  const { conversation, previous, turn } = read(body)
  const { lane } = out.encoding
  if (previous !== undefined && out.lanes?.knows(previous) !== true) {
    counts.refused++
    out.write(encode(out.encoding, [Events.notFound(previous)]))
    return out.end()
  }
  counts[previous === undefined ? "full" : "delta"]++
  out.lanes?.forget(lane)
  const id = `resp_${conversation}_${turn}_${++responses}`
  const end = () => {
    out.lanes?.keep(lane, id)
    out.write(encode(out.encoding, Events.textEnd(id, model, deltas + 4, answerText(conversation, turn))))
    out.end()
  }
  const begun = [...Events.created(id, model), ...Events.textStart]
  if (millis === 0) {
    out.write(encode(out.encoding, [...begun, ...Array.from({ length: deltas }, (_, index) => delta(index))]))
    return end()
  }
  out.write(encode(out.encoding, begun))
  const start = performance.now()
  let sent = 0
  const step = () => {
    if (!out.isOpen()) return
    out.write(encode(out.encoding, [delta(sent)]))
    if (++sent < deltas) setTimeout(step, start + millis * (sent + 1) / deltas - performance.now())
    else end()
  }
  setTimeout(step, millis / deltas)
}
