/** The fields of a request that must be what they were, for the server's context to be continued from. */
import * as Predicate from "effect/Predicate"
import type { ResponseRequest } from "../../ResponseRequest.ts"
import * as CanonicalJson from "./canonicalJson.ts"

export type ChainFields = ReadonlyMap<string, CanonicalJson.Meaning>

/** `free`: its members that may change from turn to turn, where all others must be what they were. */
interface Members {
  readonly free: ReadonlySet<string>
}

/**
 * Whether a field must be what it was in the request before (`chain`), or may change from turn to turn (`free`). A field
 * that is not listed, as another vendor's may be, must be what it was.
 */
const fieldKinds: { readonly [F in keyof Required<ResponseRequest>]: "chain" | "free" | Members } = {
  access_programs: "chain",
  background: "free",
  background_options: "free",
  context_management: "chain",
  conversation: "chain",
  generate: "free",
  image: "chain",
  include: "chain",
  input: "free",
  instructions: "chain",
  max_output_tokens: "chain",
  max_tool_calls: "chain",
  metadata: "chain",
  model: "chain",
  moderation: "chain",
  parallel_tool_calls: "chain",
  previous_response_id: "free",
  prompt: "chain",
  prompt_cache_key: "chain",
  prompt_cache_options: { free: new Set(["comparison_response_id", "prewarm"]) },
  prompt_cache_retention: "chain",
  reasoning: "chain",
  safety_identifier: "chain",
  service_tier: "chain",
  store: "chain",
  stream: "free",
  stream_id: "free",
  stream_options: "free",
  temperature: "chain",
  text: "chain",
  tool_choice: "chain",
  tools: "chain",
  top_logprobs: "chain",
  top_p: "chain",
  truncation: "chain",
  user: "chain"
}

const kinds: ReadonlyMap<string, "chain" | "free" | Members> = new Map(Object.entries(fieldKinds))

/** What must be what it was: `undefined` if there is nothing. */
const chainPart = (name: string, value: unknown): unknown => {
  const kind = kinds.get(name)
  if (Predicate.isNullable(value) || kind === "free") return undefined
  if (kind === undefined || kind === "chain" || !Predicate.isRecord(value) || !CanonicalJson.isPlain(value)) {
    return value
  }
  const members = Object.entries(value).filter(([member, of]) => !kind.free.has(member) && Predicate.isNotNullable(of))
  return members.length === 0 ? undefined : Object.fromEntries(members)
}

/** What must be what it was, by name. */
export const given = (request: ResponseRequest): ReadonlyArray<readonly [name: string, value: unknown]> =>
  Object.entries(request)
    .map(([name, value]: [string, unknown]) => [name, chainPart(name, value)] as const)
    .filter(([, value]) => value !== undefined)

export const make = (request: ResponseRequest): ChainFields => {
  const draft = new CanonicalJson.Draft()
  return new Map(
    given(request).map(([name, value]) => {
      CanonicalJson.rewrite(draft, CanonicalJson.writeInOrder, value)
      return [name, draft.finish()]
    })
  )
}

/** The names of those that are not what they were, in alphabetical order. */
export const changed = (had: ChainFields, request: ResponseRequest): ReadonlyArray<string> => {
  const fields = given(request)
  const others = fields.filter(([name, value]) => {
    const meaning = had.get(name)
    return meaning === undefined || !CanonicalJson.isOf(meaning, value)
  })
  if (others.length === 0 && fields.length === had.size) return []
  const names = new Set(fields.map(([name]) => name))
  return [...others.map(([name]) => name), ...[...had.keys()].filter((name) => !names.has(name))].toSorted()
}
