/**
 * JSON text of JSON values of any depth. `JSON.parse` reads any depth, and `JSON.stringify` ends in a RangeError where lists
 * or objects are nested some thousand levels deep.
 */
import * as Predicate from "effect/Predicate"

interface Open {
  /** `undefined`: a list. */
  readonly names: ReadonlyArray<string> | undefined
  readonly values: ReadonlyArray<unknown>
  next: number
}

const writeDeep = (value: unknown): string => {
  let text = ""
  const open: Array<Open> = []
  const put = (value: unknown) => {
    const isList = Array.isArray(value)
    if (!isList && !Predicate.isRecord(value)) {
      text += JSON.stringify(value)
      return
    }
    text += isList ? "[" : "{"
    open.push({ names: isList ? undefined : Object.keys(value), values: Object.values(value), next: 0 })
  }
  put(value)
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { names, next, values } = top
    if (next === values.length) {
      open.pop()
      text += names === undefined ? "]" : "}"
      continue
    }
    top.next++
    if (next > 0) text += ","
    if (names !== undefined) text += `${JSON.stringify(names[next])}:`
    put(values[next])
  }
  return text
}

/** Throws on what is no JSON value: a BigInt, an object that holds itself. */
export const write = (value: unknown): string => {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    return writeDeep(value)
  }
}
