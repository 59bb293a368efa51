/** Everything that is left to chance, from one seed: the same names always throw the same numbers, in whatever order. */

export interface Dice {
  /** From 0 up to 1. */
  readonly next: () => number
  /** From 0 up to `below`, whole. */
  readonly below: (below: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(from: readonly [A, ...ReadonlyArray<A>]) => A
}

/** FNV-1a: names that differ in one character must not throw alike. */
const hash = (text: string): number => {
  let state = 0x811c9dc5
  for (const character of text) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193)
  return state
}

export const dice = (seed: number, ...names: ReadonlyArray<string | number>): Dice => {
  let state = hash([seed, ...names].join("/"))
  const next = () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: (from) => from[below(from.length)] ?? from[0]
  }
}

/** By weight. */
export const weighted = <K extends string>({ next }: Dice, weights: Readonly<Record<K, number>>): K => {
  const entries = Object.entries<number>(weights)
  let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
  const found = entries.find(([, weight]) => (left -= weight) < 0) ?? entries[0]
  return found?.[0] as K
}
