/** The texts of a body, given to an exchange as events, whatever the body calls itself. */
import * as Either from "effect/Either"
import { ConnectionError, type Delivery, MalformedEvent } from "../../ResponsesError.ts"
import type { Exchange } from "../exchange/exchange.ts"
import * as EventStream from "./eventStream.ts"
import { maxErrorSize } from "./httpFailure.ts"
import * as JsonLines from "./jsonLines.ts"
import * as SseDialect from "./sseDialect.ts"

export interface EventBody {
  readonly feed: (bytes: Uint8Array) => MalformedEvent | undefined
  /** Gives what else was said after the last event. */
  readonly end: () => Either.Either<string, MalformedEvent>
}

/** The delivery is for the exchange to say. The key is still in the frame: it is cut to its size after that. */
const malformed = (description: string, frame: string) =>
  new MalformedEvent({ description, frame: frame.slice(0, maxErrorSize), delivery: "unacknowledged" })

const endedEarly = (delivery: Delivery) =>
  new ConnectionError({
    reason: "Lost",
    delivery,
    description: "The server ended the events before the response had ended"
  })

/** What a body is that had no event. `undefined`: events, of which none came. */
const insteadOfEvents = (type: string, text: string): string | undefined => {
  if (type === "application/json") return "a message that is not JSON"
  if (text === "") return undefined
  return type === "text/event-stream" ? "text that is no event" : `${type} instead of events`
}

export const make = (contentType: string | undefined, exchange: Exchange): EventBody => {
  // The key is taken out before the case of its letters is lost.
  const type = exchange.redact(contentType ?? "text/event-stream").split(";", 1).join().trim().toLowerCase()
  const decoder = new TextDecoder()
  let failure: MalformedEvent | undefined
  let hasBegun = false
  /** What was no event, since the last event. */
  let other = ""
  let problem: string | undefined
  let trailing = 0

  const fail = (description: string, frame: string) => {
    failure ??= malformed(description, frame)
  }

  /** Gives in words what is wrong, or `nothing`. */
  const take = (text: string, name: string | undefined): string => {
    if (failure !== undefined || exchange.hasEnded()) return SseDialect.nothing
    const event = SseDialect.read(text, name)
    if (event === SseDialect.done) {
      exchange.fail(endedEarly)
      return SseDialect.nothing
    }
    if (typeof event === "string") return event
    hasBegun = true
    other = ""
    exchange.offer(event, text.length)
    if (exchange.isFlooded()) fail("events of no response", "")
    return SseDialect.nothing
  }

  const events = EventStream.make({
    onEvent: (data, name) => {
      const found = take(data, name)
      if (found !== SseDialect.nothing) fail(found, data)
    },
    onOther: (text, name) => {
      const found = name !== undefined || JsonLines.isOpening(text) ? take(text, name) : "text that is no event"
      if (found === SseDialect.nothing) return
      if (JsonLines.isOpening(text)) problem ??= found
      other += other === "" ? text : `\n${text}`
      if (other.length > maxErrorSize) fail(insteadOfEvents(type, other) ?? found, other)
    },
    onOverflow: () => fail(`an event of more than ${EventStream.maxEventSize} characters`, "")
  })

  return {
    // A body that is read to its end leaves its connection to the next request. One that does not end is given up.
    feed: (bytes) => {
      if (!exchange.hasEnded()) events.feed(decoder.decode(bytes, { stream: true }))
      else if ((trailing += bytes.length) > maxErrorSize) fail("more than the response", "")
      return failure
    },
    end: () => {
      events.feed(decoder.decode())
      events.end()
      // An event that the end cut off is lost, not malformed.
      const instead = hasBegun ? undefined : insteadOfEvents(type, other)
      return instead === undefined ? Either.right(other) : Either.left(malformed(problem ?? instead, other))
    }
  }
}
