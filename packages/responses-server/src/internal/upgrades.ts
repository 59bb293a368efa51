/** Which upgrade comes to what: a wrong path or key first, then what was ordered by hand, then the script. */
import type { IncomingMessage } from "node:http"
import * as Upgrade from "../Upgrade.ts"
import { type Core, keyProblem, recordable } from "./core.ts"
import { errorBody, notFound, type Problem } from "./problems.ts"

export interface Upgrades {
  readonly decide: (request: IncomingMessage) => Upgrade.Upgrade
  /** From now on, so often. */
  readonly order: (upgrade: Upgrade.Upgrade, times: number) => void
  /** Back to the script. */
  readonly reset: () => void
}

const refusal = (problem: Problem): Upgrade.Upgrade => Upgrade.refuse(problem.status, { body: errorBody(problem) })

export const make = (core: Core, script: Upgrade.Upgrades): Upgrades => {
  let ordered: Upgrade.Upgrade | undefined
  let left = 0
  let index = 0

  const scripted = (request: IncomingMessage): Upgrade.Upgrade => {
    const at = index++
    if (typeof script !== "function") return script[at] ?? Upgrade.accept()
    return script({ index: at, url: request.url ?? "/", headers: recordable(request.headers) })
  }

  return {
    order: (upgrade, times) => {
      ordered = upgrade
      left = times
    },
    reset: () => {
      ordered = undefined
    },
    decide: (request) => {
      if (ordered !== undefined && left > 0) {
        left--
        return ordered
      }
      const { pathname } = new URL(request.url ?? "/", "http://localhost")
      if (pathname !== "/v1/responses") return refusal(notFound)
      const problem = keyProblem(core, request.headers)
      return problem === undefined ? scripted(request) : refusal(problem)
    }
  }
}
