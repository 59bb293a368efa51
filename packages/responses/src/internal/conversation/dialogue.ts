/** The loop of a conversation: does what its state asks for, and writes down what comes of it. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { type BudgetSpent, PendingRound, type TooManyRounds } from "../../ConversationError.ts"
import {
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
import * as AsyncCalls from "./asyncCalls.ts"
import * as Background from "./background.ts"
import * as Beside from "./beside.ts"
import * as Calls from "./calls.ts"
import * as Exclusive from "./exclusive.ts"
import * as Given from "./input.ts"
import * as Kept from "./kept.ts"
import type { Ledger } from "./ledger.ts"
import * as Limits from "./limits.ts"
import * as Round from "./round.ts"
import * as Turns from "./turns.ts"
import * as WholeAnswer from "./wholeAnswer.ts"

type Items = ReadonlyArray<ResponseItem>

/** Told of each response when it has been written down. */
type OnResponse = (response: Responses.FinalResponse) => void

type LoopError<E> = ResponsesError | ResponseTool.ToolFailed | TooManyRounds | BudgetSpent | E

type Event = ResponseEvent.ResponseEvent | ConversationEvent

type Loop<E, R, E2 = never> = Stream.Stream<Event, LoopError<E> | E2, R>

const pendingRound = (state: Round.State): PendingRound =>
  new PendingRound({
    calls: Round.open(state).map(({ call, isBegun }) => ({ callId: call.call_id, name: call.name, isBegun }))
  })

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
  /** Of the latest `run`. */
  let runOptions: Responses.RequestOptions | undefined

  const toRequest = (input: Items): ResponseRequest =>
    Caller.mark({
      ...settings,
      ...(Either.isLeft(definitions) || definitions.right.length === 0 ? {} : { tools: definitions.right }),
      input
    }, turns)

  const check = (input: Items): Effect.Effect<void, InvalidRequest> =>
    Effect.zipRight(
      definitions,
      Effect.suspend(() => {
        const problem = Given.problemOf([...Round.items(ledger.state()), ...input], input, beside.isTaken)
        return problem === undefined ? Effect.void : Effect.fail(invalid(problem))
      })
    )

  const isAsync = (call: Calls.Call): boolean => AsyncCalls.isAsync(call, tools, otherTools)

  /** One response; what the history is to keep of it is written down before the last event passes. */
  const ask = (
    history: Items,
    input: Items,
    requestOptions: Responses.RequestOptions | undefined,
    toEntry: (kept: Items, told: number | undefined) => Entry,
    onResponse: OnResponse
  ): Stream.Stream<Event, ResponsesError | E> => {
    const untold = Background.untold(ledger.state().background)
    const before = [...history, ...untold, ...input]
    const told = untold.length === 0 ? undefined : untold.length
    return WholeAnswer.stream(toRequest(before), {
      onOpen,
      requestOptions: { ...requestOptions, retry: requestOptions?.retry ?? retry },
      onHandOver: turns.handOver,
      onEnd: (response, isComplete) => {
        const kept = Kept.make(response.output, { before, isAsync, isComplete, isStored: options.store !== false })
        return Effect.map(ledger.write(toEntry(kept, told)), () => onResponse(response))
      }
    }).pipe(
      (asked) => events === "all" ? asked : Stream.filter(asked, (event) => !isConversationEvent(event)),
      Stream.provideContext(context)
    )
  }

  const handBack = Effect.sync(() => turns.handOver(false))

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
          const asked = ask(
            state.history,
            state.input,
            runOptions,
            (output, told) => ({ _tag: "Answered", output, told }),
            course.answered
          )
          return Stream.concat(
            // Asking for the same again would be refused again.
            Stream.tapError(
              asked,
              (error) => Predicate.isTagged(error, "InvalidRequest") ? ledger.write({ _tag: "Withdrawn" }) : Effect.void
            ),
            Stream.suspend(() =>
              ledger.state()._tag === "Answering" ? rounds(course) : Stream.concat(attended, ended(course, []))
            )
          )
        }
        case "Answering":
          return Stream.concat(
            own(Answers.run(tools, ledger, { id, concurrency, onToolFailure, exclusive })),
            ended(course, state.calls.map(({ call }) => call))
          )
      }
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
    Effect.suspend(() => {
      turns.handOver(true)
      const answer = stopWhen(round)
      return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
    }).pipe(Effect.ensuring(handBack))

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
    onResponse: OnResponse = () => {}
  ): Loop<E, R, PendingRound> =>
    exclusively(Stream.suspend((): Loop<E, R, PendingRound> => {
      const state = ledger.state()
      const items = Given.toItems(input)
      const isPending = Round.isUnfinished(state)
      const isAnswered = isPending && Answers.isAnswered(state, items)
      const failure = beside.takeFailure()
      if (failure !== undefined) return Stream.fail(failure)
      if (isPending && !isAnswered && pending === undefined) return Stream.fail(pendingRound(state))
      // What is pending stays as it is if the input is wrong.
      const problem = isAnswered ? undefined : Given.problemOf(items, items, beside.isTaken)
      if (problem !== undefined) return Stream.fail(invalid(problem))
      runOptions = requestOptions
      const course = Limits.begin(limits, onResponse)
      if (isAnswered) return answered(items, course)
      const started = Stream.suspend(() => begin(items, course))
      if (!isPending) return started
      return Stream.concat(
        pending === "resume" ? goOn(course) : Stream.execute(Answers.discard(ledger)),
        started
      )
    }))

  return {
    run,
    background: beside,
    // Made when it is asked for, as most conversations of a program do nothing at a time.
    get resume() {
      return exclusively(Stream.suspend(() => resume(Limits.begin(limits, () => {}))))
    },
    send: (input: Input, requestOptions: Responses.RequestOptions | undefined) =>
      exclusively(Stream.suspend(() => {
        const items = Given.toItems(input)
        const toEntry = (output: Items, told: number | undefined): Entry => ({
          _tag: "Sent",
          input: items,
          output,
          told
        })
        const asked = ask(Round.items(ledger.state()), items, requestOptions, toEntry, () => {})
        return Stream.unwrap(Effect.as(check(items), asked))
      })),
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
