/**
 * What a JSON value means, as a flat list of leaves: two values have equal lists exactly if they are the same JSON but for
 * the order of keys. A list stays as it is when the value is mutated later. Its strings are the value's own, so it costs
 * little, and comparing it with a value that nobody changed compares pointers.
 */

export type Leaf = string | number | boolean | null | bigint | symbol

export type Meaning = ReadonlyArray<Leaf>

/** No JSON value holds a symbol, so nothing inside a value can imitate its structure. */
const record = Symbol("{")
const list = Symbol("[")
export const end = Symbol("end")

/** Stands for what cannot be written as JSON: it is equal to nothing, not even to itself. */
const unwritable = Number.NaN

/**
 * The value as `JSON.stringify` sees it. Instances of classes may hide, rename and compute fields (`toJSON`, getters,
 * boxed values).
 */
export const plain = (value: object): unknown => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === Array.prototype || prototype === null) &&
      typeof (value as { readonly toJSON?: unknown }).toJSON !== "function"
    ? value
    : JSON.parse(JSON.stringify(value))
}

const isAbsent = (value: unknown): boolean =>
  value === undefined || typeof value === "function" || typeof value === "symbol"

/** Adds the leaves of a value. May throw on what cannot be written as JSON. */
export const write = (given: unknown, leaves: Array<Leaf>): void => {
  const value = typeof given === "object" && given !== null ? plain(given) : given
  if (Array.isArray(value)) {
    leaves.push(list)
    for (const element of value) write(element, leaves)
    leaves.push(end)
  } else if (typeof value === "object" && value !== null) {
    leaves.push(record)
    for (const name of Object.keys(value).sort()) {
      const field: unknown = (value as Readonly<Record<string, unknown>>)[name]
      if (isAbsent(field)) continue
      leaves.push(name)
      write(field, leaves)
    }
    leaves.push(end)
  } else {
    leaves.push(isAbsent(value) || (typeof value === "number" && !Number.isFinite(value)) ? null : value as Leaf)
  }
}

/** Runs a writer on an empty list. If it throws, the list is equal to no other. */
export const fill = <A>(leaves: Array<Leaf>, writer: (value: A, leaves: Array<Leaf>) => void, value: A): void => {
  leaves.length = 0
  try {
    writer(value, leaves)
  } catch {
    leaves.length = 0
    leaves.push(unwritable)
  }
}

/** `from` is the first leaf that counts. */
export const equal = (left: Meaning, right: Meaning, from = 0): boolean => {
  if (left.length !== right.length) return false
  for (let index = from; index < left.length; index++) {
    if (left[index] !== right[index]) return false
  }
  return true
}
