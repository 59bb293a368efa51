/** Whether a value can be written as JSON, and compared later, wherever on the stack that is done. */

/** Both are recursive. What means something to a model is not nested so deep. */
export const maxDepth = 512

const isUnwritable = (value: unknown, depth: number): boolean => {
  if (typeof value !== "object" || value === null) return typeof value === "bigint"
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === "function") return false
  return depth === maxDepth || Object.values(value).some((inner) => isUnwritable(inner, depth + 1))
}

/** `false` for a BigInt, for what refers to itself or is nested too deep, and for a field that throws. */
export const isWritable = (value: unknown): boolean => {
  try {
    return !isUnwritable(value, 0)
  } catch {
    return false
  }
}
