/** A response that can be continued from, and what a full request would have to send in its place. */
import * as Either from "effect/Either"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type { FinalResponse } from "../../Responses.ts"
import * as Continuation from "../compare/continuation.ts"
import * as Fingerprint from "../compare/fingerprint.ts"
import type { Told } from "../compare/told.ts"

/** Where the server keeps what it knows of a response: connections and lanes are told apart by identity. */
export interface Home {
  readonly connection: { readonly identity: string }
  readonly lane: object
}

export interface Kept {
  readonly head: Continuation.Head
  /** Sizes of what a full request would hold, in bytes, as far as they are known without writing it. */
  readonly inputBytes: number
  readonly otherBytes: number
  /** Where it was put out. */
  readonly place: Home
  /** Of all its items. */
  readonly fingerprint: Fingerprint.Fingerprint
  /** What all turns of its conversation have in common, if it has begun. */
  readonly root: number | undefined
  /** The name that the caller gave the conversation. */
  readonly name: string | undefined
  /** It continued another response itself. */
  readonly isContinuation: boolean
  /** When it was put out, as a time of `Time.now`. */
  readonly at: number
}

/** What can be continued from on a lane. */
export type Memory =
  /** No request has used the lane. */
  | { readonly _tag: "Unused" }
  /** The latest turn of the lane did not end well, or has not ended. */
  | { readonly _tag: "Spent" }
  | { readonly _tag: "Head"; readonly kept: Kept }
  /** A turn of the lane continues it, and has not ended: the server may still have it for a fork. */
  | { readonly _tag: "Continued"; readonly kept: Kept }

export const unused: Memory = { _tag: "Unused" }
export const spent: Memory = { _tag: "Spent" }

export const keptOn = ({ memory }: { readonly memory: Memory }): Kept | undefined =>
  memory._tag === "Head" ? memory.kept : undefined

/** A server can nest its output deeper than it can be written. Nothing continues from there, so its size is not needed. */
const sizeOf = (output: FinalResponse["output"]): number =>
  Either.getOrElse(Either.try(() => JSON.stringify(output).length), () => 0)

const sizeWithoutInput = (request: ResponseRequest.ResponseRequest): number =>
  Either.match(ResponseRequest.toFrame({ ...request, input: [] }), {
    onLeft: () => 0,
    onRight: (frame) => frame.length
  })

/** Of a response that continues `parent`, if it does, and whose request was sent in a frame of this size. */
export const sizes = (
  parent: Kept | undefined,
  request: ResponseRequest.ResponseRequest,
  frameSize: number,
  output: FinalResponse["output"]
): Pick<Kept, "inputBytes" | "otherBytes"> => {
  const otherBytes = parent?.otherBytes ?? sizeWithoutInput(request)
  return {
    otherBytes,
    inputBytes: (parent?.inputBytes ?? 0) + Math.max(0, frameSize - otherBytes) + sizeOf(output)
  }
}

/** What a caller knows of a stored response. */
export const told = (request: ResponseRequest.ResponseRequest, known: Told, place: Home, at: number): Kept => {
  const items = ResponseRequest.items(request).slice(0, known.items)
  return {
    head: Continuation.told(request, known),
    inputBytes: sizeOf(items),
    otherBytes: sizeWithoutInput(request),
    place,
    fingerprint: Fingerprint.extend(Fingerprint.empty, items),
    root: Fingerprint.root(items),
    name: undefined,
    isContinuation: true,
    at
  }
}
