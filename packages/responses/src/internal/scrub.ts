/** Takes what must not be shown out of what came from outside. */
import * as Predicate from "effect/Predicate"

export type Scrub = (text: string) => string

/** In all texts and names of a JSON value: once it is read, no escape hides anything. Throws where it is nested too deep. */
export const json = (value: unknown, scrub: Scrub): unknown =>
  JSON.parse(JSON.stringify(value), (_, inner: unknown) => {
    if (typeof inner === "string") return scrub(inner)
    return Predicate.isRecord(inner)
      ? Object.fromEntries(Object.entries(inner).map(([name, field]) => [scrub(name), field]))
      : inner
  })
