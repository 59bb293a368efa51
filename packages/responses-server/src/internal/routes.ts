/** The HTTP side of a server, but for the upgrade: who may ask for what, and where. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { Buffer } from "node:buffer"
import { type Core, type Json, keyProblem, received, recordable, refused } from "./core.ts"
import * as Http from "./http.ts"
import { errorBody, notFound, notJson, type Problem, tooLarge } from "./problems.ts"
import * as Resources from "./resources.ts"

type Request = HttpServerRequest.HttpServerRequest

const answerTo = (core: Core, request: Request, problem: Problem) =>
  Effect.sync(() => {
    refused(core, problem, { transport: "http", what: `${request.method} ${request.url}` })
    return HttpServerResponse.unsafeJson(errorBody(problem), { status: problem.status })
  })

/** A body that is too large is left in the connection, which is of no use then. */
const withoutRest = HttpServerResponse.setHeader("connection", "close")

/** Stops reading at the limit, and leaves the connection open for the answer. */
const read = (request: Request, limit: number) =>
  Effect.async<Buffer, Problem>((resume) => {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    const pieces: Array<Buffer> = []
    let size = 0
    incoming.on("data", (piece: Buffer) => {
      size += piece.length
      if (size <= limit) pieces.push(piece)
      else resume(Effect.fail(tooLarge))
    })
    incoming.on("end", () => resume(Effect.succeed(Buffer.concat(pieces))))
  })

const body = Effect.fnUntraced(function*(core: Core, request: Request) {
  const data = yield* read(request, core.limits.frame)
  const text = data.toString()
  const value = Either.getOrElse(Either.try(() => JSON.parse(text) as unknown), () => undefined)
  if (!Predicate.isRecord(value)) return yield* Effect.fail(notJson)
  return { value, bytes: data.length }
})

const withBody = <R>(
  core: Core,
  f: (request: Request, value: Json) => Effect.Effect<HttpServerResponse.HttpServerResponse, Problem, R>
) =>
  Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    (request) =>
      Effect.flatMap(body(core, request), ({ bytes, value }) => {
        received(core, { body: value, transport: "http", bytes, headers: recordable(request.headers) })
        return f(request, value)
      }).pipe(
        Effect.catchAll((problem) => {
          const answered = answerTo(core, request, problem)
          return problem === tooLarge ? Effect.map(answered, withoutRest) : answered
        })
      )
  )

const withId = (
  core: Core,
  f: (id: string, query: URLSearchParams, item: string) => Either.Either<object, Problem>
) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { id = "", item = "" } = yield* HttpRouter.params
    const { searchParams } = new URL(request.url, "http://localhost")
    return yield* Either.match(f(id, searchParams, item), {
      onLeft: (problem) => answerTo(core, request, problem),
      onRight: (value) => Effect.succeed(HttpServerResponse.unsafeJson(value))
    })
  })

/** A body for the thing that the path names. */
const withIdAndBody = (core: Core, f: (id: string, value: Json) => Either.Either<object, Problem>) =>
  withBody(core, (_, value) => json(Effect.flatMap(HttpRouter.params, ({ id = "" }) => f(id, value))))

const json = <R>(made: Effect.Effect<object, Problem, R>) =>
  Effect.map(made, (value) => HttpServerResponse.unsafeJson(value))

export const app = (core: Core) => {
  const resources = Resources.make(core)
  return HttpRouter.empty.pipe(
    HttpRouter.post("/v1/responses", withBody(core, (request, value) => Http.answer(core, request, value))),
    HttpRouter.post("/v1/responses/compact", withBody(core, (_, value) => json(resources.compact(value)))),
    HttpRouter.post("/v1/responses/input_tokens", withBody(core, (_, value) => json(resources.inputTokens(value)))),
    HttpRouter.get("/v1/responses/:id", withId(core, resources.retrieve)),
    HttpRouter.del("/v1/responses/:id", withId(core, resources.remove)),
    HttpRouter.get("/v1/responses/:id/input_items", withId(core, resources.inputItems)),
    HttpRouter.post("/v1/conversations", withBody(core, (_, value) => json(resources.createConversation(value)))),
    HttpRouter.get("/v1/conversations/:id", withId(core, resources.conversation)),
    HttpRouter.post("/v1/conversations/:id", withIdAndBody(core, resources.updateConversation)),
    HttpRouter.del("/v1/conversations/:id", withId(core, resources.removeConversation)),
    HttpRouter.get("/v1/conversations/:id/items", withId(core, resources.conversationItems)),
    HttpRouter.post("/v1/conversations/:id/items", withIdAndBody(core, resources.addItems)),
    HttpRouter.get(
      "/v1/conversations/:id/items/:item",
      withId(core, (id, _, item) => resources.conversationItem(id, item))
    ),
    HttpRouter.del("/v1/conversations/:id/items/:item", withId(core, (id, _, item) => resources.removeItem(id, item))),
    HttpRouter.all(
      "*",
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => answerTo(core, request, notFound))
    ),
    HttpRouter.use((app) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const problem = keyProblem(core, request.headers)
        return problem === undefined ? app : answerTo(core, request, problem)
      })
    ),
    Effect.map((response) => HttpServerResponse.setHeader(response, "x-request-id", core.nextRequestId()))
  )
}
