import { Effect } from "effect"
import { type ResponseItem, type ResponseRequest, Responses } from "effect-responses"

/** Continues from a response of its own choice, and sends everything where the server has forgotten it. */
export const continueFrom = (
  previous_response_id: string,
  history: ReadonlyArray<ResponseItem.ResponseItem>,
  next: ResponseItem.ResponseItem
) => {
  const settings: ResponseRequest.ResponseRequest = { model: "gpt-5.5", store: true }
  return Responses.create({ ...settings, previous_response_id, input: [next] }).pipe(
    Effect.catchTag("PreviousResponseNotFound", () => Responses.create({ ...settings, input: [...history, next] })),
    // Overload, rate limits and passing faults of a connection. What may have run is not asked for again.
    Responses.retry({ times: 5 })
  )
}
