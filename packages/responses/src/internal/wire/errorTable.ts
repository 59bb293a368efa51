/**
 * What servers say of a failure, and whether the same request can succeed later. One table for `error` frames,
 * `response.failed`, HTTP answers and refused upgrades.
 */

/**
 * - `passing`: the same request can succeed later.
 * - `spent`: a quota or budget is used up. The same request succeeds only after somebody paid, or after the period ends.
 * - `final`: the same request fails again.
 */
export type Verdict = "passing" | "spent" | "final"

/** The verdict, and the status that the name or the words stand for where the server gives none. */
type Row = readonly [verdict: Verdict, status?: number]

type Rows = Readonly<Record<string, Row>>

/** Codes and types by their source. Upper case, underscores and blanks make no difference: see `keyOf`. */
export const names: Readonly<Record<string, Rows>> = {
  "OpenAI, guide to error codes": {
    rate_limit_exceeded: ["passing", 429],
    rate_limit_error: ["passing", 429],
    slow_down: ["passing", 429],
    server_error: ["passing", 500],
    server_is_overloaded: ["passing", 503],
    service_unavailable: ["passing", 503],
    service_unavailable_error: ["passing", 503],
    insufficient_quota: ["spent", 429],
    credit_balance_exhausted: ["spent", 429],
    organization_spend_limit_exceeded: ["spent", 429],
    organization_usage_limit_exceeded: ["spent", 429],
    project_spend_limit_exceeded: ["spent", 429],
    invalid_request_error: ["final", 400],
    authentication_error: ["final", 401],
    invalid_api_key: ["final", 401],
    permission_error: ["final", 403],
    not_found_error: ["final", 404]
  },
  "openai-node 7.57, ResponseError.code and SessionTurnError.code": {
    vector_store_timeout: ["passing"],
    flex_unavailable: ["passing", 429],
    server_overloaded: ["passing", 503],
    request_timeout: ["passing", 408],
    connection_failed: ["passing"],
    internal_error: ["passing", 500],
    usage_limit_exceeded: ["spent", 429],
    session_budget_exceeded: ["spent"],
    context_length_exceeded: ["final", 400],
    invalid_prompt: ["final"],
    invalid_request: ["final", 400],
    resource_not_found: ["final", 404],
    bio_policy: ["final"],
    cyber_policy: ["final"],
    misalignment_policy_violation: ["final"],
    image_content_policy_violation: ["final"]
  },
  "OpenAI, guide to WebSocket mode": {
    websocket_stream_limit_reached: ["final", 400],
    invalid_stream_id: ["final", 400]
  },
  "OpenAI, paulgmiller/careme#379": { conversation_locked: ["passing", 400] },
  "ChatGPT backend, earendil-works/pi#4172": { usage_limit_reached: ["spent", 429] },
  "ChatGPT backend, openai/codex, api_bridge": { usage_not_included: ["spent", 429] },
  "Azure OpenAI, openai/openai-python#2699": { too_many_requests: ["passing", 429] },
  "Azure OpenAI, pollinations/pollinations#6260": { RATE_LIMITED: ["passing", 429] },
  "Azure OpenAI, error codes of the service": {
    Timeout: ["passing", 408],
    InternalServerError: ["passing", 500],
    content_filter: ["final", 400],
    DeploymentNotFound: ["final", 404]
  },
  // xAI gives the descriptions of gRPC's codes, as in griptape-ai/griptape-nodes-engine#1079; gateways to Google their names.
  "gRPC status codes": {
    "Some resource has been exhausted": ["passing", 429],
    RESOURCE_EXHAUSTED: ["passing", 429],
    "The service is currently unavailable": ["passing", 503],
    UNAVAILABLE: ["passing", 503],
    "Deadline expired before operation could complete": ["passing", 504],
    DEADLINE_EXCEEDED: ["passing", 504],
    "Client specified an invalid argument": ["final", 400],
    INVALID_ARGUMENT: ["final", 400],
    "The request does not have valid authentication credentials": ["final", 401],
    UNAUTHENTICATED: ["final", 401],
    "The caller does not have permission to execute the specified operation": ["final", 403],
    PERMISSION_DENIED: ["final", 403]
  },
  // Not `api_error`: xAI gives it to a previous response that is not found.
  "Anthropic, errors (gateways)": {
    overloaded: ["passing", 503],
    overloaded_error: ["passing", 503],
    timeout_error: ["passing", 504]
  },
  "LiteLLM, error reference": {
    throttling_error: ["passing", 429],
    BadGatewayError: ["passing", 502],
    APIConnectionError: ["passing"],
    budget_exceeded: ["spent", 429]
  },
  "vLLM, api_server": { BadRequestError: ["final", 400] },
  "OpenRouter, errors and debugging": {
    provider_overloaded: ["passing", 503],
    payment_required: ["spent", 402]
  },
  "screenpipe/screenpipe#4594 (gateways)": {
    credits_exhausted: ["spent", 429],
    daily_cost_limit_exceeded: ["spent", 429]
  },
  "Amazon Bedrock, InvokeModel": {
    ThrottlingException: ["passing", 429],
    ModelNotReadyException: ["passing", 429],
    ModelTimeoutException: ["passing", 408],
    InternalServerException: ["passing", 500],
    ServiceUnavailableException: ["passing", 503],
    ServiceQuotaExceededException: ["spent", 400],
    ValidationException: ["final", 400],
    AccessDeniedException: ["final", 403]
  },
  "gateways to WebSocket mode, for a second request on a busy connection": { response_already_in_flight: ["passing"] }
}

/** `billing_hard_limit_reached`, `billing_not_active` and the like. Only a spent quota may have names that nobody knows yet. */
const billing: Row = ["spent", 429]

interface Words {
  readonly words: RegExp
  readonly row: Row
  readonly source: string
}

/** What is said where names and status decide nothing; a spent quota counts whatever they say. The first that fits decides. */
export const words: ReadonlyArray<Words> = [
  { words: /\bexceeded your current quota\b/i, row: ["spent", 429], source: "OpenAI, guide to error codes" },
  { words: /\bbilling hard limit\b/i, row: ["spent", 429], source: "OpenAI, billing_hard_limit_reached" },
  { words: /\busage limit has been reached\b/i, row: ["spent", 429], source: "earendil-works/pi#4172" },
  { words: /\bhit your usage limit\b/i, row: ["spent", 429], source: "openai/codex, UsageLimitReachedError" },
  {
    words: /\b(?:used all available credits|reached its monthly spending limit)\b/i,
    row: ["spent", 429],
    source: "xAI, continuedev/continue#10373"
  },
  { words: /\bdoesn't have any credits\b/i, row: ["spent", 403], source: "xAI, continuedev/continue#12670" },
  { words: /\brun out of credits\b/i, row: ["spent", 403], source: "xAI, Wei-Shaw/sub2api#4069" },
  { words: /\brequires more credits\b/i, row: ["spent", 402], source: "OpenRouter, can1357/oh-my-pi#9569" },
  {
    words: /\binsufficient (?:credits?|balance|quota)\b/i,
    row: ["spent", 402],
    source: "OpenRouter, errors; DeepSeek, error codes"
  },
  { words: /\bcredit balance is too low\b/i, row: ["spent", 402], source: "Anthropic (gateways)" },
  {
    words: /\boverloaded\b/i,
    row: ["passing", 503],
    source: "openai/openai-agents-python#3991, lsdefine/GenericAgent#753"
  },
  { words: /\brate[ _-]?limit/i, row: ["passing", 429], source: "Azure OpenAI, openai/openai-python#2699" },
  { words: /\btoo many requests\b/i, row: ["passing", 429], source: "RFC 6585; enricoros/big-AGI#1210" },
  { words: /\bhigh demand\b/i, row: ["passing", 429], source: "Azure OpenAI, pollinations/pollinations#6260" },
  { words: /\bretry your request\b/i, row: ["passing", 500], source: "openai/openai-agents-python#3991" },
  { words: /\binternal server error\b/i, row: ["passing", 500], source: "RFC 9110" },
  { words: /\b(?:service|temporarily|currently) unavailable\b/i, row: ["passing", 503], source: "RFC 9110" },
  { words: /\b(?:try again|retry) (?:later|in|after)\b/i, row: ["passing"], source: "openai/codex#2266" }
]

/** Statuses below 500; RFC 9110, and openai-node for what it repeats (408, 409, 429). Those that are missing decide nothing. */
const statuses: Readonly<Record<number, Verdict>> = {
  400: "final",
  401: "final",
  402: "spent",
  403: "final",
  404: "final",
  405: "final",
  408: "passing",
  409: "passing",
  410: "final",
  413: "final",
  415: "final",
  422: "final",
  425: "passing",
  426: "final",
  429: "passing",
  501: "final",
  505: "final"
}

/** Time ran out, or something behind the server failed: with these the request may have run. */
const mayHaveRun: ReadonlySet<number> = new Set([408, 424, 499])

/** Whether the status says that the request was not run: it was refused. */
const isRefusal = (status: number): boolean => status < 500 && !mayHaveRun.has(status)

/** Bytes, clocks and codes of other kinds are numbers too. */
export const isStatus = (value: number): boolean => Number.isInteger(value) && value >= 400 && value <= 599

const ofStatus = (status: number | undefined): Verdict | undefined =>
  status === undefined ? undefined : statuses[status] ?? (status >= 500 ? "passing" : undefined)

/** No name is longer; what is longer is text. */
const maxName = 100

/** `RateLimitError`, `rate_limit_error` and AWS's `com.amazon#RateLimitError` are one name. */
const keyOf = (name: string): string => name.replace(/^.*#/, "").replace(/[^a-z0-9]/gi, "").toLowerCase()

const rows: ReadonlyMap<string, Row> = new Map(
  Object.values(names).flatMap((rows) => Object.entries(rows).map(([name, row]) => [keyOf(name), row] as const))
)

const rowOf = (name: string | undefined): Row | undefined => {
  if (name === undefined || name.length > maxName) return undefined
  const key = keyOf(name)
  return rows.get(key) ?? (key.startsWith("billing") ? billing : undefined)
}

/** As much of a text as is searched: a reason is at its beginning, and a regular expression must not run over megabytes. */
export const maxText = 4000

export interface Signs {
  /** The code before the type, as it says more. */
  readonly names: ReadonlyArray<string | undefined>
  /** From 400 to 599, as the server gave it. */
  readonly status: number | undefined
  /** What the server says in words. */
  readonly text: string | undefined
  /** The header `x-should-retry`. */
  readonly shouldRetry?: boolean | undefined
}

export interface Judgement {
  readonly verdict: Verdict
  /** As given; otherwise what the names, or else the words, stand for. */
  readonly status: number | undefined
  /** The status, given or named, says that the request was not run. Words alone do not. */
  readonly isRefusal: boolean
}

export const judge = ({ names, shouldRetry, status, text }: Signs): Judgement => {
  const named = names.map(rowOf).filter((row) => row !== undefined)
  const beginning = text?.slice(0, maxText) ?? ""
  const [saidVerdict, saidStatus] = words.find(({ words }) => words.test(beginning))?.row ?? []
  const isSpent = saidVerdict === "spent" || named.some(([verdict]) => verdict === "spent")
  const known = status ?? named.find((row) => row[1] !== undefined)?.[1]
  const verdict = isSpent ? "spent" : named[0]?.[0] ?? ofStatus(status) ?? saidVerdict ?? "final"
  return {
    verdict: shouldRetry === true ? "passing" : shouldRetry === false && !isSpent ? "final" : verdict,
    status: known ?? (named.length === 0 ? saidStatus : undefined),
    isRefusal: known !== undefined && isRefusal(known)
  }
}
