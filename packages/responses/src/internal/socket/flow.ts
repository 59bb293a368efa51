/**
 * When the socket is paused, because those who read are behind.
 *
 * A bounded `Queue` holds up the fiber that offers to it. Here nobody can be held up: the socket calls back, and what one
 * reader leaves unread must not keep the events of the others.
 */
import type { Socket } from "../../Connector.ts"
import type * as Exchange from "../exchange/exchange.ts"
import type { Backlog } from "./backlog.ts"
import type { Lane } from "./lane.ts"
import type { Naming } from "./naming.ts"

export interface Options {
  readonly naming: Pick<Naming, "by">
  readonly backlog: Pick<Backlog, "add" | "remove">
  /** Whether anybody waits for a turn. */
  readonly isWaitedFor: () => boolean
}

/** The connection. */
export interface Host {
  readonly lanes: Iterable<Pick<Lane, "exchange">>
  readonly socket: Pick<Socket, "pause" | "resume">
  /** Nobody listened, and from now on somebody does. */
  readonly onResumed: () => void
}

export interface Flow extends Pick<Exchange.Options, "onBehind" | "onCaughtUp"> {
  readonly isPaused: () => boolean
  /** Somebody waits for the connection, who is not to wait for consumers that are behind. */
  readonly resume: () => void
}

export const make = ({ backlog, isWaitedFor, naming }: Options, host: Host): Flow => {
  let isPaused = false

  /** All who run are behind, and nobody waits. */
  const mayPause = (): boolean => {
    for (const { exchange } of host.lanes) if (exchange?.isBehind() === false) return false
    return naming.by === "callers" || !isWaitedFor()
  }

  const resume = () => {
    if (!isPaused) return
    isPaused = false
    host.socket.resume()
    host.onResumed()
  }

  return {
    isPaused: () => isPaused,
    resume,
    onBehind: (exchange) => {
      if (!isPaused && mayPause()) {
        isPaused = true
        host.socket.pause()
      }
      backlog.add(exchange, host, isPaused)
    },
    onCaughtUp: (exchange) => {
      backlog.remove(exchange)
      resume()
    }
  }
}
