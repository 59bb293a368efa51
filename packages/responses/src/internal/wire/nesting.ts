import * as Predicate from "effect/Predicate"

/** Whether a value holds objects or lists more than `levels` deep. Goes no deeper than that itself. */
export const isDeeper = (value: unknown, levels: number): boolean =>
  Predicate.isObject(value) && (levels === 0 || Object.values(value).some((child) => isDeeper(child, levels - 1)))
