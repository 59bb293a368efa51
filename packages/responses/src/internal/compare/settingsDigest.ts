/** A short text that is equal for requests that can continue each other, in any process. */
import type { ResponseRequest } from "../../ResponseRequest.ts"
import * as ChainFields from "./chainFields.ts"

/** 53 bits (cyrb53): for telling versions of a program apart, and none of its users can choose them freely. */
const hash = (text: string): string => {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return ((low >>> 0) * 0x20_0000 + ((high >>> 0) & 0x1f_ffff)).toString(36)
}

/** `undefined`: they cannot be written, and are equal to nothing. */
export const make = (request: ResponseRequest): string | undefined => {
  try {
    return hash(JSON.stringify(ChainFields.given(request).toSorted(([one], [other]) => one < other ? -1 : 1)))
  } catch {
    return undefined
  }
}
