/** What becomes of requests for a WebSocket, and which ends of a turn fit it. */
import * as Upgrade from "effect-responses-server/Upgrade"
import { dice, weighted } from "./dice.ts"
import type { End } from "./faults.ts"

interface Kind {
  readonly weight: number
  readonly upgrade: Upgrade.Upgrade
  /** How a turn can end that the upgrade was for, where no HTTP takes over. */
  readonly ends: ReadonlyArray<End>
  /** The connection is closed as if by policy, which the library takes for a refusal whatever the model did. */
  readonly nothingRan?: true
}

const refused = (status: number, headers?: Readonly<Record<string, string>>): Kind => ({
  weight: 1,
  upgrade: Upgrade.refuse(status, {
    body: { error: { message: `Refused with ${status}`, type: "invalid_request_error" } },
    ...(headers === undefined ? {} : { headers })
  }),
  ends: ["Refused/unsent"]
})

const table = {
  accept: { weight: 40, upgrade: Upgrade.accept(), ends: [] },
  greeting: { weight: 1, upgrade: Upgrade.accept({ greeting: [{ type: "keepalive" }] }), ends: [] },
  noPings: { weight: 1, upgrade: Upgrade.accept({ pings: false }), ends: [] },
  refuse401: refused(401),
  refuse403: refused(403),
  refuse404: refused(404),
  refuse426: refused(426),
  refuse429: refused(429, { "retry-after": "1" }),
  refuse503: refused(503),
  // Lost, where the close frame is there when the request is to be sent, and the end of the connection is not yet.
  close1008: { weight: 1, upgrade: Upgrade.close(), ends: ["Refused/unsent", "Lost/unsent"], nothingRan: true },
  close1013: {
    weight: 1,
    upgrade: Upgrade.close({ code: 1013 }),
    ends: ["Lost/unsent", "Lost/unacknowledged"]
  },
  stall: { weight: 0.7, upgrade: Upgrade.stall, ends: ["OpenTimeout/unsent"] },
  cut: { weight: 1, upgrade: Upgrade.cut, ends: ["Unreachable/unsent"] }
} satisfies Readonly<Record<string, Kind>>

export type UpgradeKind = keyof typeof table

export const upgrades: Readonly<Record<UpgradeKind, Kind>> = table

export const kinds = Object.keys(table) as ReadonlyArray<UpgradeKind>

const weights = Object.fromEntries(kinds.map((kind) => [kind, upgrades[kind].weight])) as Record<UpgradeKind, number>

/** Each Layer names itself with this header, so that it is known whom an upgrade was for. */
export const layerHeader = "x-soak-layer"

/** The nth upgrade of a Layer always comes to the same. */
export const decide = (
  seed: number,
  onDecided: (layer: string, kind: UpgradeKind) => void
): Upgrade.Upgrades => {
  const counts = new Map<string, number>()
  return ({ headers }) => {
    const layer = headers[layerHeader] ?? ""
    const count = counts.get(layer) ?? 0
    counts.set(layer, count + 1)
    const kind = weighted(dice(seed, "upgrade", layer, count), weights)
    onDecided(layer, kind)
    return upgrades[kind].upgrade
  }
}
