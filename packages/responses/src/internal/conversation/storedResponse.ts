/** Which stored response a history goes on from. A Layer that has not seen the conversation is told so. */
import type { ResponseItem } from "../../ResponseItem.ts"
import type { ResponseRequest } from "../../ResponseRequest.ts"
import type { FinalResponse } from "../../Responses.ts"
import * as History from "../compare/history.ts"
import * as SettingsDigest from "../compare/settingsDigest.ts"
import * as Told from "../compare/told.ts"
import type * as Past from "./past.ts"

type Items = ReadonlyArray<ResponseItem>

export interface Written {
  readonly output: Items
  readonly response?: Past.Response
}

/** The history has all of the output, as it came: what was left out of it the server would have all the same. */
const isWhole = (output: Items, kept: Items): boolean =>
  output.length === kept.length && History.shared(History.make(output), kept).complete

export const make = (settings: ResponseRequest) => {
  let digest: { readonly of: string | undefined } | undefined
  const digestOf = (): string | undefined => (digest ??= { of: SettingsDigest.make(settings) }).of

  return {
    /** What is to be written down of a response. */
    written: ({ id, output }: Pick<FinalResponse, "id" | "output">, kept: Items): Written => {
      const digest = settings.store !== false && isWhole(output, kept) ? digestOf() : undefined
      return digest === undefined ? { output: kept } : { output: kept, response: { id, settings: digest } }
    },
    /** The request begins with the history of this past. */
    mark: (request: ResponseRequest, { stored }: Past.Past): ResponseRequest =>
      stored !== undefined && stored.settings === digestOf()
        ? Told.mark(request, { responseId: stored.id, items: stored.items })
        : request
  }
}
