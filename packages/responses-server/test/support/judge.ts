/** Looks at every frame that a test receives: what has the type of a published event must be one, to the last field. */
import { Either, ParseResult, Predicate, Schema } from "effect"
import { Event, NestedError, Response } from "./published.ts"

const strict = { onExcessProperty: "error", exact: true } as const

const decoder = (schema: Schema.Schema.AnyNoContext) => Schema.decodeUnknownEither(schema, strict)

const known: ReadonlyMap<string, ReturnType<typeof decoder>> = new Map(
  Event.members.map((member) => [member.fields.type.literals[0], decoder(member)])
)

const decodeError = decoder(NestedError)
const decodeResponse = decoder(Response)

const complaint = (decoded: Either.Either<unknown, ParseResult.ParseError>): string | undefined =>
  Either.isLeft(decoded) ? ParseResult.TreeFormatter.formatErrorSync(decoded.left) : undefined

/** Input that was not valid comes back as it was. */
const withoutInput = (frame: object): object => {
  const { error, steer } = { ...frame } as { readonly error?: unknown; readonly steer?: unknown }
  return Predicate.isRecord(error) && error["code"] === "invalid_input" && Predicate.isRecord(steer)
    ? { ...frame, steer: { ...steer, input: "" } }
    : frame
}

/** `undefined`: nothing is wrong with it, or it is none of the published events. */
export const problem = (frame: unknown): string | undefined => {
  if (typeof frame !== "object" || frame === null) return undefined
  const type: unknown = Reflect.get(frame, "type")
  if (type === "error" && "error" in frame) return complaint(decodeError(frame))
  const decode = typeof type === "string" ? known.get(type) : undefined
  return decode === undefined ? undefined : complaint(decode(withoutInput(frame)))
}

export const problemOfResponse = (body: unknown): string | undefined => complaint(decodeResponse(body))
