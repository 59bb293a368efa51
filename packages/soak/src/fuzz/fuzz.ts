/**
 * Mutated sequences of frames over real sockets. Whatever a server sends, a caller gets only frames that were sent for its
 * own response, in their order, and each turn ends: with the end of its response or with a typed failure.
 */
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as Continuation from "effect-responses/Continuation"
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import * as Responses from "effect-responses/Responses"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { dice, weighted } from "../dice.ts"
import * as Frames from "./frames.ts"
import * as Mutations from "./mutations.ts"
import * as Server from "./server.ts"

export interface Options {
  readonly seed: number
  /** How many turns, at the least. */
  readonly turns: number
  /** How many programs ask at once, each with a Layer of its own. */
  readonly programs: number
}

export interface Facts {
  readonly turns: number
  /** Turns whose response ended as it should, with everything that was sent for it. */
  readonly whole: number
  readonly failures: Readonly<Record<string, number>>
  readonly mutations: Readonly<Record<string, number>>
  readonly violations: ReadonlyArray<string>
}

/** A response of which nothing more comes is given up after this. */
const silence = Duration.seconds(1)

interface Turn {
  readonly name: string
  readonly kind: Frames.Kind
  readonly mutation: Mutations.Mutation | "none"
  /** The serial numbers of what was sent for it, at the last time of asking. */
  readonly sent: Array<number>
  readonly got: Array<Frames.Mark>
}

const markOf = (event: ResponseEvent.ResponseEvent): Frames.Mark | undefined =>
  (event as { readonly mark?: Frames.Mark }).mark

/** Puts the mark into a frame that is JSON still. */
const marked = (text: string, mark: Frames.Mark): string =>
  text.startsWith("{") ? `{"mark":${JSON.stringify(mark)},${text.slice(1)}` : text

const judge = (turn: Turn): string | undefined => {
  const foreign = turn.got.find((mark) => mark.turn !== turn.name)
  if (foreign !== undefined) return `got a frame of ${foreign.turn === "" ? "a stranger" : foreign.turn}`
  const disorder = turn.got.findIndex(({ serial }, index) => index > 0 && serial <= (turn.got[index - 1]?.serial ?? 0))
  return disorder < 0 ? undefined : `got its frame ${disorder} twice or out of order`
}

/** One program: a Layer, a server of one kind, one turn after the other. */
const program = (options: Options, number: number, count: (turn: Turn, exit: Exit.Exit<void, unknown>) => void) =>
  Effect.gen(function*() {
    const throws = dice(options.seed, "program", number)
    const kind = throws.pick(Frames.kinds)
    let turn: Turn | undefined
    let serial = 0
    let connection = 0
    let before: ReadonlyArray<Frames.Frame> = []
    let turnBefore: string | undefined

    const answer: Server.Answer = (from) => {
      if (turn === undefined) return []
      const { mutation, name, sent } = turn
      if (from !== connection) [before, turnBefore] = [[], undefined]
      connection = from
      const frames = Frames.frames(kind, name, throws)
      // The first response of a connection shows how the server begins its responses.
      const all = mutation === "none" || turnBefore === undefined
        ? frames.map((frame): Mutations.Sent => ({ text: JSON.stringify(frame), turn: name }))
        : Mutations.mutate({ kind, turn: name, frames, before, turnBefore }, mutation, throws)
      before = frames
      turnBefore = name
      // A request that is sent again has another answer.
      sent.length = 0
      return all.map((frame) => {
        if (frame === undefined) return frame
        const mark = { turn: frame.turn ?? "", serial: ++serial }
        if (frame.turn === name) sent.push(mark.serial)
        return { ...frame, text: marked(frame.text, mark) }
      })
    }

    const url = yield* Server.make(answer)
    const each = Math.ceil(options.turns / options.programs)
    const ask = (index: number) =>
      Effect.suspend(() => {
        const asked: Turn = {
          name: `${number}-${index}`,
          kind,
          mutation: throws.chance(0.3) ? "none" : weighted(throws, Mutations.weights),
          sent: [],
          got: []
        }
        turn = asked
        return Responses.forEach({ model: "m", input: asked.name }, (event) => {
          const mark = markOf(event)
          if (mark !== undefined) asked.got.push(mark)
        }).pipe(
          Effect.exit,
          Effect.map((exit) => count(asked, exit))
        )
      })

    yield* Effect.forEach(Array.from({ length: each }, (_, index) => index), ask, { discard: true }).pipe(
      Effect.provide(NodeResponsesSocket.layer({
        apiKey: Redacted.make("sk-fuzz"),
        baseUrl: url,
        continuation: Continuation.off,
        firstEventTimeout: silence,
        stallTimeout: silence
      }))
    )
  }).pipe(Effect.scoped)

export const run = (options: Options): Effect.Effect<Facts> =>
  Effect.gen(function*() {
    const failures: Record<string, number> = {}
    const mutations: Record<string, number> = {}
    const violations: Array<string> = []
    let turns = 0
    let whole = 0

    const count = (turn: Turn, exit: Exit.Exit<void, unknown>) => {
      turns++
      mutations[turn.mutation] = (mutations[turn.mutation] ?? 0) + 1
      const wrong = judge(turn)
      const where = `seed ${options.seed}, turn ${turn.name} of a server ${turn.kind.name}, mutation ${turn.mutation}`
      if (wrong !== undefined) violations.push(`${where}: ${wrong}`)
      if (Exit.isSuccess(exit)) {
        if (turn.mutation === "none" && turn.got.length !== turn.sent.length) {
          violations.push(`${where}: ended with ${turn.got.length} of ${turn.sent.length} frames`)
        }
        if (turn.got.length === turn.sent.length) whole++
        return
      }
      const error = Option.getOrUndefined(Cause.failureOption(exit.cause)) as
        | { readonly _tag: string; readonly reason?: string }
        | undefined
      const name = error === undefined ? "a defect" : [error._tag, error.reason].filter(Boolean).join(" ")
      failures[name] = (failures[name] ?? 0) + 1
      if (error === undefined) violations.push(`${where}: ${Cause.pretty(exit.cause)}`)
    }

    yield* Effect.forEach(
      Array.from({ length: options.programs }, (_, index) => index),
      (number) => program(options, number, count).pipe(Effect.orDie),
      { concurrency: "unbounded", discard: true }
    )
    return { turns, whole, failures, mutations, violations }
  })
