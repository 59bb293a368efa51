/**
 * What a caller knows of its own conversation, and a Layer that has never seen it does not: the stored response that its
 * history goes on from.
 */
import type { ResponseRequest } from "../../ResponseRequest.ts"

export interface Told {
  readonly responseId: string
  /** So many items at the beginning of the input are the context of that response, with the settings of this request. */
  readonly items: number
}

const told = new WeakMap<ResponseRequest, Told>()

/** The caller vouches for it: nothing else in the request proves it. */
export const mark = (request: ResponseRequest, what: Told): ResponseRequest => {
  told.set(request, what)
  return request
}

export const of = (request: ResponseRequest): Told | undefined => told.get(request)
