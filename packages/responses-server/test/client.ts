/** A raw client on `ws` and `fetch`: it knows nothing of the library's. */
import { Data, Deferred, Effect, Queue } from "effect"
import type { ResponseItem } from "effect-responses"
import { WebSocket } from "ws"
import { problem } from "./support/judge.ts"

export interface Item {
  readonly type: string
  readonly call_id: string
  readonly arguments: string
  readonly content: ReadonlyArray<{ readonly text: string }>
}

export interface Response {
  readonly id: string
  readonly object: string
  readonly status: string
  readonly previous_response_id: string | null
  readonly output: ReadonlyArray<Item>
  readonly metadata: Readonly<Record<string, string>>
}

export interface WireError {
  readonly type: string
  readonly code: string | null
  readonly message: string
  readonly param: string | null
}

/** What a frame may have; a test that reads a field says that it is there. */
export interface Frame {
  readonly type: string
  readonly sequence_number: number
  readonly stream_id: string
  readonly status: number
  readonly delta: string
  readonly error: WireError
  readonly response: Response
}

export class Refused extends Data.TaggedError("Refused")<{
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}> {}

export const connect = Effect.fnUntraced(function*(url: string, headers: Record<string, string> = {}) {
  const frames = yield* Queue.unbounded<Frame | Error>()
  const closed = yield* Deferred.make<{ readonly code: number; readonly reason: string }>()
  const ws = yield* Effect.acquireRelease(
    Effect.async<WebSocket, Refused>((resume) => {
      const ws = new WebSocket(`${url.replace(/^http/, "ws")}/responses`, { headers, perMessageDeflate: false })
      ws.on("message", (data: Buffer) => frames.unsafeOffer(judged(data.toString("utf8"))))
      ws.on("close", (code, reason) => Deferred.unsafeDone(closed, Effect.succeed({ code, reason: String(reason) })))
      ws.on("error", () => {})
      ws.on("open", () => resume(Effect.succeed(ws)))
      ws.on("unexpected-response", (request, response) => {
        let body = ""
        response.on("data", (data) => (body += String(data)))
        response.on("end", () => {
          request.destroy()
          resume(new Refused({ status: response.statusCode ?? 0, headers: response.headers, body }))
        })
      })
    }),
    (ws) => Effect.sync(() => ws.terminate())
  )
  const send = (message: object | string | Uint8Array) =>
    Effect.sync(() =>
      ws.send(typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message))
    )
  const next = Effect.flatMap(
    Queue.take(frames),
    (frame) => frame instanceof Error ? Effect.die(frame) : Effect.succeed(frame)
  )
  /** Up to the frame that ends a response. */
  const rest = Effect.gen(function*() {
    const all: Array<Frame> = []
    for (;;) {
      const frame = yield* next
      all.push(frame)
      if (isTerminal(frame)) return all
    }
  })
  const turn = (body: object) => Effect.zipRight(send({ type: "response.create", model: "test", ...body }), rest)
  return { ws, send, next, rest, turn, closed: Deferred.await(closed) }
})

/** A published event that is not valid fails the test that reads it. */
const judged = (text: string): Frame | Error => {
  const frame: Frame = JSON.parse(text)
  const found = problem(frame)
  return found === undefined ? frame : new Error(`${text.slice(0, 300)}\n${found}`)
}

const valid = (text: string): Frame => {
  const frame = judged(text)
  if (frame instanceof Error) throw frame
  return frame
}

const isTerminal = ({ type }: Frame) =>
  type === undefined || ["response.completed", "response.incomplete", "response.failed", "error"].includes(type)

export const end = (frames: ReadonlyArray<Frame>): Frame => {
  const last = frames.at(-1)
  if (last === undefined) throw new Error("There are no frames")
  return last
}

export const response = (frames: ReadonlyArray<Frame>) => end(frames).response

export const json = <A = { readonly error: WireError }>(answer: globalThis.Response): Effect.Effect<A> =>
  Effect.promise(() => answer.json())

export const text = (frames: ReadonlyArray<Frame>): string =>
  frames.flatMap((frame) => frame.type === "response.output_text.delta" ? [frame.delta] : []).join("")

export const post = (url: string, body: object | string, headers: Record<string, string> = {}) =>
  Effect.promise((signal) =>
    fetch(`${url}/responses`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify({ model: "test", ...body }),
      signal
    })
  )

export const parseSse = (body: string) =>
  body.split("\n\n").filter((message) => message !== "").map((message) => {
    const field = (name: string) =>
      message.split("\n").filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
        .join("\n")
    return { event: field("event"), data: field("data") }
  })

/** A streamed turn over HTTP. */
export const stream = (url: string, body: object) =>
  post(url, { ...body, stream: true }).pipe(
    Effect.flatMap((answer) => Effect.promise(() => answer.text())),
    Effect.map((body) => parseSse(body).map(({ data }) => valid(data)))
  )

export const output = (callId: string, output: string): ResponseItem.FunctionCallOutput => ({
  type: "function_call_output",
  call_id: callId,
  output
})

export const weather = {
  type: "function",
  name: "get_weather",
  parameters: {
    type: "object",
    properties: { city: { type: "string", enum: ["Oslo", "Rome"] }, days: { type: "integer", minimum: 1 } },
    required: ["city", "days"]
  }
}
