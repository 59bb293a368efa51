/** Servers that repeat the key that they were sent, in every place where a server says something. */
import * as Hostile from "./hostile.ts"
import type { Transport } from "./secrets.ts"

export const json = JSON.stringify

export const created = (id: string, more: object = {}) => ({
  type: "response.created",
  response: { id, output: [], ...more }
})
export const completed = (id: string, more: object = {}) => ({
  type: "response.completed",
  response: { id, output: [], ...more }
})

/** One after the other is where the key is. */
const padding = (from: number, to: number, step = 1) =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => "x".repeat(from + index * step))

/** Every place in which servers report something, and names of fields too. */
const everywhere = (key: string) => ({
  message: `Incorrect API key provided: ${key}. You can find it at https://example.test/?key=${
    encodeURIComponent(key)
  }`,
  code: key,
  type: key,
  param: key,
  request_id: key,
  status: key,
  headers: { "x-request-id": key, "retry-after": key, [key]: key },
  [key]: { [key]: [key] }
})

const failureFrames = (key: string): ReadonlyArray<object> => {
  const details = everywhere(key)
  return [
    { type: "error", error: details },
    { ...details, type: "error" },
    { error: details },
    { type: "error", status: 401, error: { message: `Bearer ${key}`, code: "invalid_api_key" } },
    { type: "error", status: 500, error: { message: key.slice(0, 19), code: key.slice(-19) } },
    { type: "error", error: { ...details, code: "websocket_connection_limit_reached" } },
    { type: "error", error: { ...details, code: "previous_response_not_found" } },
    { type: "error", message: `Response with id ${key} not found` },
    { type: "response.failed", response: { id: key, model: key, status: "failed", error: details, output: [key] } },
    { type: "response.failed", response: { id: "r", error: { code: "server_error", message: key } } }
  ]
}

/** By few, as a client takes 16 KiB of them. */
const errorHeaders = (key: string): ReadonlyArray<Readonly<Record<string, string>>> => [
  { "x-request-id": key, "retry-after": key, location: `https://example.test/${key}?key=${key}` },
  { "retry-after-ms": key, date: key, "set-cookie": key },
  {
    "x-request-id": `${key}, ${key.slice(3)}`,
    "www-authenticate": `Bearer ${key}`,
    [key.replaceAll(/[^a-z0-9]/gi, "x")]: key
  }
]

const pages = (key: string): ReadonlyArray<string> => [
  `<html><h1>401</h1><p>${key}</p></html>`,
  `<a href="/login?key=${encodeURIComponent(key)}">${key.replaceAll("/", "&#x2F;")}</a>`,
  key,
  key.slice(3),
  `${key.slice(0, -3)}...`,
  `not JSON {"key":"${key.replaceAll("/", "\\/")}`
]

/** Around the 200 characters that are shown, and the end of a body that is read to 64 KiB. */
const cutPages = (key: string): ReadonlyArray<string> => [
  ...padding(170, 204, 5).map((before) => before + key),
  ...padding(64 * 1024 - 24, 64 * 1024 + 2, 5).map((before) => before + key)
]

const malformed = (key: string): ReadonlyArray<string> => [
  ...pages(key),
  ...padding(160, 202, 5).map((before) => before + key),
  ...padding(1970, 2003, 3).map((before) => `not JSON ${before}${key}`),
  `[${json(key)}]`,
  json({ type: "response.created", response: key }),
  json({ [key]: key }),
  `{"type":"${key}","response":{"id":"r"`,
  `{"type":${json(key)},"response":${"[".repeat(20_000)}${"]".repeat(20_000)}}`
]

/** Refusals with the key in all that they have. */
const refusals = (key: string): ReadonlyArray<string> =>
  [...statuses, ...redirects].flatMap((status, index) =>
    errorHeaders(key).filter((_, which) => which === index % 3 || status.startsWith("401")).map((headers) =>
      Hostile.http(`${status} ${key}`, headers, json({ error: everywhere(key) }))
    )
  )

const statuses = ["400 Bad", "401 No", "403 No", "404 No", "426 No", "429 No", "500 No", "503 No"]
const redirects = ["301 Moved", "302 Found", "307 Moved"]

export const noHttp = (key: string): ReadonlyArray<string> => [
  `Bearer ${key}\r\n\r\n`,
  `HTTP/1.1 2${key}\r\n\r\n`,
  `HTTP/1.1 401 No\r\nx-key: ${key}\0\r\n\r\n`,
  `HTTP/1.1 401 No\r\n${key} ${key}: ${key}\r\n\r\n`,
  `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n${key}\r\n`,
  `HTTP/1.1 200 OK\r\ncontent-length: ${key}\r\n\r\n${key}`,
  // Cut off in the middle.
  `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\ndata: ${json(created(key))}\n\n`,
  `HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9999\r\n\r\n${key}`,
  `HTTP/1.1 403 No\r\ncontent-length: 9999\r\n\r\n${key}`
]

/** What a server chooses that is not a failure, in the places that get onto a span. */
const chosen = (key: string) => ({
  model: key,
  status: key,
  incomplete_details: { reason: key },
  usage: { input_tokens: key, output_tokens: key }
})

interface Group {
  readonly name: string
  readonly transport: Transport
  readonly answers: (key: string) => ReadonlyArray<Hostile.Answers>
  readonly turns?: number
  readonly succeeds?: true
}

const each = <A>(values: ReadonlyArray<A>, toAnswers: (value: A) => Hostile.Answers) => values.map(toAnswers)

export const groups: ReadonlyArray<Group> = [
  {
    name: "the status, headers and body of a refused upgrade",
    transport: "socket",
    answers: (key) => each(refusals(key), (upgrade) => ({ upgrade }))
  },
  {
    name: "the page of a refused upgrade, wherever it is cut",
    transport: "socket",
    answers: (key) => each([...pages(key), ...cutPages(key)], (page) => ({ upgrade: Hostile.http("403 No", {}, page) }))
  },
  {
    name: "the refusal that makes HTTP serve, which is refused too",
    transport: "both",
    answers: (key) => each(refusals(key).slice(-6), (answer) => ({ upgrade: answer, post: answer }))
  },
  {
    name: "an answer to the upgrade that is no HTTP",
    transport: "socket",
    answers: (key) => each(noHttp(key), (upgrade) => ({ upgrade }))
  },
  {
    name: "an upgrade with headers that a client must refuse",
    transport: "socket",
    answers: (key) =>
      each(["sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-accept"], (name) => ({
        accept: { [name]: key.replaceAll("/", "x") }
      }))
  },
  {
    name: "the reason of a close, wherever it is cut",
    transport: "socket",
    answers: (key) =>
      each(padding(0, 112, 4), (before) => ({
        close: { code: 1000 + [0, 8, 9, 11][before.length % 3]!, reason: (before + key).slice(0, 123) }
      }))
  },
  {
    name: "an error frame, in every field and name",
    transport: "socket",
    answers: (key) => [
      ...each(failureFrames(key), (frame) => ({ turns: [[json(frame)]] })),
      ...each(failureFrames(key), (frame) => ({ turns: [[json(created(key, chosen(key))), json(frame)]] }))
    ]
  },
  {
    name: "a frame that is no event, wherever it is cut",
    transport: "socket",
    answers: (key) => each(malformed(key), (frame) => ({ turns: [[frame]] }))
  },
  {
    name: "a binary frame, and bytes that are no frame",
    transport: "socket",
    answers: (key) => [{ turns: [[Buffer.from(key)]] }, { garbage: key }]
  },
  {
    name: "the id, the model and the status of a response, which is continued",
    transport: "socket",
    turns: 2,
    answers: (key) => {
      const first = [json(created(key)), json(completed(key, { status: "completed", model: key }))]
      const forgotten = json({ type: "error", status: 400, error: { code: "previous_response_not_found" } })
      return [
        { turns: [first, [forgotten], [json(created("r")), json(completed("r"))]] },
        { turns: [first, [json({ type: "error", error: everywhere(key) })]] },
        { turns: [[json(created(key)), json(completed(key, chosen(key)))]] }
      ]
    }
  },
  {
    name: "a frame on a connection that nobody uses",
    transport: "socket",
    turns: 2,
    answers: (key) =>
      each(failureFrames(key), (frame) => ({
        turns: [[json(created("r")), json(completed("r")), json(frame)], [json(created("s")), json(completed("s"))]]
      }))
  },
  {
    name: "an answer over HTTP with a status that says no",
    transport: "http",
    answers: (key) => [
      ...each(refusals(key), (post) => ({ post })),
      ...each([...pages(key), ...cutPages(key)], (page) => ({ post: Hostile.http("403 No", {}, page) }))
    ]
  },
  {
    name: "an answer over HTTP that is no HTTP",
    transport: "http",
    answers: (key) => each(noHttp(key), (post) => ({ post }))
  },
  {
    name: "an answer over HTTP that has no events",
    transport: "http",
    answers: (key) => [
      ...each(["text/html", "application/json", key, `text/${key}`], (type) => ({
        post: Hostile.http("200 OK", { "content-type": type }, `<p>${key}</p>`)
      })),
      ...each(cutPages(key), (page) => ({ post: Hostile.http("200 OK", { "content-type": "text/html" }, page) }))
    ]
  },
  {
    name: "events over HTTP",
    transport: "http",
    answers: (key) => [
      ...each(failureFrames(key), (frame) => ({ post: Hostile.sse(json(frame)) })),
      ...each(failureFrames(key), (frame) => ({ post: Hostile.sse(json(created(key)), json(frame)) })),
      ...each(malformed(key), (frame) => ({ post: Hostile.sse(frame) }))
    ]
  },
  {
    name: "a response over HTTP that is well",
    transport: "http",
    succeeds: true,
    answers: (key) =>
      each(errorHeaders(key), (headers) => ({
        post: Hostile.http(
          "200 OK",
          { ...headers, "content-type": "text/event-stream" },
          [created(key, chosen(key)), completed(key, chosen(key))].map((event) => `data: ${json(event)}\n\n`).join("")
        )
      }))
  },
  {
    name: "a response over HTTP after a refused upgrade",
    transport: "both",
    succeeds: true,
    answers: (key) => [
      {
        upgrade: Hostile.http(`503 ${key}`, errorHeaders(key)[0], json({ error: everywhere(key) })),
        post: Hostile.sse(json(created(key, chosen(key))), json(completed(key, chosen(key))))
      }
    ]
  }
]
