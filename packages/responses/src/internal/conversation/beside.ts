/** Runs the calls of async tools beside the conversation, in its scope. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"
import type { ConversationEvent } from "../../ConversationEvent.ts"
import type { BackgroundCall } from "../../ConversationOptions.ts"
import * as ResponseTool from "../../ResponseTool.ts"
import * as Finalizer from "../effect/finalizer.ts"
import * as Answers from "./answers.ts"
import * as Background from "./background.ts"
import type * as Calls from "./calls.ts"
import type { Ledger } from "./ledger.ts"
import * as Round from "./round.ts"
import * as Turns from "./turns.ts"

/** Where the tools run. `undefined`: no tool is async, or the scope is closed. */
export type Home = () => Scope.Scope | undefined

export const home = (
  tools: ReadonlyArray<ResponseTool.Any>,
  context: Context.Context<never>
): Effect.Effect<Home> =>
  Effect.suspend(() => {
    if (!tools.some((tool) => tool.async === true)) return Effect.succeed(() => undefined)
    let scope: Scope.Scope | undefined = Context.unsafeGet(context, Scope.Scope)
    const leave = Effect.sync(() => {
      scope = undefined
    })
    return Effect.as(Scope.extend(Finalizer.add(leave), scope), () => scope)
  })

export interface Options<R> {
  readonly id: string
  readonly tools: ReadonlyArray<ResponseTool.ResponseTool<unknown, R, boolean>>
  readonly onToolFailure: ResponseTool.OnFailure
  readonly home: Home
}

export interface Beside<E, R> {
  /** Whether `attend` would do nothing. */
  readonly isQuiet: () => boolean
  /** Sees to the calls that nobody runs, and gives what has happened since the last time. */
  readonly attend: Effect.Effect<ReadonlyArray<ConversationEvent>, E, R>
  /** A failure that is not to be told to the model. It is given once, and the tool runs again after that. */
  readonly takeFailure: () => ResponseTool.ToolFailed | undefined
  /** Whether the call of this id is the conversation's to answer. */
  readonly isTaken: (callId: string) => boolean
  readonly calls: () => ReadonlyArray<BackgroundCall>
  /** Waits until no tool runs. */
  readonly settled: Effect.Effect<void>
}

export const make = <E, R>(ledger: Ledger<E>, options: Options<R>): Beside<E, R> => {
  const { home, tools } = options
  const events: Array<ConversationEvent> = []
  const emit: Answers.Emit = (event) => events.push(event)
  const running = new Map<Calls.Call, Deferred.Deferred<void>>()
  const failures = new Map<Calls.Call, ResponseTool.ToolFailed>()
  const background = () => ledger.state().background
  const which = (named: Answers.Named) => Round.which(ledger.state(), named)

  const toolOf = ({ call }: Background.Call) => tools.find(({ name }) => name === call.name)

  const start = (pending: Background.Call, scope: Scope.Scope) => {
    const { call } = pending
    const over = Effect.suspend(() => {
      const end = running.get(call)
      running.delete(call)
      return end === undefined ? Effect.void : Deferred.succeed(end, undefined)
    })
    return Answers.begin({ tools, ledger, options, emit, which }, pending).pipe(
      Effect.flatMap((work) => {
        running.set(call, Deferred.unsafeMake(FiberId.none))
        return work(Effect.interruptible).pipe(
          Effect.catchAllCause((cause) => failed(call, cause)),
          Effect.ensuring(over),
          Turns.apart,
          Effect.forkIn(scope)
        )
      }),
      Effect.uninterruptible
    )
  }

  /** What could not be written is written, or fails, with the conversation's next step. */
  const failed = (call: Calls.Call, cause: Cause.Cause<ResponseTool.ToolFailed | E>): Effect.Effect<void> => {
    const error = Cause.squash(cause)
    if (error instanceof ResponseTool.ToolFailed) return Effect.sync(() => failures.set(call, error))
    return Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logWarning("An async tool has stopped", cause).pipe(
      Effect.annotateLogs({
        package: "effect-responses",
        module: "Conversation",
        tool: call.name,
        callId: call.call_id
      })
    )
  }

  /** One that has become async, or is so no longer, since its call was made, is run here and now. */
  const answer = (pending: Background.Call) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Answers.begin({ tools, ledger, options, emit, which }, pending), (work) => work(restore))
    ).pipe(
      Effect.catchAll((error) =>
        error instanceof ResponseTool.ToolFailed
          ? Effect.sync(() => failures.set(pending.call, error))
          : Effect.fail(error)
      )
    )

  const see = (pending: Background.Call): Effect.Effect<unknown, E, R> => {
    const tool = toolOf(pending)
    const scope = home()
    if (tool === undefined) return Effect.void
    if (!Answers.isToBeRun(tools, pending)) return Answers.report(ledger, emit, pending, which(pending))
    if (tool.async !== true) {
      return tool.needsApproval === undefined
        ? answer(pending)
        : Answers.turnAway(ledger, emit, pending, which(pending))
    }
    return scope === undefined ? Effect.void : start(pending, scope)
  }

  const unattended = () => Background.open(background()).filter(({ call }) => !running.has(call) && !failures.has(call))

  return {
    isQuiet: () => events.length === 0 && unattended().length === 0,
    attend: Effect.suspend(() => Effect.forEach(unattended(), see, { discard: true })).pipe(
      Effect.map(() => events.splice(0))
    ),
    takeFailure: () => {
      for (const [call, failure] of failures) {
        failures.delete(call)
        return failure
      }
      return undefined
    },
    isTaken: (callId) =>
      background().some(({ call, output }) => call.call_id === callId && (running.has(call) || output !== undefined)),
    calls: () =>
      background().map(({ attempt, call, isBegun, output }) => ({
        callId: call.call_id,
        name: call.name,
        attempt,
        status: output !== undefined ? "ended" : running.has(call) ? "running" : isBegun ? "unknown" : "open"
      })),
    settled: Effect.whileLoop({
      while: () => running.size > 0,
      body: () => Effect.forEach([...running.values()], Deferred.await, { discard: true }),
      step: () => {}
    })
  }
}
