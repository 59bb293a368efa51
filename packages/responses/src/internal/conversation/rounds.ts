/** Does what the state of a conversation asks for, until it asks for nothing, and writes down what comes of it. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { BudgetSpent, TooManyRounds } from "../../ConversationError.ts"
import type { ApprovalsPending, ConversationEvent, EndedRound, RoundEnded } from "../../ConversationEvent.ts"
import type { Options } from "../../ConversationOptions.ts"
import type * as Responses from "../../Responses.ts"
import type { ResponsesError } from "../../ResponsesError.ts"
import type * as ResponseTool from "../../ResponseTool.ts"
import * as Answers from "./answers.ts"
import type * as Approvals from "./approvals.ts"
import type * as Beside from "./beside.ts"
import * as Calls from "./calls.ts"
import * as Exclusive from "./exclusive.ts"
import * as Growth from "./growth.ts"
import type { Ledger } from "./ledger.ts"
import type * as Limits from "./limits.ts"
import type * as Question from "./question.ts"
import type * as Turns from "./turns.ts"

export type LoopError<E> = ResponsesError | ResponseTool.ToolFailed | TooManyRounds | BudgetSpent | E

export type Loop<E, R, E2 = never> = Stream.Stream<Question.Event, LoopError<E> | E2, R>

export interface Parts<E, R> {
  readonly id: string
  readonly tools: ReadonlyArray<ResponseTool.ResponseTool<unknown, R, boolean>>
  readonly options: Pick<
    Options<ReadonlyArray<ResponseTool.Any>>,
    "concurrency" | "events" | "onToolFailure" | "stopWhen" | "trim"
  >
  readonly ledger: Ledger<E>
  readonly context: Context.Context<Responses.Responses>
  readonly turns: Turns.Turns
  readonly question: Question.Question<E>
  readonly beside: Beside.Beside<E, R>
  readonly approvals: Approvals.Approvals<E>
}

interface Course extends Limits.Course {
  readonly requestOptions: Responses.RequestOptions | undefined
}

export interface Rounds<E, R> {
  /** `requestOptions`: of each request. */
  readonly run: (course: Limits.Course, requestOptions: Responses.RequestOptions | undefined) => Loop<E, R>
  /** What async tools have done since the last time. */
  readonly attended: Stream.Stream<ConversationEvent, E, R>
  /** Makes the history smaller, if there is a function that does. */
  readonly trimmed: Effect.Effect<void, ResponsesError | E>
}

export const make = <E, R>(parts: Parts<E, R>): Rounds<E, R> => {
  const { approvals, beside, id, ledger, question, tools, turns } = parts
  const { concurrency, events = "all", onToolFailure = "output", stopWhen = () => false, trim } = parts.options
  const exclusive = Exclusive.make()

  const handBack = Effect.sync(() => turns.handOver(false))

  /** The functions of the caller's that run meanwhile would wait for the turn for ever. */
  const handedOver = <A, E2, R2>(effect: Effect.Effect<A, E2, R2>) =>
    Effect.suspend(() => {
      turns.handOver(true)
      return effect
    }).pipe(Effect.ensuring(handBack))

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

  const trimmed = trim === undefined
    ? Effect.void
    : Effect.provide(handedOver(Growth.trim(ledger, trim)), parts.context)

  const run = (course: Course): Loop<E, R> => Stream.concat(attended, next(course))

  const next = (course: Course): Loop<E, R> =>
    Stream.suspend((): Loop<E, R> => {
      const state = ledger.state()
      switch (state._tag) {
        case "Idle":
          return Stream.empty
        case "Asking": {
          const problem = beside.takeFailure() ?? course.limit()
          if (problem !== undefined) return Stream.fail(problem)
          const asked = Stream.suspend(() =>
            question.ask(
              { history: ledger.state().history, input: state.input },
              course.requestOptions,
              (said) => ({ _tag: "Answered", ...said }),
              course.answered
            )
          )
          // Asking for the same again would be refused again.
          const withdrawn = Stream.tapError(
            asked,
            (error) => Predicate.isTagged(error, "InvalidRequest") ? ledger.write({ _tag: "Withdrawn" }) : Effect.void
          )
          const answered = Stream.suspend(() =>
            ledger.state()._tag === "Answering" ? run(course) : Stream.concat(attended, ended(course, []))
          )
          return Stream.concat(Stream.execute(trimmed), Stream.concat(withdrawn, answered))
        }
        case "Answering":
          return Stream.concat(
            own(Answers.run(tools, ledger, approvals, { id, concurrency, onToolFailure, exclusive })),
            answeredOrHeld(course, state.calls.map(({ call }) => call))
          )
      }
    })

  /** A call may have been approved when the others had just ended. */
  const answeredOrHeld = (course: Course, calls: ReadonlyArray<Calls.Call>): Loop<E, R> =>
    Stream.suspend(() => {
      const state = ledger.state()
      if (state._tag !== "Answering") return ended(course, calls)
      if (!Answers.isHeld(state)) return run(course)
      const pending = approvals.pending()
      course.held(pending)
      return own(Stream.succeed<ApprovalsPending>({ type: "conversation.approvals.pending", approvals: pending }))
    })

  /** The round has ended, and another one may follow. */
  const ended = (course: Course, calls: ReadonlyArray<Calls.Call>): Loop<E, R> =>
    Stream.suspend(() => {
      const round = course.ended(Calls.answered(ledger.state().history, calls), calls)
      const { output: _, ...told } = round
      return Stream.concat(
        own(Stream.succeed<RoundEnded>({ type: "conversation.round.ended", ...told })),
        Stream.unwrap(
          Effect.map(asksToStop(round), (isOver) => isOver ? Stream.empty : run(course))
        )
      )
    })

  const asksToStop = (round: EndedRound): Effect.Effect<boolean> =>
    handedOver(Effect.suspend(() => {
      const answer = stopWhen(round)
      return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
    }))

  return {
    run: (course, requestOptions) => run({ ...course, requestOptions }),
    attended,
    trimmed
  }
}
