/** Agents that Node would refuse at the first request: with an exception, and only once there is something to send. */
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as Http from "node:http"

const invalid = (problem: string) => Either.left(ConfigError.InvalidData(["agent"], problem))

/**
 * Node's own agents store their protocol as an own property. Agents made with `agent-base` (`https-proxy-agent`, …) serve both
 * protocols. They inherit a getter whose result depends on the call stack, so only an own property is read.
 */
const protocolOf = (agent: object): unknown => Object.getOwnPropertyDescriptor(agent, "protocol")?.value

/** Without a `url` it is not known yet where the agent will be used. */
export const check = (
  agent: Http.Agent | undefined,
  url?: string
): Either.Either<Http.Agent | undefined, ConfigError.ConfigError> => {
  if (agent === undefined) return Either.right(undefined)
  if (!Predicate.hasProperty(agent, "addRequest") || !Predicate.isFunction(agent.addRequest)) {
    return invalid("is no agent as node:http and node:https have them (a dispatcher of undici is none)")
  }
  if (url === undefined) return Either.right(agent)
  const needed = /^(wss|https):/.test(url) ? "https:" : "http:"
  const protocol = protocolOf(agent)
  return Predicate.isString(protocol) && protocol !== needed
    ? invalid(`is one for ${protocol}, and the server's URL needs one for ${needed}`)
    : Either.right(agent)
}
