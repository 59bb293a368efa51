/** The loop of a conversation: does what its state asks for, and writes down what comes of it. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { BudgetSpent, PendingRound, TooManyRounds } from "../../ConversationError.ts"
import {
  type ApprovalsPending,
  type ConversationEvent,
  type EndedRound,
  isConversationEvent,
  type RoundEnded
} from "../../ConversationEvent.ts"
import type { Entry } from "../../ConversationJournal.ts"
import type { Input, Options, RunOptions, RunRequirements } from "../../ConversationOptions.ts"
import type * as ResponseEvent from "../../ResponseEvent.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import type { ResponseRequest } from "../../ResponseRequest.ts"
import * as Responses from "../../Responses.ts"
import { InvalidRequest, type ResponsesError } from "../../ResponsesError.ts"
import * as ResponseTool from "../../ResponseTool.ts"
import * as Caller from "../effect/caller.ts"
import * as Answers from "./answers.ts"
import * as Approvals from "./approvals.ts"
import * as AsyncCalls from "./asyncCalls.ts"
import * as Background from "./background.ts"
import * as Beside from "./beside.ts"
import * as Calls from "./calls.ts"
import * as Exclusive from "./exclusive.ts"
import * as Growth from "./growth.ts"
import * as Given from "./input.ts"
import * as Kept from "./kept.ts"
import type { Ledger } from "./ledger.ts"
import * as Limits from "./limits.ts"
import * as Round from "./round.ts"
import * as StoredResponse from "./storedResponse.ts"
import * as Turns from "./turns.ts"
import * as WholeAnswer from "./wholeAnswer.ts"

type Items = ReadonlyArray<ResponseItem>

/** Told of each response when it has been written down. */
type OnResponse = (response: Responses.FinalResponse) => void

/** What a request is made of. */
interface Asked {
  readonly history: Items
  readonly untold: ReadonlyArray<Calls.CallOutput>
  readonly input: Items
}

interface Said extends StoredResponse.Written {
  /** How many outputs of async tools the request has told. */
  readonly told: number | undefined
}

type LoopError<E> = ResponsesError | ResponseTool.ToolFailed | TooManyRounds | BudgetSpent | E

type Event = ResponseEvent.ResponseEvent | ConversationEvent

type Loop<E, R, E2 = never> = Stream.Stream<Event, LoopError<E> | E2, R>

/** What an async tool needs has to live as long as the conversation, and not as the run that starts it. */
const inContext = <R>(tool: ResponseTool.Any, context: Context.Context<R>): ResponseTool.Any =>
  tool.async === true
    ? { ...tool, handle: (call, attempt) => Effect.provide(tool.handle(call, attempt), context) }
    : tool

const invalid = (description: string): InvalidRequest => new InvalidRequest({ field: "input", description })

export const make = <Tools extends ReadonlyArray<ResponseTool.Any>, E>(
  options: Options<Tools>,
  id: string,
  ledger: Ledger<E>,
  context: Context.Context<Responses.Responses>,
  home: Beside.Home
) => {
  const {
    concurrency,
    events = "all",
    history: _history,
    id: _id,
    maxRounds,
    onOpen,
    onToolFailure = "output",
    otherTools,
    retry = {},
    stopWhen = () => false,
    tokenBudget,
    tools: given,
    trim,
    ...settings
  } = options
  type R = RunRequirements<Tools[number]>
  const tools = (given ?? []).map((tool) => inContext(tool, context)) as ReadonlyArray<
    ResponseTool.ResponseTool<unknown, R, boolean>
  >
  const definitions = ResponseTool.definitions(tools, otherTools ?? [])
  const limits: Limits.Options = { maxRounds, tokenBudget }
  const turns = Turns.make()
  const beside = Beside.make(ledger, { id, tools, onToolFailure, home })
  const exclusive = Exclusive.make()
  const approvals = Approvals.make(ledger)
  /** Of the latest `run`. */
  let runOptions: Responses.RequestOptions | undefined

  const allSettings: ResponseRequest = {
    ...settings,
    ...(Either.isLeft(definitions) || definitions.right.length === 0 ? {} : { tools: definitions.right })
  }
  const stored = StoredResponse.make(allSettings)
  const toRequest = (input: Items): ResponseRequest =>
    stored.mark(Caller.mark({ ...allSettings, input }, turns), ledger.state().past)

  const handBack = Effect.sync(() => turns.handOver(false))

  /** The functions of the caller's that run meanwhile would wait for the turn for ever. */
  const handedOver = <A, E2, R2>(effect: Effect.Effect<A, E2, R2>) =>
    Effect.suspend(() => {
      turns.handOver(true)
      return effect
    }).pipe(Effect.ensuring(handBack))

  const trimmed = trim === undefined
    ? Effect.void
    : Effect.provide(handedOver(Growth.trim(ledger, trim)), context)

  const check = (input: Items): Effect.Effect<void, InvalidRequest> =>
    Effect.zipRight(
      definitions,
      Effect.suspend(() => {
        const problem = Given.problemOf([...Round.items(ledger.state()), ...input], input, beside.isTaken)
        return problem === undefined ? Effect.void : Effect.fail(invalid(problem))
      })
    )

  /** Outputs of async tools that the next request tells. */
  const untold = () => Background.untold(ledger.state().background)

  const isAsync = (call: Calls.Call): boolean => AsyncCalls.isAsync(call, tools, otherTools)

  /** One response; what the history is to keep of it is written down before the last event passes. */
  const ask = (
    { history, input, untold }: Asked,
    requestOptions: Responses.RequestOptions | undefined,
    toEntry: (said: Said) => Entry,
    onResponse: OnResponse
  ): Stream.Stream<Event, ResponsesError | E> => {
    const before = [...history, ...untold, ...input]
    return WholeAnswer.stream(toRequest(before), {
      onOpen,
      requestOptions: { ...requestOptions, retry: requestOptions?.retry ?? retry },
      onHandOver: turns.handOver,
      onEnd: (response, isComplete) => {
        const kept = Kept.make(response.output, { before, isAsync, isComplete, isStored: options.store !== false })
        const said: Said = { ...stored.written(response, kept), told: untold.length === 0 ? undefined : untold.length }
        return Effect.map(ledger.write(toEntry(said)), () => onResponse(response))
      }
    }).pipe(
      (asked) => events === "all" ? asked : Stream.filter(asked, (event) => !isConversationEvent(event)),
      Stream.provideContext(context)
    )
  }

  /** Events of the library's own. What happens meanwhile happens as well for a reader who does not want them. */
  const own = <E2, R2>(
    stream: Stream.Stream<ConversationEvent, E2, R2>
  ): Stream.Stream<ConversationEvent, E2, R2> =>
    Stream.suspend(() => {
      turns.handOver(true)
      return events === "all" ? stream : Stream.drain(stream)
    }).pipe(Stream.ensuring(handBack))

  const attended: Stream.Stream<ConversationEvent, E, R> = Stream.suspend(() =>
    beside.isQuiet() ? Stream.empty : own(Stream.unwrap(Effect.map(beside.attend, Stream.fromIterable)))
  )

  /** Does what the state asks for, until it asks for nothing. */
  const rounds = (course: Limits.Course): Loop<E, R> => Stream.concat(attended, asked(course))

  const asked = (course: Limits.Course): Loop<E, R> =>
    Stream.suspend((): Loop<E, R> => {
      const state = ledger.state()
      switch (state._tag) {
        case "Idle":
          return Stream.empty
        case "Asking": {
          const problem = beside.takeFailure() ?? course.limit()
          if (problem !== undefined) return Stream.fail(problem)
          const asked = Stream.suspend(() =>
            ask(
              { history: ledger.state().history, untold: untold(), input: state.input },
              runOptions,
              (said) => ({ _tag: "Answered", ...said }),
              course.answered
            )
          )
          // Asking for the same again would be refused again.
          const withdrawn = Stream.tapError(
            asked,
            (error) => Predicate.isTagged(error, "InvalidRequest") ? ledger.write({ _tag: "Withdrawn" }) : Effect.void
          )
          const next = Stream.suspend(() =>
            ledger.state()._tag === "Answering" ? rounds(course) : Stream.concat(attended, ended(course, []))
          )
          return Stream.concat(Stream.execute(trimmed), Stream.concat(withdrawn, next))
        }
        case "Answering":
          return Stream.concat(
            own(Answers.run(tools, ledger, approvals, { id, concurrency, onToolFailure, exclusive })),
            answeredOrHeld(course, state.calls.map(({ call }) => call))
          )
      }
    })

  /** A call may have been approved when the others had just ended. */
  const answeredOrHeld = (course: Limits.Course, calls: ReadonlyArray<Calls.Call>): Loop<E, R> =>
    Stream.suspend(() => {
      const state = ledger.state()
      if (state._tag !== "Answering") return ended(course, calls)
      if (!Answers.isHeld(state)) return rounds(course)
      const pending = approvals.pending()
      course.held(pending)
      return own(Stream.succeed<ApprovalsPending>({ type: "conversation.approvals.pending", approvals: pending }))
    })

  /** The round has ended, and another one may follow. */
  const ended = (course: Limits.Course, calls: ReadonlyArray<Calls.Call>): Loop<E, R> =>
    Stream.suspend(() => {
      const round = course.ended(Calls.answered(ledger.state().history, calls), calls)
      const { output: _, ...told } = round
      return Stream.concat(
        own(Stream.succeed<RoundEnded>({ type: "conversation.round.ended", ...told })),
        Stream.unwrap(
          Effect.map(asksToStop(round), (isOver) => isOver ? Stream.empty : rounds(course))
        )
      )
    })

  const asksToStop = (round: EndedRound): Effect.Effect<boolean> =>
    handedOver(Effect.suspend(() => {
      const answer = stopWhen(round)
      return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
    }))

  const begin = (input: Items, course: Limits.Course): Loop<E, R> =>
    Stream.unwrap(
      check(input).pipe(
        Effect.zipRight(Answers.take(ledger, input)),
        Effect.flatMap((rest) => ledger.write({ _tag: "Asked", input: rest })),
        Effect.as(rounds(course))
      )
    )

  const goOn = (course: Limits.Course): Loop<E, R> =>
    Stream.suspend(() =>
      Given.isRecords(ledger.state().history) ? rounds(course) : Stream.fail(invalid(Given.notRecords))
    )

  /** As `goOn`. Where nothing else is left to do the model is asked with the outputs that it does not know. */
  const resume = (course: Limits.Course): Loop<E, R> =>
    Stream.suspend((): Loop<E, R> => {
      const failure = beside.takeFailure()
      if (failure !== undefined) return Stream.fail(failure)
      const told = Stream.suspend(() => {
        const { _tag, background } = ledger.state()
        return _tag === "Idle" && Background.untold(background).length > 0 ? begin([], course) : goOn(course)
      })
      return Stream.concat(attended, told)
    })

  const exclusively = <A, E2, R2>(stream: Stream.Stream<A, E2, R2>) =>
    Stream.unwrapScoped(Effect.as(Effect.zipRight(turns.take, ledger.flush), stream))

  /** The caller answers the open calls, and may say more. */
  const answered = (input: Items, course: Limits.Course): Loop<E, R> =>
    Stream.unwrap(
      Effect.map(
        Effect.zipRight(check(input), Answers.take(ledger, input)),
        (rest) => rest.length === 0 ? rounds(course) : begin(rest, course)
      )
    )

  const run = (
    input: Input,
    { pending, ...requestOptions }: RunOptions = {},
    onResponse: OnResponse = () => {},
    onHeld: Limits.Course["held"] = () => {}
  ): Loop<E, R, PendingRound> =>
    exclusively(Stream.suspend((): Loop<E, R, PendingRound> => {
      const state = ledger.state()
      const items = Given.toItems(input)
      const isPending = Round.isUnfinished(state)
      const isAnswered = isPending && Answers.isAnswered(state, items)
      const failure = beside.takeFailure()
      if (failure !== undefined) return Stream.fail(failure)
      if (isPending && !isAnswered && pending === undefined) return Stream.fail(Growth.pendingRound(state))
      // What is pending stays as it is if the input is wrong.
      const problem = isAnswered ? undefined : Given.problemOf(items, items, beside.isTaken)
      if (problem !== undefined) return Stream.fail(invalid(problem))
      runOptions = requestOptions
      const course = Limits.begin(limits, onResponse, onHeld)
      if (isAnswered) return answered(items, course)
      const started = Stream.suspend((): Loop<E, R, PendingRound> => {
        const now = ledger.state()
        // What was gone on with has come to calls that need an approval.
        return now._tag === "Answering" ? Stream.fail(Growth.pendingRound(now)) : begin(items, course)
      })
      if (!isPending) return started
      return Stream.concat(
        pending === "resume" ? goOn(course) : Stream.execute(Answers.discard(ledger)),
        started
      )
    }))

  return {
    run,
    approvals,
    background: beside,
    // Made when it is asked for, as most conversations of a program do nothing at a time.
    get resume() {
      return exclusively(Stream.suspend(() => resume(Limits.begin(limits, () => {}, () => {}))))
    },
    send: (input: Input, requestOptions: Responses.RequestOptions | undefined) =>
      exclusively(Stream.suspend(() => {
        const items = Given.toItems(input)
        const asked = Stream.suspend(() => {
          approvals.sending(items)
          return ask(
            { history: Round.items(ledger.state()), untold: untold(), input: items },
            requestOptions,
            (said) => ({ _tag: "Sent", input: items, ...said }),
            () => {}
          )
        })
        const sent = Stream.ensuring(asked, Effect.sync(() => approvals.sending([])))
        return Stream.unwrap(Effect.as(Effect.zipRight(check(items), trimmed), sent))
      })),
    get compact() {
      const compacted = Growth.compact(
        ledger,
        // What the model does not know yet is not to be lost in a compaction.
        (before, toEntry, onResponse) =>
          Stream.runDrain(ask({ history: before, untold: [], input: [] }, undefined, toEntry, onResponse))
      )
      const ready = Effect.zipRight(turns.take, Effect.zipRight(ledger.flush, definitions))
      return Effect.scoped(Effect.zipRight(ready, compacted))
    },
    get warmUp() {
      return Effect.zipRight(
        Effect.zipRight(turns.check, definitions),
        Effect.suspend(() =>
          Effect.asVoid(Effect.provide(Responses.warmUp(toRequest(ledger.state().history)), context))
        )
      )
    }
  }
}
