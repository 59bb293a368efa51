/** Whether a failure says that the server will not continue from the response that the request named. */
import * as Predicate from "effect/Predicate"
import type { PreviousResponseNotFound, ResponseFailed, ResponsesError } from "../../ResponsesError.ts"

export interface Details {
  readonly code?: string | undefined
  readonly type?: string | undefined
  readonly param?: string | undefined
  readonly status?: number | undefined
  readonly description?: string | undefined
}

/** Statuses that a server gives before it looks at the id: credentials, payment, time, size, rate, overload. */
const unrelated: ReadonlySet<number> = new Set([401, 402, 408, 413, 429, 503, 529])

/** In a code, a type, the name of a parameter or a message. Each row has the servers that it is known from. */
const wordings: ReadonlyArray<RegExp> = [
  // OpenAI, Azure, ChatGPT backend, gateways: the parameter in any spelling ("Invalid `previous_response_id`."),
  // "Previous response cannot be used for this organization due to Zero Data Retention."
  /previous[\s_-]?response/i,
  // xAI: "Response with id=… not found". vLLM: "Response with id '…' not found." and the parameter `response_id`.
  /\bresponse( found)? with( the)? id\b/i,
  /\bresponse[\s_-]?id\b/i,
  // Codes of gateways.
  /\bresponse[\s_-]not[\s_-]found\b/i,
  // Organizations whose responses are not kept.
  /\bzero[\s_-]data[\s_-]retention\b/i
]

const isPartOfName = (character: string | undefined): boolean => character !== undefined && /[\w-]/.test(character)

const mentions = (text: string, id: string): boolean => {
  const at = id === "" ? -1 : text.indexOf(id)
  return at !== -1 && !isPartOfName(text[at - 1]) && !isPartOfName(text[at + id.length])
}

/** FastAPI, behind which gateways and vLLM run: `{"detail": [{"loc": ["body", "previous_response_id"], "msg": …}]}`. */
const isLocated = (frame: unknown): boolean => {
  const detail = Predicate.isRecord(frame) ? frame["detail"] : undefined
  return Array.isArray(detail) &&
    detail.some((one) =>
      Predicate.isRecord(one) && Array.isArray(one["loc"]) && one["loc"].includes("previous_response_id")
    )
}

/** `id`: the response that the request named. A server that refuses it has run nothing. */
export const isNamed = ({ code, description, param, status, type }: Details, frame: unknown, id: string): boolean => {
  if (status !== undefined && (status < 400 || status > 499 || unrelated.has(status))) return false
  const texts = [param, code, type, description].filter(Predicate.isNotUndefined)
  return texts.some((text) => wordings.some((wording) => wording.test(text)) || mentions(text, id)) || isLocated(frame)
}

export const isRefusal = (error: ResponsesError, id: string): error is PreviousResponseNotFound | ResponseFailed =>
  error._tag === "PreviousResponseNotFound" || (error._tag === "ResponseFailed" && isNamed(error, error.frame, id))

/**
 * Whether the named response may be why the request failed. A connection that ended says nothing about the response, and
 * neither does a server that refuses the caller (403 too, if it does not name the response).
 */
export const isSuspected = (error: ResponsesError): boolean =>
  error._tag === "MalformedEvent" ||
  (error._tag === "ResponseFailed" &&
    (error.status === undefined || (error.status !== 403 && !unrelated.has(error.status))))
