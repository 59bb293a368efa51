/** What happens to a server, or to a Layer, while turns are running that know nothing of it. */
import type * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Effect from "effect/Effect"
import { dice } from "./dice.ts"
import type { End } from "./faults.ts"

interface Kind {
  readonly strike: (server: ResponsesServer.Service) => Effect.Effect<unknown>
  /** How a turn can end that ran meanwhile. `*`: whatever the delivery. */
  readonly ends: ReadonlyArray<End>
  /** What the server says with it proves to a client that its model did not run. */
  readonly nothingRan?: true
}

const disconnect = (code: number): Kind => ({
  strike: (server) => server.disconnect({ code }),
  ends: code === 1008 ? ["Lost/*", "Refused/unsent"] : ["Lost/*"],
  ...(code === 1008 ? { nothingRan: true } : {})
})

const idle = (frame: object | string, ends: ReadonlyArray<End>): Kind => ({
  strike: (server) => server.sendToIdle(frame),
  ends
})

/** Whose response it is that ends on an idle connection. */
export const nobody = "resp_of_nobody"

const table = {
  cut: { strike: (server) => server.disconnect("cut"), ends: ["Lost/*"] },
  close1000: disconnect(1000),
  close1001: disconnect(1001),
  close1008: disconnect(1008),
  close1011: disconnect(1011),
  close1012: disconnect(1012),
  close1013: disconnect(1013),
  expire: {
    strike: (server) => server.expire,
    ends: ["Expired/*", "Lost/*"],
    nothingRan: true
  },
  forgetLatest: { strike: (server) => server.forget("latest"), ends: [] },
  forgetAll: { strike: (server) => server.forget("all"), ends: [] },
  idleKeepalive: idle({ type: "keepalive" }, []),
  // Never, as long as what names another response can be taken for the beginning of the one that is awaited.
  idleDone: idle({ type: "response.done", response: { id: nobody } }, []),
  idleGarbage: idle("This is not JSON.", ["MalformedEvent/*", "Lost/*"]),
  /** A layer is closed while turns are running on it. */
  rebuild: { strike: () => Effect.void, ends: ["Closed/*", "Lost/*"] }
} satisfies Readonly<Record<string, Kind>>

export type StrikeKind = keyof typeof table

export const strikes: Readonly<Record<StrikeKind, Kind>> = table

export const kinds = Object.keys(table) as ReadonlyArray<StrikeKind>

/** The nth strike: in each round every kind comes once. */
export const choose = (seed: number, count: number): StrikeKind => {
  const round = Math.floor(count / kinds.length)
  const keys = kinds.map((kind) => [dice(seed, "strike", round, kind).next(), kind] as const)
  return keys.toSorted(([left], [right]) => left - right)[count % kinds.length]?.[1] ?? "cut"
}
