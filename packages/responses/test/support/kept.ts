/** Heads as a Layer keeps them, without a response. */
import * as Continuation from "../../src/internal/compare/continuation.ts"
import * as Fingerprint from "../../src/internal/compare/fingerprint.ts"
import type { Kept } from "../../src/internal/socket/head.ts"
import * as ResponseRequest from "../../src/ResponseRequest.ts"

/** The head of a response with this id to this input. */
export const make = (
  id: string,
  { input = id, ...fields }: Partial<Kept> & { readonly input?: ResponseRequest.ResponseRequest["input"] } = {}
): Kept => {
  const request = { model: "m", input }
  const head = Continuation.commit(Continuation.plan(undefined, request), { response: { id }, output: [] })
  if (head === undefined) throw new Error("a response that ended well leaves a head")
  const items = ResponseRequest.items(request)
  return {
    head,
    inputBytes: 1,
    otherBytes: 0,
    place: { connection: { identity: "" }, lane: {} },
    fingerprint: Fingerprint.extend(Fingerprint.empty, items),
    root: Fingerprint.root(items),
    name: undefined,
    isContinuation: false,
    at: 0,
    ...fields
  }
}
