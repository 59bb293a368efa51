/** What a conversation is asked to do. One thing at a time, and nothing while something else is left open. */
// @effect-diagnostics anyUnknownInErrorContext:off
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { PendingRound } from "../../ConversationError.ts"
import type { Input, Options, RunOptions, RunRequirements } from "../../ConversationOptions.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import type * as Responses from "../../Responses.ts"
import { InvalidRequest } from "../../ResponsesError.ts"
import type * as ResponseTool from "../../ResponseTool.ts"
import * as Answers from "./answers.ts"
import * as Approvals from "./approvals.ts"
import * as Background from "./background.ts"
import * as Beside from "./beside.ts"
import * as Growth from "./growth.ts"
import * as Given from "./input.ts"
import type { Ledger } from "./ledger.ts"
import * as Limits from "./limits.ts"
import * as Question from "./question.ts"
import * as Round from "./round.ts"
import * as Rounds from "./rounds.ts"
import * as Turns from "./turns.ts"

type Items = ReadonlyArray<ResponseItem>

type Loop<E, R, E2 = never> = Rounds.Loop<E, R, E2>

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
  const { concurrency, maxRounds, onToolFailure = "output", tokenBudget, tools: given = [] } = options
  type R = RunRequirements<Tools[number]>
  const tools = given.map((tool) => inContext(tool, context)) as ReadonlyArray<
    ResponseTool.ResponseTool<unknown, R, boolean>
  >
  const limits: Limits.Options = { maxRounds, tokenBudget }
  const unusable = Limits.problemOf({ ...limits, concurrency })
  const turns = Turns.make()
  const beside = Beside.make(ledger, { id, tools, onToolFailure, home })
  const approvals = Approvals.make(ledger)
  const question = Question.make(options, ledger, context, turns)
  const rounds = Rounds.make({ id, tools, options, ledger, context, turns, question, beside, approvals })
  /** Of the latest `run`. */
  let runOptions: Responses.RequestOptions | undefined

  const run = (course: Limits.Course): Loop<E, R> => rounds.run(course, runOptions)

  const check = (input: Items): Effect.Effect<void, InvalidRequest> =>
    Effect.zipRight(
      question.check,
      Effect.suspend(() => {
        const problem = Given.problemOf([...Round.items(ledger.state()), ...input], input, beside.isTaken)
        return problem === undefined ? Effect.void : Effect.fail(invalid(problem))
      })
    )

  const begin = (input: Items, course: Limits.Course): Loop<E, R> =>
    Stream.unwrap(
      check(input).pipe(
        Effect.zipRight(Answers.take(ledger, input)),
        Effect.flatMap((rest) => ledger.write({ _tag: "Asked", input: rest })),
        Effect.as(run(course))
      )
    )

  const goOn = (course: Limits.Course): Loop<E, R> =>
    Stream.suspend(() => Given.isRecords(ledger.state().history) ? run(course) : Stream.fail(invalid(Given.notRecords)))

  /** As `goOn`. Where nothing else is left to do the model is asked with the outputs that it does not know. */
  const resume = (course: Limits.Course): Loop<E, R> =>
    Stream.suspend((): Loop<E, R> => {
      const failure = unusable ?? beside.takeFailure()
      if (failure !== undefined) return Stream.fail(failure)
      const told = Stream.suspend(() => {
        const { _tag, background } = ledger.state()
        return _tag === "Idle" && Background.untold(background).length > 0 ? begin([], course) : goOn(course)
      })
      return Stream.concat(rounds.attended, told)
    })

  const exclusively = <A, E2, R2>(stream: Stream.Stream<A, E2, R2>) =>
    Stream.unwrapScoped(Effect.as(Effect.zipRight(turns.take, ledger.flush), stream))

  /** The caller answers the open calls, and may say more. */
  const answered = (input: Items, course: Limits.Course): Loop<E, R> =>
    Stream.unwrap(
      Effect.map(
        Effect.zipRight(check(input), Answers.take(ledger, input)),
        (rest) => rest.length === 0 ? run(course) : begin(rest, course)
      )
    )

  const runWith = (
    input: Input,
    { pending, ...requestOptions }: RunOptions = {},
    onResponse: Question.OnResponse = () => {},
    onHeld: Limits.Course["held"] = () => {}
  ): Loop<E, R, PendingRound> =>
    exclusively(Stream.suspend((): Loop<E, R, PendingRound> => {
      const state = ledger.state()
      const given = Given.toItems(input)
      const items = Answers.unwritten(state, given)
      const isPending = Round.isUnfinished(state)
      const isComplete = state._tag === "Asking" && items.length < given.length
      const isAnswered = isPending && (isComplete || Answers.isAnswered(state, items))
      const failure = unusable ?? beside.takeFailure()
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
    run: runWith,
    pending: () => {
      const state = ledger.state()
      return Round.isUnfinished(state) ? Option.some(Growth.pendingRound(state)) : Option.none()
    },
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
          return question.ask(
            { history: Round.items(ledger.state()), input: items },
            requestOptions,
            (said) => ({ _tag: "Sent", input: items, ...said }),
            () => {}
          )
        })
        const sent = Stream.ensuring(asked, Effect.sync(() => approvals.sending([])))
        return Stream.unwrap(Effect.as(Effect.zipRight(check(items), rounds.trimmed), sent))
      })),
    get compact() {
      const compacted = Growth.compact(
        ledger,
        // What the model does not know yet is not to be lost in a compaction.
        (before, toEntry, onResponse) =>
          Stream.runDrain(question.ask({ history: before, untold: [], input: [] }, undefined, toEntry, onResponse))
      )
      const ready = Effect.zipRight(turns.take, Effect.zipRight(ledger.flush, question.check))
      return Effect.scoped(Effect.zipRight(ready, compacted))
    },
    get warmUp() {
      return Effect.zipRight(Effect.zipRight(turns.check, question.check), question.warmUp)
    }
  }
}
