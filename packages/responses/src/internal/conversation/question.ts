/** One request of a conversation: what it says, and what the history is to keep of its response. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { type ConversationEvent, isConversationEvent } from "../../ConversationEvent.ts"
import type { Entry } from "../../ConversationJournal.ts"
import type { Options } from "../../ConversationOptions.ts"
import type { ResponseEvent } from "../../ResponseEvent.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import type { ResponseRequest } from "../../ResponseRequest.ts"
import * as Responses from "../../Responses.ts"
import type { InvalidRequest, ResponsesError } from "../../ResponsesError.ts"
import * as ResponseTool from "../../ResponseTool.ts"
import * as Caller from "../effect/caller.ts"
import * as AsyncCalls from "./asyncCalls.ts"
import * as Background from "./background.ts"
import type * as Calls from "./calls.ts"
import * as Kept from "./kept.ts"
import type { Ledger } from "./ledger.ts"
import * as StoredResponse from "./storedResponse.ts"
import type * as Turns from "./turns.ts"
import * as WholeAnswer from "./wholeAnswer.ts"

type Items = ReadonlyArray<ResponseItem>

/** Of the API, and of the conversation's own. */
export type Event = ResponseEvent | ConversationEvent

/** What a request is made of. */
export interface Asked {
  readonly history: Items
  /** Outputs of async tools that the model does not know. Default: all there are */
  readonly untold?: ReadonlyArray<Calls.CallOutput>
  readonly input: Items
}

/** What is to be written down of a response. */
export interface Said extends StoredResponse.Written {
  /** How many outputs of async tools the request has told. */
  readonly told: number | undefined
}

/** Told of each response when it has been written down. */
export type OnResponse = (response: Responses.FinalResponse) => void

export interface Question<E> {
  /** A tool that cannot be offered. */
  readonly check: Effect.Effect<unknown, InvalidRequest>
  /** The response is written down before its last event passes. */
  readonly ask: (
    asked: Asked,
    requestOptions: Responses.RequestOptions | undefined,
    toEntry: (said: Said) => Entry,
    onResponse: OnResponse
  ) => Stream.Stream<Event, ResponsesError | E>
  readonly warmUp: Effect.Effect<void, ResponsesError>
}

export const make = <Tools extends ReadonlyArray<ResponseTool.Any>, E>(
  options: Options<Tools>,
  ledger: Ledger<E>,
  context: Context.Context<Responses.Responses>,
  turns: Turns.Turns
): Question<E> => {
  const {
    concurrency: _concurrency,
    events = "all",
    history: _history,
    id: _id,
    maxRounds: _maxRounds,
    onOpen,
    onToolFailure: _onToolFailure,
    otherTools,
    retry = {},
    stopWhen: _stopWhen,
    tokenBudget: _tokenBudget,
    tools = [],
    trim: _trim,
    ...given
  } = options
  const definitions = ResponseTool.definitions(tools, otherTools ?? [])
  const settings: ResponseRequest = {
    ...given,
    ...(Either.isLeft(definitions) || definitions.right.length === 0 ? {} : { tools: definitions.right })
  }
  const stored = StoredResponse.make(settings)
  const toRequest = (input: Items): ResponseRequest =>
    stored.mark(Caller.mark({ ...settings, input }, turns), ledger.state().past)

  const isAsync = (call: Calls.Call): boolean => AsyncCalls.isAsync(call, tools, otherTools)

  return {
    check: definitions,
    ask: (
      { history, input, untold = Background.untold(ledger.state().background) },
      requestOptions,
      toEntry,
      onResponse
    ) => {
      const before = [...history, ...untold, ...input]
      return WholeAnswer.stream(toRequest(before), {
        onOpen,
        requestOptions: { ...requestOptions, retry: requestOptions?.retry ?? retry },
        onHandOver: turns.handOver,
        onEnd: (response, isComplete) => {
          const kept = Kept.make(response.output, { before, isAsync, isComplete, isStored: options.store !== false })
          const said: Said = {
            ...stored.written(response, kept),
            told: untold.length === 0 ? undefined : untold.length
          }
          return Effect.map(ledger.write(toEntry(said)), () => onResponse(response))
        }
      }).pipe(
        (asked) => events === "all" ? asked : Stream.filter(asked, (event) => !isConversationEvent(event)),
        Stream.provideContext(context)
      )
    },
    get warmUp() {
      return Effect.suspend(() =>
        Effect.asVoid(Effect.provide(Responses.warmUp(toRequest(ledger.state().history)), context))
      )
    }
  }
}
