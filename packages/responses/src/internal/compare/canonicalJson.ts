/**
 * What a JSON value means, as a flat list of leaves: two values have equal lists exactly if they are the same JSON but for
 * the order of keys. A list stays as it is when the value is mutated later. Its strings are the value's own, so it costs
 * little, and comparing it with a value that nobody changed compares pointers.
 */

export type Leaf = string | number | boolean | null | bigint | symbol

export type Meaning = ReadonlyArray<Leaf>

/** In the place of a leaf: several, of which each is as good as the other. */
export type Spellings = ReadonlyArray<Leaf>

/** No JSON value holds a symbol, so nothing inside a value can imitate its structure. */
const record = Symbol("{")
const list = Symbol("[")
export const end = Symbol("end")

/** What cannot be written as JSON is equal to nothing, not even to itself. */
const unwritable = (): Leaf => Symbol("unwritable")

/** A meaning in the making. It can be used again, and keeps its memory then: there is one for thousands of items. */
export class Draft {
  readonly leaves: Array<Leaf> = []
  size = 0

  add(leaf: Leaf): this {
    this.leaves[this.size++] = leaf
    return this
  }

  finish(): Array<Leaf> {
    return this.leaves.slice(0, this.size)
  }
}

/** No instance of a class, which may hide, rename and compute fields (`toJSON`, getters, boxed values). */
export const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === Array.prototype || prototype === null) &&
    typeof (value as { readonly toJSON?: unknown }).toJSON !== "function"
}

/** The value as `JSON.stringify` sees it. */
export const plain = (value: object): unknown => isPlain(value) ? value : JSON.parse(JSON.stringify(value))

type Fields = Readonly<Record<string, unknown>>

/** What JSON leaves out of a record. */
const isAbsent = (value: unknown): boolean =>
  value === undefined || typeof value === "function" || typeof value === "symbol"

/** How records are written. */
export interface Style {
  readonly names: (record: Fields) => ReadonlyArray<string>
  /** Whether a field with this value means the same as no such field. */
  readonly isAbsent: (value: unknown) => boolean
  /** The style of the value of a field. */
  readonly within: (name: string) => Style
}

export const sortedNames = (record: Fields): ReadonlyArray<string> => Object.keys(record).toSorted()

/** As JSON has it, but for the order of keys: a field that is `null` is not an absent one. */
export const exact: Style = { names: sortedNames, isAbsent, within: () => exact }

const inOrder: Style = { names: Object.keys, isAbsent, within: () => inOrder }

/** What is neither a list nor a record. */
const leaf = (value: unknown): Leaf => {
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : null
  return isAbsent(value) ? null : value as Leaf
}

/** Adds a value. May throw on what cannot be written as JSON. */
export const write = (given: unknown, draft: Draft, style = exact): void => {
  const value = typeof given === "object" && given !== null ? plain(given) : given
  if (Array.isArray(value)) {
    draft.add(list)
    for (const element of value) write(element, draft, style)
    draft.add(end)
  } else if (typeof value === "object" && value !== null) {
    draft.add(record)
    for (const name of style.names(value as Fields)) {
      const field = (value as Fields)[name]
      if (style.isAbsent(field)) continue
      draft.add(name)
      write(field, draft, style.within(name))
    }
    draft.add(end)
  } else {
    draft.add(leaf(value))
  }
}

/** Adds a value with its keys in their own order: for `isOf` and not for `equal`. */
export const writeInOrder = (value: unknown, draft: Draft): void => write(value, draft, inOrder)

/** Writes anew. Never throws: what cannot be written as JSON gets a meaning that is equal to no other. */
export const rewrite = <A>(draft: Draft, writer: (value: A, draft: Draft) => void, value: A): void => {
  draft.size = 0
  try {
    writer(value, draft)
  } catch {
    draft.size = 0
    draft.add(unwritable())
  }
}

/** Whether a leaf, or one of its spellings, is what is said. */
export const isSpelled = (known: Leaf | Spellings | undefined, said: unknown): boolean =>
  Object.is(known, said) || Array.isArray(known) && known.includes(said)

/** Whether the lists are equal from a place on, where only `size` of the right one counts. */
export const equal = (
  left: ReadonlyArray<Leaf | Spellings>,
  right: Meaning,
  size = right.length,
  from = 0
): boolean => {
  if (left.length !== size) return false
  for (let index = from; index < size; index++) {
    if (!isSpelled(left[index], right[index])) return false
  }
  return true
}

/** Where a value ends if its leaves begin at `start`, or -1 if they are others. */
const read = (meaning: Meaning, start: number, given: unknown): number => {
  const value = typeof given === "object" && given !== null ? plain(given) : given
  if (typeof value !== "object" || value === null) return Object.is(meaning[start], leaf(value)) ? start + 1 : -1
  return Array.isArray(value)
    ? readList(meaning, start, value)
    : readRecord(meaning, start, value as Fields)
}

const readList = (meaning: Meaning, start: number, value: ReadonlyArray<unknown>): number => {
  if (meaning[start] !== list) return -1
  let at = start + 1
  for (const element of value) {
    at = read(meaning, at, element)
    if (at < 0) return -1
  }
  return meaning[at] === end ? at + 1 : -1
}

const readRecord = (meaning: Meaning, start: number, value: Fields): number => {
  if (meaning[start] !== record) return -1
  let fields = 0
  for (const name of Object.keys(value)) {
    if (!isAbsent(value[name])) fields++
  }
  let at = start + 1
  for (; meaning[at] !== end; fields--) {
    const name = meaning[at] as string
    if (!Object.hasOwn(value, name) || isAbsent(value[name])) return -1
    at = read(meaning, at + 1, value[name])
    if (at < 0) return -1
  }
  return fields === 0 ? at + 1 : -1
}

/** Where a value ends if its leaves begin at `start` with the keys in the same order. -1 tells nothing. */
const readInOrder = (meaning: Meaning, start: number, value: unknown): number => {
  if (typeof value !== "object" || value === null) return Object.is(meaning[start], leaf(value)) ? start + 1 : -1
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === "function") return -1
  const prototype: unknown = Object.getPrototypeOf(value)
  let at = start + 1
  if (Array.isArray(value)) {
    if (meaning[start] !== list || prototype !== Array.prototype) return -1
    for (const element of value) {
      at = readInOrder(meaning, at, element)
      if (at < 0) return -1
    }
  } else {
    if (meaning[start] !== record || prototype !== Object.prototype) return -1
    // In such a loop, and with this way to ask for what is inherited, the engine looks no field up.
    for (const name in value) {
      if (!Object.prototype.hasOwnProperty.call(value, name)) return -1
      const field = (value as Fields)[name]
      if (isAbsent(field)) continue
      if (!Object.is(meaning[at], name)) return -1
      at = readInOrder(meaning, at + 1, field)
      if (at < 0) return -1
    }
  }
  return meaning[at] === end ? at + 1 : -1
}

/** Whether writing the value, in any order, would give this meaning. Writes nothing, sorts nothing and never throws. */
export const isOf = (meaning: Meaning, value: unknown): boolean => {
  try {
    return readInOrder(meaning, 0, value) === meaning.length || read(meaning, 0, value) === meaning.length
  } catch {
    return false
  }
}
