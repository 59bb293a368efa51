/**
 * Whether a value can be written as JSON wherever on the stack that is done, and whether it is nested no deeper than a
 * caller can work on it. `JSON.stringify`, schemas and comparisons are recursive, and end in a RangeError at some thousand
 * levels.
 */
import * as Predicate from "effect/Predicate"

/** In levels. What means something to a model is not nested so deep. */
export const maxDepth = 512

const isRefused = (value: unknown, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return typeof value === "bigint"
  if (Predicate.hasProperty(value, "toJSON") && Predicate.isFunction(value.toJSON)) return false
  return levels === 0 || Object.values(value).some((inner) => isRefused(inner, levels - 1))
}

/**
 * `false` for a BigInt, for a value that refers to itself or has more than `levels` levels of lists and objects, and for a
 * field that throws. Looks no deeper than that itself.
 */
export const isWritable = (value: unknown, levels = maxDepth): boolean => {
  try {
    return !isRefused(value, levels)
  } catch {
    return false
  }
}
