/** Takes what must not be shown out of what came from outside, and bounds what is kept of it. */
import * as Predicate from "effect/Predicate"

export type Redact = (text: string) => string

/** Values, names not counted. An error has some dozen, a failed response with much output some thousand. */
export const maxValues = 10_000

/** Characters of all texts and names together. */
export const maxText = 1024 * 1024

/** Characters of one text, so that there is room for others. */
export const maxLength = maxText / 8

const maxName = 256

/** Levels. What is nested deeper can be read, but `JSON.stringify` cannot write it. */
const maxDepth = 64

/** What a container gets before the next one has its turn, so that a long list takes nothing from its neighbours. */
const turn = 64

type Container = ReadonlyArray<unknown> | Readonly<Record<string, unknown>>

interface Visit {
  readonly source: Container
  readonly target: Array<unknown> | Record<string, unknown>
  readonly names: ReadonlyArray<string> | undefined
  readonly depth: number
  next: number
}

/**
 * The first characters of a text that holds no secret any more: of a secret that is cut in half nothing can be found. A
 * copy, as V8's `slice` alone would keep the whole text in memory.
 */
export const beginning = (text: string, length: number): string => ` ${text.slice(0, length)}`.slice(1)

/** The same, with a sign that there was more. */
export const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${beginning(text, length - 1)}…`

/**
 * A copy of a JSON value whose texts and names are redacted: once JSON is read, no escape hides anything. The outermost
 * values come first; those beyond a bound are left out, and the text that reaches the bound is cut. What is not JSON is
 * left out. Work and size depend on the bounds and, linearly, on the length of the texts that are kept.
 */
export const json = (value: unknown, redact: Redact): unknown => {
  let values = maxValues
  let text = maxText
  const queue: Array<Visit> = []
  const isFull = () => values <= 0 || text <= 0

  const write = (whole: string, length: number): string => {
    const written = cut(redact(whole), length)
    text -= written.length
    return written
  }

  const enter = (source: Container, depth: number): Visit["target"] => {
    const isArray = Array.isArray(source)
    const target = isArray ? [] : {}
    queue.push({ source, target, names: isArray ? undefined : Object.keys(source), depth, next: 0 })
    return target
  }

  const read = (value: unknown, depth: number): unknown => {
    if (Predicate.isString(value)) return write(value, Math.max(1, Math.min(text, maxLength)))
    if (value === null || Predicate.isNumber(value) || Predicate.isBoolean(value)) return value
    return Predicate.isObject(value) && !Predicate.isFunction(value) && depth < maxDepth
      ? enter(value as Container, depth + 1)
      : undefined
  }

  const step = ({ depth, names, source, target }: Visit, index: number) => {
    values--
    if (names === undefined) {
      const inner = read((source as ReadonlyArray<unknown>)[index], depth)
      if (inner !== undefined) (target as Array<unknown>).push(inner)
      return
    }
    const name = names[index]!
    const written = write(name, maxName)
    const inner = read((source as Readonly<Record<string, unknown>>)[name], depth)
    if (inner === undefined) return
    // `__proto__` is a name like any other.
    Object.defineProperty(target, written, { value: inner, configurable: true, enumerable: true, writable: true })
  }

  const result = read(value, 0)
  for (const visit of queue) {
    const length = (visit.names ?? visit.source as ReadonlyArray<unknown>).length
    const end = Math.min(length, visit.next + turn)
    while (visit.next < end && !isFull()) step(visit, visit.next++)
    if (isFull()) break
    if (visit.next < length) queue.push(visit)
  }
  return result
}
