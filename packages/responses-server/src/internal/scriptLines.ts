/** The lines of a script in JSON: each is named after the constructor it stands for. */
import { ResponseScript } from "effect-responses"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Upgrade from "../Upgrade.ts"
import { model } from "./model.ts"

type Play = (request: Parameters<typeof model>[0], context: ResponseScript.Context) => ResponseScript.Turn

type Decode<A> = (value: unknown, path: string) => Either.Either<A, string>

const line = <S, I, A>(schema: Schema.Schema<S, I>, build: (value: S) => A): Decode<A> => {
  const decode = Schema.decodeUnknownEither(schema, { onExcessProperty: "error", exact: false })
  return (value, path) =>
    Either.mapBoth(decode(value), {
      onLeft: (error) =>
        `${path}: ${ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message }) => message)[0]}`,
      onRight: build
    })
}

const { Array: array, Boolean: boolean, Literal: literal, Number: number, optional, String: string } = Schema
const { Struct: struct, Union: union } = Schema
const yes = Schema.Literal(true)

const after = optional(number)
const json = Schema.Unknown
const object = Schema.Record({ key: string, value: json })
const headers = Schema.Record({ key: string, value: string })
const frame = union(string, Schema.Object)
const event = struct({ type: string }, { key: string, value: json })
const kind = literal("notJson", "notObject", "notEvent", "truncated", "binary", "huge")
const forgotten = literal("all", "latest", "previous")

/** Absent fields stay absent. */
const place = (options: { readonly after?: number | undefined }): { readonly after?: number } =>
  options.after === undefined ? {} : { after: options.after }

const bytesOf = (options: { readonly bytes?: number | undefined }): { readonly bytes?: number } =>
  options.bytes === undefined ? {} : { bytes: options.bytes }

const bare = union(yes, struct({ after }))

const fault = (build: (options?: { readonly after?: number }) => ResponseScript.Turn) =>
  line(bare, (value) => build(value === true ? undefined : place(value)))

const end = (turn: ResponseScript.Turn) => line(yes, () => turn)

const S = ResponseScript

const lines: Readonly<Record<string, Decode<ResponseScript.Turn>>> = {
  text: line(string, (text) => S.text(text)),
  refusal: line(string, S.refusal),
  reasoning: line(
    union(string, struct({ summary: string, encrypted: optional(string) })),
    (value) => typeof value === "string" ? S.reasoning(value) : S.reasoning(value.summary, value)
  ),
  toolCall: line(struct({ name: string, arguments: optional(json), callId: optional(string) }), S.toolCall),
  customToolCall: line(struct({ name: string, input: string, callId: optional(string) }), S.customToolCall),
  item: line(object, (item) => ({ parts: [{ _tag: "Item", item: item as never }] })),
  raw: line(
    union(array(frame), struct({ frames: array(frame), after })),
    (value) => "frames" in value ? S.raw(value.frames, place(value)) : S.raw(value)
  ),
  events: line(
    union(array(event), struct({ events: array(event), after })),
    (value) => "events" in value ? S.events(value.events, place(value)) : S.events(value)
  ),
  wait: line(
    union(number, struct({ millis: number, after })),
    (value) => typeof value === "number" ? S.wait(value) : S.wait(value.millis, place(value))
  ),
  completed: end(S.completed),
  unfinished: end(S.unfinished),
  incomplete: line(union(yes, string), (reason) => reason === true ? S.incomplete() : S.incomplete(reason)),
  failed: line(struct({ code: string, message: string }), S.failed),
  error: line(
    struct({
      shape: optional(literal("nested", "flat", "untyped")),
      status: optional(number),
      statusCode: optional(number),
      type: optional(string),
      code: optional(Schema.NullOr(string)),
      message: optional(string),
      param: optional(Schema.NullOr(string)),
      headers: optional(headers),
      headersAt: optional(literal("frame", "error")),
      after
    }),
    ({ after, ...error }) => S.error(error, place({ after }))
  ),
  silence: fault(S.silence),
  expire: fault(S.expire),
  close: line(
    struct({ code: number, reason: optional(string), after }),
    ({ code, reason, ...options }) => S.close({ code, ...(reason === undefined ? {} : { reason }), ...place(options) })
  ),
  drop: line(
    union(yes, struct({ after, bytes: optional(number) })),
    (value) => value === true ? S.drop() : S.drop({ ...place(value), ...bytesOf(value) })
  ),
  badFrame: line(
    union(kind, struct({ kind, bytes: optional(number), after })),
    (value) =>
      typeof value === "string" ? S.badFrame(value) : S.badFrame(value.kind, { ...place(value), ...bytesOf(value) })
  ),
  forget: line(
    union(forgotten, struct({ what: forgotten, after })),
    (value) => typeof value === "string" ? S.forget(value) : S.forget(value.what, place(value))
  ),
  pings: line(
    union(boolean, struct({ answered: boolean, after })),
    (value) => typeof value === "boolean" ? S.pings(value) : S.pings(value.answered, place(value))
  )
}

const options = line(
  struct({
    chunkSize: optional(number),
    deltaDelay: optional(number),
    queued: optional(boolean),
    usage: optional(struct({ input_tokens: number, output_tokens: number, total_tokens: number }))
  }),
  (value): ResponseScript.TurnOptions => value
)

/** An object with one field, the name of what it stands for. */
const named = <A>(table: Readonly<Record<string, Decode<A>>>, what: string): Decode<A> => (value, path) => {
  const [name, ...more] = Predicate.isRecord(value) ? Object.keys(value) : []
  const decode = name === undefined || more.length > 0 || !Object.hasOwn(table, name) ? undefined : table[name]
  if (!Predicate.isRecord(value) || name === undefined || decode === undefined) {
    return Either.left(`${path}: expected ${what}, or an object with one of ${Object.keys(table).join(", ")}`)
  }
  return decode(value[name], `${path}.${name}`)
}

const fixed = (turn: ResponseScript.Turn): Play => () => turn

const oneLine: Decode<Play> = (value, path) => {
  if (Predicate.isString(value)) return Either.right(fixed(S.text(value)))
  if (Predicate.isRecord(value) && value["model"] === true) return Either.right(model)
  return Either.map(named(lines, "a text, { \"model\": true }")(value, path), fixed)
}

/** A line, a list of lines, or `{ lines, …options }`. */
export const turn: Decode<Play> = (value, path) => {
  const { lines: listed, ...rest } = Predicate.isRecord(value) && "lines" in value ? value : { lines: value }
  const all: ReadonlyArray<unknown> = Array.isArray(listed) ? listed : [listed]
  const at = Array.isArray(listed) ? (index: number) => `${path}[${index}]` : () => path
  return Either.flatMap(options(rest, path), (options) =>
    Either.map(
      Either.all(all.map((one, index) => oneLine(one, at(index)))),
      (plays): Play => (request, context) => S.turn(plays.map((play) => play(request, context)), options)
    ))
}

const upgrades: Readonly<Record<string, Decode<Upgrade.Upgrade>>> = {
  accept: line(
    union(yes, struct({ pings: optional(boolean), greeting: optional(array(frame)) })),
    (value): Upgrade.Upgrade => value === true ? Upgrade.accept() : { _tag: "Accept", ...value }
  ),
  refuse: line(
    struct({ status: number, headers: optional(headers), body: optional(json) }),
    (value): Upgrade.Upgrade => ({ _tag: "Refuse", ...value })
  ),
  close: line(
    union(yes, struct({ code: optional(number), reason: optional(string) })),
    (value): Upgrade.Upgrade => {
      const { code = 1008, reason = "" } = value === true ? {} : value
      return Upgrade.close({ code, reason })
    }
  ),
  stall: line(yes, () => Upgrade.stall),
  cut: line(yes, () => Upgrade.cut)
}

export const upgrade: Decode<Upgrade.Upgrade> = named(upgrades, "an upgrade")

export const exhausted = (index: number): ResponseScript.Turn =>
  S.error({
    status: 500,
    code: "script_exhausted",
    message: `The script has ${index} turns, and this is request ${index + 1}.`
  })
