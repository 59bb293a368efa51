/**
 * Whether two JSON texts say the same, as the arguments of a call do when an SDK has parsed and printed them again.
 */
import * as CanonicalJson from "./canonicalJson.ts"

const token = /"(?:[^"\\]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** So few digits without an exponent survive as a double: `1.0` is `1` then, and no two numbers become one. */
const isExact = (number: string): boolean => number.length <= 15 && !/[eE]/.test(number)

/** Numbers become strings, as `JSON.parse` rounds long ones: two ids of 17 digits must not become equal. */
const withoutNumbers = (text: string): string =>
  text.replace(
    token,
    (part) => part.startsWith("\"") ? `"s${part.slice(1)}` : `"n${isExact(part) ? Number(part) : part}"`
  )

const parse = (given: string): CanonicalJson.Meaning | undefined => {
  // Servers write `""` for a call without arguments, and SDKs echo what they have parsed it to.
  const text = given === "" ? "{}" : given
  try {
    JSON.parse(text)
    const draft = new CanonicalJson.Draft()
    CanonicalJson.write(JSON.parse(withoutNumbers(text)), draft)
    return draft.finish()
  } catch {
    return undefined
  }
}

const noArguments: ReadonlySet<string> = new Set(["", "null"])

/** Some models write no arguments as an empty text or as `null`, and an SDK prints them as an object. */
const orEmpty = (text: string): string => noArguments.has(text.trim()) ? "{}" : text

/** Texts that are not JSON say the same only if they are equal. */
export const isSame = (left: string, right: string): boolean => {
  if (left === right) return true
  const meaning = parse(orEmpty(left))
  const other = meaning && parse(orEmpty(right))
  return meaning !== undefined && other !== undefined && CanonicalJson.equal(meaning, other)
}
