/** Chats of any number of users at once, on one Layer: `POST /chats/:id` with a message streams the answer while it comes. */
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Layer, Option, RcMap, Schema, Stream } from "effect"
import { Conversation, type ResponsesError } from "effect-responses"

const Chat = Schema.Struct({ id: Schema.NonEmptyString })

/** A server-sent event. */
const frame = (event: "delta" | "end" | "error", data: string) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** What went wrong in detail is for the log. A turn that failed left no trace in the history: it may be asked again. */
const failure = (error: ResponsesError.ResponsesError) =>
  Effect.as(Effect.logError("An answer failed", error), frame("error", error._tag))

/** A user who leaves interrupts the stream. That gives up this response, and no other. */
const answer = (chat: Conversation.Conversation, message: string) =>
  chat.send(message).pipe(
    Stream.filterMap((event) =>
      event.type === "response.output_text.delta" ? Option.some(frame("delta", event.delta)) : Option.none()
    ),
    Stream.concat(Stream.succeed(frame("end", ""))),
    Stream.catchAll((error) => Stream.fromEffect(failure(error))),
    Stream.encodeText
  )

/** The Layer of `Responses` is the program's, not the request's: it outlives every chat. */
export const Backend = Effect.gen(function*() {
  const chats = yield* RcMap.make({
    lookup: (_id: string) => Conversation.make({ model: "gpt-5.5", instructions: "Be brief.", store: false }),
    idleTimeToLive: "30 minutes"
  })
  return HttpRouter.empty.pipe(
    HttpRouter.post(
      "/chats/:id",
      Effect.gen(function*() {
        const { id } = yield* HttpRouter.schemaPathParams(Chat)
        const { text } = yield* HttpServerRequest.HttpServerRequest
        const chat = yield* RcMap.get(chats, id)
        return HttpServerResponse.stream(answer(chat, yield* text), { contentType: "text/event-stream" })
      })
    ),
    HttpServer.serve()
  )
}).pipe(Layer.unwrapScoped)
