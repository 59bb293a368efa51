/** Answers the open calls of a response, and writes down each start before the tool runs and each output as it comes. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ConversationEvent, ToolEnded, ToolResult } from "../../ConversationEvent.ts"
import { type McpApprovalResponse, mcpApprovalResponse, type ResponseItem } from "../../ResponseItem.ts"
import * as ResponseTool from "../../ResponseTool.ts"
import * as Time from "../effect/time.ts"
import * as ToolTold from "../tool/toolTold.ts"
import * as Approvals from "./approvals.ts"
import * as Background from "./background.ts"
import * as Calls from "./calls.ts"
import * as Consent from "./consent.ts"
import type { Exclusive } from "./exclusive.ts"
import type { Ledger } from "./ledger.ts"
import * as McpRequests from "./mcpRequests.ts"
import * as Round from "./round.ts"

export interface Options {
  /** Of the conversation. */
  readonly id: string
  readonly concurrency: number | undefined
  readonly onToolFailure: ResponseTool.OnFailure
  readonly exclusive: Exclusive
}

const unknownOutcome = "Error: the outcome is unknown: the tool was started, and stopped before it gave an output. " +
  "It may have done its work or a part of it"

const needsApproval = "Error: the tool needs an approval now, and was not run: call it again"

const notRun = "Error: the user has discarded this call: the tool was not run"

const notAllowed = "the user has discarded this request"

const resultOf = (
  call: Calls.Call,
  handled: Either.Either<Calls.CallOutput, ResponseTool.ToolFailed>,
  onFailure: ResponseTool.OnFailure
): Effect.Effect<ToolResult> =>
  Either.match(handled, {
    onLeft: (error) =>
      Effect.match(ToolTold.make(error, onFailure), {
        onFailure: () => ({ _tag: "Failed", error, output: undefined }),
        onSuccess: (text) => ({ _tag: "Failed", error, output: ResponseTool.output(call, text) })
      }),
    onRight: (output) => Effect.succeed({ _tag: "Output", output })
  })

const callIdOf = ({ call }: Pick<Round.Pending, "call">): string => call.call_id

const toolOf = (tools: ReadonlyArray<ResponseTool.Any>, call: Calls.Call): ResponseTool.Any | undefined =>
  tools.find(({ name }) => name === call.name)

export const isToBeRun = (
  tools: ReadonlyArray<ResponseTool.Any>,
  { call, isBegun }: Pick<Round.Pending, "call" | "isBegun">
): boolean => !isBegun || toolOf(tools, call)?.onUnknownOutcome === "rerun"

type Unrun = Pick<Round.Pending, "attempt" | "call">

/** The tool did not run now. */
const endedUnrun = ({ attempt, call }: Unrun, result: ToolResult): ToolEnded => ({
  type: "conversation.tool.ended",
  callId: call.call_id,
  name: call.name,
  attempt,
  duration: Duration.zero,
  result
})

export type Emit = (event: ConversationEvent) => void

interface Work<E, R> {
  readonly tools: ReadonlyArray<ResponseTool.ResponseTool<unknown, R, boolean>>
  readonly ledger: Ledger<E>
  readonly options: Pick<Options, "id" | "onToolFailure">
  readonly emit: Emit
  /** What the entries need to mean the call, if its `call_id` does not do. */
  readonly which?: (named: Named) => { readonly key?: string }
}

/** A call, and what names it in the whole conversation. */
export interface Named extends Unrun {
  readonly key: string
}

/**
 * Writes down that the tool of a call starts, and gives the rest of the work, of which the tool alone may be interrupted: what
 * a tool has given is written down even if the interruption comes at that moment.
 */
export const begin = <E, R>({ emit, ledger, options, tools, which = () => ({}) }: Work<E, R>, begun: Named) => {
  const { call, key } = begun
  const attempt = begun.attempt + 1
  const named = { callId: call.call_id, name: call.name, attempt }
  const work = (interruptible: <A, E2, R2>(tool: Effect.Effect<A, E2, R2>) => Effect.Effect<A, E2, R2>) =>
    Effect.gen(function*() {
      const elapsed = Time.stopwatch(yield* Effect.clock)
      const idempotencyKey = `${options.id}:${key}`
      const handled = yield* Effect.either(
        interruptible(ResponseTool.run(tools, call, { attempt, idempotencyKey }))
      )
      const duration = elapsed()
      const onFailure = toolOf(tools, call)?.onFailure ?? options.onToolFailure
      const told = resultOf(call, handled, onFailure)
      // Only a function of the program's own may take its time.
      const result = yield* Either.isLeft(handled) && typeof onFailure === "function" ? interruptible(told) : told
      const { output } = result
      if (output !== undefined) yield* ledger.write({ _tag: "Ended", output, ...which(begun) })
      // What may have been done is not done again: `onUnknownOutcome` says what becomes of it.
      else if (result._tag === "Failed" && !result.error.isOutcomeUnknown) {
        yield* ledger.write({ _tag: "Failed", callId: call.call_id, ...which(begun) })
      }
      emit({ type: "conversation.tool.ended", ...named, duration, result })
      if (result._tag === "Failed" && output === undefined) yield* result.error
    })
  return ledger.write({ _tag: "Started", callId: call.call_id, attempt, ...which(begun) }).pipe(
    // The tool does not run then, which is no unknown outcome.
    Effect.tapError(() => Effect.sync(() => ledger.apply({ _tag: "Failed", callId: call.call_id, ...which(begun) }))),
    Effect.map(() => {
      emit({ type: "conversation.tool.started", ...named })
      return work
    })
  )
}

const tell = <E>(
  ledger: Ledger<E>,
  emit: Emit,
  pending: Unrun,
  text: string,
  which: { readonly key?: string } = {}
): Effect.Effect<void, E> => {
  const output = ResponseTool.output(pending.call, text)
  return Effect.map(
    ledger.write({ _tag: "Ended", output, ...which }),
    () => emit(endedUnrun(pending, { _tag: "Unknown", output }))
  )
}

/** Answers a call whose tool was started and is not to run again. */
export const report = <E>(
  ledger: Ledger<E>,
  emit: Emit,
  pending: Unrun,
  which?: { readonly key?: string }
): Effect.Effect<void, E> => tell(ledger, emit, pending, unknownOutcome, which)

/** Answers a call of the background whose tool has come to need an approval since, which it cannot have there. */
export const turnAway = <E>(
  ledger: Ledger<E>,
  emit: Emit,
  pending: Unrun,
  which?: { readonly key?: string }
): Effect.Effect<void, E> => tell(ledger, emit, pending, needsApproval, which)

const answerAll = <E, R>(
  tools: Work<E, R>["tools"],
  ledger: Ledger<E>,
  approvals: Approvals.Approvals<E>,
  options: Options,
  emit: Emit
): Effect.Effect<void, ResponseTool.ToolFailed | E, R> =>
  Effect.suspend(() => {
    const state = ledger.state()
    if (state._tag !== "Answering") return Effect.void

    const answer = (pending: Round.Pending) =>
      Effect.uninterruptibleMask((restore) =>
        begin({ tools, ledger, options, emit }, { ...pending, key: Round.keyOf(state, pending.call) }).pipe(
          Effect.flatMap((work) => work(restore))
        )
      )

    const refuse = (
      pending: Round.Pending,
      error: ResponseTool.ToolFailed
    ): Effect.Effect<void, ResponseTool.ToolFailed | E> => {
      const onFailure = toolOf(tools, pending.call)?.onFailure ?? options.onToolFailure
      return Effect.flatMap(
        resultOf(pending.call, Either.left(error), onFailure),
        (result): Effect.Effect<void, ResponseTool.ToolFailed | E> => {
          const { output } = result
          return output === undefined
            ? Effect.zipRight(Effect.sync(() => emit(endedUnrun(pending, result))), error)
            : Effect.map(ledger.write({ _tag: "Ended", output }), () => emit(endedUnrun(pending, result)))
        }
      )
    }

    const hold = ({ call }: Round.Pending) =>
      Effect.map(ledger.write({ _tag: "Held", callId: call.call_id }), () =>
        emit({ type: "conversation.tool.held", approval: Approvals.ofCall(call) }))

    const open = Round.open(state)
    const attend = Consent.make({
      approvals,
      size: open.length,
      concurrency: options.concurrency,
      ask: (pending) =>
        // What was run once needed no approval, or had it.
        pending.approval !== "notAsked" || pending.attempt > 0
          ? Effect.succeed(true)
          : Effect.matchEffect(ResponseTool.needsApproval(tools, pending.call), {
            onFailure: (error) =>
              Effect.as(refuse(pending, error), false),
            onSuccess: (isNeeded) => isNeeded ? Effect.as(hold(pending), true) : Effect.succeed(true)
          }),
      now: ({ call }) => Round.open(ledger.state()).find((pending) => pending.call === call),
      run: (pending) =>
        isToBeRun(tools, pending)
          // It has not been started while it waits for its turn.
          ? options.exclusive.run(toolOf(tools, pending.call)?.exclusive === true, answer(pending))
          : report(ledger, emit, pending),
      onRejected: (pending) => {
        const [answered] = Calls.answered(Round.items(ledger.state()), [pending.call])
        if (answered !== undefined) emit(endedUnrun(pending, { _tag: "Rejected", output: answered.output }))
      }
    })

    return Effect.forEach(open, (pending) => Effect.exit(attend(pending)), { concurrency: "unbounded" }).pipe(
      Effect.flatMap((exits) =>
        Option.match(Exit.all(exits, { parallel: true }), { onNone: () => Effect.void, onSome: Effect.asVoid })
      )
    )
  })

/**
 * A call that fails does not stop its neighbours: what they would have given could not be known. The tools run whether or not
 * their events are taken: there are three of each call at most. A reader that leaves the stream interrupts the tools, and waits
 * until they have ended.
 */
export const run = <E, R>(
  tools: Work<E, R>["tools"],
  ledger: Ledger<E>,
  approvals: Approvals.Approvals<E>,
  options: Options
): Stream.Stream<ConversationEvent, ResponseTool.ToolFailed | E, R> =>
  Stream.unwrapScoped(
    Effect.flatMap(Mailbox.make<ConversationEvent, ResponseTool.ToolFailed | E>(), (events) =>
      answerAll(tools, ledger, approvals, options, (event) =>
        events.unsafeOffer(event)).pipe(
          Mailbox.into(events),
          Effect.interruptible,
          Effect.forkScoped,
          Effect.as(Mailbox.toStream(events))
        ))
  )

/** Whether only those calls are left that wait for an approval. */
export const isHeld = (state: Round.State): boolean =>
  state._tag === "Answering" && Round.open(state).every(({ approval }) => approval === "held")

/** Whether the caller answers every open call. */
export const isAnswered = (state: Round.State, input: ReadonlyArray<ResponseItem>): boolean => {
  const outputs = new Set(input.filter(Calls.isOutput).map((output) => output.call_id))
  const responses = new Set(input.filter(McpRequests.isResponse).map((response) => response.approval_request_id))
  const open = Round.open(state)
  const requests = Round.openRequests(state)
  return open.length + requests.length > 0 && open.every((pending) => outputs.has(callIdOf(pending))) &&
    requests.every((request) => responses.has(request.id))
}

type Reply = Calls.CallOutput | McpApprovalResponse

const openIds = (state: Round.State): Set<string> =>
  new Set([...Round.open(state), ...Background.open(state.background)].map(callIdOf))

/** A held call may have been approved or rejected since its input was checked. */
const writeIfOpen = <E>(ledger: Ledger<E>, item: Reply): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    const state = ledger.state()
    if (McpRequests.isResponse(item)) {
      return Round.openRequests(state).some(({ id }) => id === item.approval_request_id)
        ? ledger.write({ _tag: "Decided", response: item })
        : Effect.void
    }
    return openIds(state).has(item.call_id)
      ? ledger.write({ _tag: "Ended", output: item })
      : Effect.void
  })

/** The input without the outputs that were written: they come again from a caller that was interrupted in the middle. */
export const unwritten = (state: Round.State, input: ReadonlyArray<ResponseItem>): ReadonlyArray<ResponseItem> => {
  const answers = Round.answers(state)
  return answers.length === 0 ? input : input.filter((item) =>
    Calls.isOutput(item)
      ? !Approvals.has(answers, item.call_id)
      : !(McpRequests.isResponse(item) && Approvals.has(answers, item.approval_request_id))
  )
}

/** Takes the outputs that the caller gives, and gives back what else the caller says. */
export const take = <E>(
  ledger: Ledger<E>,
  input: ReadonlyArray<ResponseItem>
): Effect.Effect<ReadonlyArray<ResponseItem>, E> =>
  Effect.suspend(() => {
    const state = ledger.state()
    const open = openIds(state)
    const requests = new Set(Round.openRequests(state).map(({ id }) => id))
    const taken = input.filter((item): item is Reply =>
      Calls.isOutput(item)
        ? open.delete(item.call_id)
        : McpRequests.isResponse(item) && requests.delete(item.approval_request_id)
    )
    return Effect.as(
      Effect.forEach(taken, (item) => writeIfOpen(ledger, item), { discard: true }),
      input.filter((item) => !taken.some((one) => one === item))
    )
  })

/** Answers the open calls without their tools, and allows no request of an MCP server's. */
export const discard = <E>(ledger: Ledger<E>): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    const state = ledger.state()
    return Effect.forEach(
      [
        ...Round.open(state).map(({ call, isBegun }) => ResponseTool.output(call, isBegun ? unknownOutcome : notRun)),
        ...Round.openRequests(state).map(({ id }) => mcpApprovalResponse(id, false, notAllowed))
      ],
      (item) => writeIfOpen(ledger, item),
      { discard: true }
    )
  })
