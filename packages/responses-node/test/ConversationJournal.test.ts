/** One suite for each journal, and what only files have. */
import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ConversationJournal, ResponseItem } from "effect-responses"

const asked: ConversationJournal.Entry = { _tag: "Asked", input: [ResponseItem.user("line\nbreak \u2028 \u{1F600}")] }
const answered: ConversationJournal.Entry = { _tag: "Answered", output: [ResponseItem.message("assistant", "b")] }
const started: ConversationJournal.Entry = { _tag: "Started", callId: "1", attempt: 1 }

const load = (id = "c") => Effect.flatMap(ConversationJournal.ConversationJournal, (journal) => journal.load(id))

const directory = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const files = Layer.unwrapScoped(
  Effect.map(directory, (parent) => ConversationJournal.layerFile({ directory: `${parent}/not/yet` }))
).pipe(Layer.provide(NodeContext.layer))

for (
  const [name, journal] of [["in memory", ConversationJournal.layerMemory], ["in files", files]] as const
) {
  describe(`a journal ${name}`, () => {
    const test = (
      what: string,
      effect: Effect.Effect<void, unknown, ConversationJournal.ConversationJournal>
    ) => it.effect(what, () => Effect.provide(effect, journal))

    test(
      "gives back what was written, with an epoch that rises",
      Effect.gen(function*() {
        const first = yield* load()
        assert.deepStrictEqual(first.entries, [])
        yield* first.append(0, asked)
        yield* first.append(1, answered)
        const second = yield* load()
        assert.deepStrictEqual(second.entries, [asked, answered])
        assert.isAbove(second.epoch, first.epoch)
        yield* second.append(2, started)
        assert.deepStrictEqual((yield* load()).entries, [asked, answered, started])
      })
    )

    test(
      "gives back what was approved",
      Effect.gen(function*() {
        const entries: ReadonlyArray<ConversationJournal.Entry> = [
          { _tag: "Held", callId: "1" },
          { _tag: "Approved", callId: "1" },
          { _tag: "Decided", response: ResponseItem.mcpApprovalResponse("r", false, "too much") }
        ]
        const owned = yield* load()
        yield* Effect.forEach(entries, (entry, seq) => owned.append(seq, entry))
        assert.deepStrictEqual((yield* load()).entries, entries)
      })
    )

    test(
      "writes a number once",
      Effect.gen(function*() {
        const owned = yield* load()
        yield* owned.append(0, asked)
        yield* owned.append(0, answered)
        yield* owned.append(1, started)
        yield* owned.append(0, answered)
        assert.deepStrictEqual((yield* load()).entries, [asked, started])
      })
    )

    test(
      "fences the older owner, also one that has not written yet",
      Effect.gen(function*() {
        const idle = yield* load()
        const older = yield* load()
        yield* older.append(0, asked)
        const newer = yield* load()
        for (const owner of [idle, older]) {
          for (const seq of [0, 1, 2]) {
            const error = yield* Effect.flip(owner.append(seq, started))
            assert.deepInclude(error, { _tag: "ConversationTaken", id: "c", epoch: owner.epoch })
          }
        }
        yield* newer.append(1, answered)
        assert.deepStrictEqual((yield* load()).entries, [asked, answered])
      })
    )

    test(
      "has one owner of many that come at once",
      Effect.gen(function*() {
        const owners = yield* Effect.all(Effect.replicate(load(), 8), { concurrency: "unbounded" })
        assert.strictEqual(new Set(owners.map(({ epoch }) => epoch)).size, 8)
        const exits = yield* Effect.forEach(owners, (owned) => Effect.either(owned.append(0, asked)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(exits.filter(({ _tag }) => _tag === "Right").length, 1)
        assert.deepStrictEqual((yield* load()).entries, [asked])
      })
    )

    test(
      "keeps conversations apart, whatever their ids",
      Effect.gen(function*() {
        const ids = ["c", "C/../c", "", "..", "é:%", "x".repeat(50)]
        yield* Effect.forEach(
          ids,
          (id) => Effect.flatMap(load(id), (owned) => owned.append(0, { _tag: "Failed", callId: id }))
        )
        for (const id of ids) {
          assert.deepStrictEqual((yield* load(id)).entries, [{ _tag: "Failed", callId: id }])
        }
      })
    )
  })
}

describe("a file", () => {
  const scenario = (
    what: string,
    test: (file: string, fs: FileSystem.FileSystem) => Effect.Effect<
      void,
      unknown,
      ConversationJournal.ConversationJournal
    >
  ) =>
    it.scoped(what, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const parent = yield* directory
        yield* Effect.provide(
          test(path.join(parent, "c.jsonl"), fs),
          ConversationJournal.layerFile({ directory: parent })
        )
      }).pipe(Effect.provide(NodeContext.layer)))

  scenario(
    "has half a line of an owner that was killed: it is as if it had not been written",
    (file, fs) =>
      Effect.gen(function*() {
        const first = yield* load()
        yield* first.append(0, asked)
        yield* first.append(1, answered)
        const bytes = yield* fs.readFile(file)
        const newline = "\n".charCodeAt(0)
        for (let length = bytes.lastIndexOf(newline, -2); length < bytes.length - 1; length++) {
          yield* fs.writeFile(file, bytes.subarray(0, length))
          const next = yield* load()
          assert.deepStrictEqual(next.entries, [asked])
          yield* next.append(1, started)
          assert.deepStrictEqual((yield* load()).entries, [asked, started])
        }
      })
  )

  scenario(
    "does not count what a slow owner writes after another has taken over",
    (file, fs) =>
      Effect.gen(function*() {
        const older = yield* load()
        yield* older.append(0, asked)
        const before = yield* fs.readFileString(file)
        yield* older.append(1, started)
        const late = (yield* fs.readFileString(file)).slice(before.length)
        yield* fs.writeFileString(file, before)
        const newer = yield* load()
        yield* fs.writeFileString(file, late, { flag: "a" })
        yield* newer.append(1, answered)
        assert.deepStrictEqual((yield* load()).entries, [asked, answered])
      })
  )

  for (
    const [what, text] of [
      ["an entry is missing", "{\"epoch\":1,\"seq\":1,\"entry\":{\"_tag\":\"Withdrawn\"}}"],
      ["an entry is of another kind", "{\"epoch\":1,\"seq\":0,\"entry\":{\"_tag\":\"Danced\"}}"],
      ["an entry is none", "{\"epoch\":1,\"seq\":0}"],
      ["an item is none", "{\"epoch\":1,\"seq\":0,\"entry\":{\"_tag\":\"Asked\",\"input\":[3]}}"]
    ] as const
  ) {
    scenario(`is malformed where ${what}`, (file, fs) =>
      Effect.gen(function*() {
        yield* fs.writeFileString(file, `{"owner":"x"}\n${text}\n`)
        const error = yield* Effect.flip(load())
        assert.deepInclude(error, { _tag: "JournalFailed", reason: "Malformed" })
      }))
  }

  for (
    const [what, text] of [
      ["text", "hello\nworld\n"],
      ["text without a line break", "hello"],
      ["text before a journal", "hello\n{\"owner\":\"x\"}\n"],
      ["text after an owner that was killed in its claim", "\n{\"own\nhello\n"],
      ["JSON of another kind", "{\"type\":\"message\"}\n{\"owner\":\"x\"}\n"],
      ["JSON that is no object", "[]\n"],
      ["an entry that nobody owns", "{\"epoch\":1,\"seq\":0,\"entry\":{\"_tag\":\"Withdrawn\"}}\n"],
      ["a long line", `${"x".repeat(100_000)}\n`]
    ] as const
  ) {
    scenario(`is malformed, and left as it is, where it begins with ${what}`, (file, fs) =>
      Effect.gen(function*() {
        yield* fs.writeFileString(file, text)
        const error = yield* Effect.flip(load())
        assert.deepInclude(error, { _tag: "JournalFailed", reason: "Malformed", id: "c" })
        assert.include(error.message, file)
        assert.strictEqual(yield* fs.readFileString(file), text)
      }))
  }

  scenario(
    "is a new one where it is empty, or where all that an owner wrote is a part of its claim",
    (file, fs) =>
      Effect.gen(function*() {
        yield* fs.writeFileString(file, "")
        yield* load()
        const claim = yield* fs.readFileString(file)
        for (const end of ["", "\n", "\r\n", "\n\n{\"ow"]) {
          for (let length = 0; length <= claim.length; length++) {
            yield* fs.writeFileString(file, claim.slice(0, length) + end)
            const owned = yield* load()
            assert.deepStrictEqual(owned.entries, [])
            yield* owned.append(0, asked)
            assert.deepStrictEqual((yield* load()).entries, [asked])
          }
        }
      })
  )

  scenario(
    "that cannot be written fails the conversation, and trying again does not help",
    (file, fs) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(file)
        const error = yield* Effect.flip(load())
        assert.deepInclude(error, { _tag: "JournalFailed", reason: "Unreachable", id: "c" })
        assert.isFalse(error.retryable)
      })
  )

  for (const below of ["", "/below"]) {
    scenario(
      `in place of the directory${below} fails the conversation, and trying again does not help`,
      (file, fs) =>
        Effect.gen(function*() {
          yield* fs.writeFileString(file, "")
          const journal = ConversationJournal.layerFile({ directory: `${file}${below}` })
          const error = yield* Effect.flip(Effect.provide(load(), Layer.provide(journal, NodeContext.layer)))
          assert.deepInclude(error, { _tag: "JournalFailed", reason: "Unreachable", id: "c" })
          assert.isFalse(error.retryable)
        })
    )
  }

  scenario("holds large outputs", () =>
    Effect.gen(function*() {
      const owned = yield* load()
      const large: ConversationJournal.Entry = {
        _tag: "Ended",
        output: ResponseItem.functionCallOutput("1", "é".repeat(5_000_000))
      }
      yield* owned.append(0, large)
      yield* owned.append(1, started)
      const { entries } = yield* load()
      assert.isTrue(JSON.stringify(entries) === JSON.stringify([large, started]))
    }))
})
