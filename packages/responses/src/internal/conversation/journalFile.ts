/**
 * A journal as lines of JSON that are only ever appended:
 *
 * ```
 * {"owner":"6c1f…"}                     an owner takes over; its epoch is the number of such lines so far
 * {"epoch":1,"seq":0,"entry":{…}}       counts if no other owner has taken over before this line
 * ```
 *
 * What counts follows from the order of the lines alone, which the operating system decides. An owner that has lost the
 * conversation may still append; its line has no effect, and it sees the other owner's line before its own.
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"

export interface Claimed {
  readonly epoch: number
  /** The entries so far. `undefined`: one is missing. */
  readonly values: ReadonlyArray<unknown> | undefined
  /** `false`: another owner has taken over. */
  readonly append: (seq: number, entry: unknown) => Effect.Effect<boolean, PlatformError>
}

const newline = 10

/** A writer that was killed in the middle leaves half a line: the line break before the next one keeps the two apart. */
const toLine = (value: unknown): string => `\n${JSON.stringify(value)}\n`

const fromLine = (line: string): Readonly<Record<string, unknown>> | undefined =>
  Either.try((): unknown => JSON.parse(line)).pipe(
    Either.filterOrLeft(Predicate.isRecord, () => undefined),
    Either.getOrUndefined
  )

interface Found extends Pick<Claimed, "epoch" | "values"> {
  readonly isTaken: boolean
}

/** What counts for the owner that made this claim. */
const read = (text: string, owner: string): Found => {
  const values: Array<unknown> = []
  let claims = 0
  let epoch = 0
  for (const line of text.split("\n")) {
    const value = fromLine(line)
    if (value === undefined) continue
    if (Predicate.isString(value["owner"])) {
      if (epoch > 0) return { epoch, values, isTaken: true }
      claims++
      if (value["owner"] === owner) epoch = claims
      continue
    }
    const { entry, seq } = value
    if (value["epoch"] !== claims || !Predicate.isNumber(seq)) continue
    if (seq > values.length) return { epoch, values: undefined, isTaken: false }
    // A write that failed may have been done, and is done again.
    if (seq === values.length) values.push(entry)
  }
  return { epoch, values, isTaken: false }
}

const hasClaim = (text: string): boolean =>
  text.split("\n").some((line) => Predicate.isString(fromLine(line)?.["owner"]))

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const claimStart = "{\"owner\":\""

/** Enough for some claims: of a journal that began well no more is read. */
const headBytes = 4096

/** A journal begins with a claim. Owners before that one may have been killed in the middle of theirs. */
const isJournal = (head: string): boolean => {
  for (const line of head.split("\n").map((line) => line.trim())) {
    if (Predicate.isString(fromLine(line)?.["owner"])) return true
    if (!line.startsWith(claimStart) && !claimStart.startsWith(line)) return false
  }
  return true
}

const readBytes = (fs: FileSystem.FileSystem, file: string, options: FileSystem.StreamOptions) =>
  Effect.map(Stream.runCollect(fs.stream(file, options)), (chunks) => concat(Chunk.toReadonlyArray(chunks)))

/** What the file begins with. */
const readHead = (fs: FileSystem.FileSystem, file: string): Effect.Effect<string, PlatformError> =>
  readBytes(fs, file, { bytesToRead: headBytes }).pipe(
    Effect.map((bytes) => new TextDecoder().decode(bytes)),
    Effect.catchIf((error) => error._tag === "SystemError" && error.reason === "NotFound", () => Effect.succeed(""))
  )

/** On the disk when it ends. */
const write = (fs: FileSystem.FileSystem, file: string, value: unknown): Effect.Effect<void, PlatformError> =>
  Effect.scoped(
    Effect.flatMap(
      fs.open(file, { flag: "a" }),
      (opened) => Effect.zipRight(opened.writeAll(new TextEncoder().encode(toLine(value))), opened.sync)
    )
  )

const take = (fs: FileSystem.FileSystem, file: string): Effect.Effect<Claimed, PlatformError> =>
  Effect.suspend(() => {
    const owner = globalThis.crypto.randomUUID()
    /** Of the first line that has not been read. */
    let offset = 0
    let epoch = 0
    let isTaken = false

    const readOn = Effect.suspend(() => readBytes(fs, file, { offset })).pipe(
      Effect.map((bytes) => {
        // Another owner may be in the middle of a line.
        const end = bytes.lastIndexOf(newline) + 1
        offset += end
        return new TextDecoder().decode(bytes.subarray(0, end))
      })
    )

    const append = (seq: number, entry: unknown) =>
      Effect.suspend(() => {
        if (isTaken) return Effect.succeed(false)
        return write(fs, file, { epoch, seq, entry }).pipe(
          Effect.zipRight(readOn),
          Effect.map((text) => {
            isTaken = hasClaim(text)
            return !isTaken
          })
        )
      })

    return write(fs, file, { owner }).pipe(
      Effect.zipRight(readOn),
      Effect.map((text) => {
        const found = read(text, owner)
        epoch = found.epoch
        isTaken = found.isTaken
        return { epoch, values: found.values, append }
      })
    )
  })

/** Takes the conversation over and reads it. `undefined`: the file is something else, and is left as it is. */
export const claim = (fs: FileSystem.FileSystem, file: string): Effect.Effect<Claimed | undefined, PlatformError> =>
  Effect.flatMap(readHead(fs, file), (head) => isJournal(head) ? take(fs, file) : Effect.succeed(undefined))
