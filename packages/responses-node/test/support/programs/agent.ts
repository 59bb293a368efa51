/** An agent with its journal in files. It is killed at a chosen write, and may be started again. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as ConversationJournal from "effect-responses/ConversationJournal"
import * as ResponsesTest from "effect-responses/ResponsesTest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import * as Courses from "../../../../responses/test/support/agentCourses.ts"

const [directory = "", given = "[]", at = "", when = ""] = process.argv.slice(2)

const course: Courses.Course = JSON.parse(given)

const log = (line: unknown) => appendFileSync(join(directory, "log"), `${JSON.stringify(line)}\n`)

const model = Courses.script(course, (asked) => log({ asked }))

let writes = 0

/** `almost`: without the line break at its end. */
const hows = ["before", "inTheMiddle", "almost", "after"] as const

/** Absent: it is not killed. */
const how = hows.find((one) => one === when)

/** A file system that kills the process before, after, or in the middle of a write. */
const deadly = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) => ({
    ...fs,
    open: (path: string, options?: FileSystem.OpenFileOptions) =>
      Effect.map(
        fs.open(path, options),
        (file): FileSystem.File =>
          Object.assign(Object.create(file) as FileSystem.File, {
            writeAll: (bytes: Uint8Array) => {
              if (writes++ !== Number(at) || how === undefined) return file.writeAll(bytes)
              const { length } = bytes
              const parts = { before: 0, inTheMiddle: Math.floor(length / 2), almost: length - 1, after: length }
              const part = parts[how]
              const kill = Effect.zipRight(Effect.sync(() => process.kill(process.pid, "SIGKILL")), Effect.never)
              return part === 0 ? kill : Effect.zipRight(file.writeAll(bytes.subarray(0, part)), kill)
            }
          })
      )
  }))
)

const journal = ConversationJournal.layerFile({ directory }).pipe(
  Layer.provide(deadly),
  Layer.provide(NodeContext.layer)
)

await Courses.inNewProcess(course, (ran) => log({ ran })).pipe(
  Effect.map((history) => process.stdout.write(`${JSON.stringify({ history, writes })}\n`)),
  Effect.provide(Layer.merge(journal, ResponsesTest.layer(model))),
  Effect.runPromise
)
