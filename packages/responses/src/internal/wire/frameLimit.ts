/**
 * How much a frame may hold. `JSON.parse` of a few megabytes of `{},` blocks the event loop for seconds and takes gigabytes,
 * so a frame is counted before it is parsed.
 */

/** Below this many characters no frame can have too many values, so small frames are not looked at. */
const alwaysFits = 1 << 18

/**
 * Brackets, commas and colons outside of strings. The worst frame with this many takes V8 about a quarter of a second and
 * 100 MB. A response of 30,000 tokens with their log probabilities has fewer.
 */
export const maxMarks = 500_000

const quote = 0x22
const backslash = 0x5c

const isMark = (code: number): boolean => code === 0x2c || code === 0x3a || code === 0x5b || code === 0x7b // , : [ {

/** Where the string ends that begins at `start`. */
const skipString = (text: string, start: number): number => {
  let at = start + 1
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === quote) return at
    at += code === backslash ? 2 : 1
  }
  return at
}

/** Whether a frame has more values than are worth parsing. Each character is looked at once at the most. */
export const hasTooManyValues = (text: string): boolean => {
  if (text.length <= alwaysFits) return false
  let marks = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = skipString(text, at)
    else if (isMark(code) && ++marks > maxMarks) return true
  }
  return false
}
