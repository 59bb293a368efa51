/** What is sent for a request. */
import * as Either from "effect/Either"
import * as ResponseRequest from "../../ResponseRequest.ts"
import { ConnectionError, type ResponsesError } from "../../ResponsesError.ts"
import * as Utf8 from "../wire/utf8.ts"

/** A `response.create` for a lane. Its size is checked before anything is dialled, and again when it is known what travels. */
export const frame = (
  request: ResponseRequest.ResponseRequest,
  streamId: string | undefined,
  maxFrameBytes: number
): Either.Either<string, ResponsesError> =>
  Either.filterOrLeft(
    ResponseRequest.toFrame({ ...request, stream_id: streamId }),
    (text) => !Utf8.isLongerThan(text, maxFrameBytes),
    () =>
      new ConnectionError({
        reason: "TooLarge",
        delivery: "unsent",
        description: `The request has more than the ${maxFrameBytes} bytes that the server takes in one message`
      })
  )
