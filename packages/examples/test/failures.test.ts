/** Whatever the README says about failures is so. `UPDATE_README=1` writes its table anew. */
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { rows } from "./support/failures.ts"

const readme = fileURLToPath(new URL("../../../README.md", import.meta.url))

const cells = rows.map(({ delivery, does, happens, sees }) => [happens, does, sees, delivery])

/** As dprint aligns it. */
const toTable = (lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const line = (texts: ReadonlyArray<string>, fill: string) =>
    `| ${widths.map((width, column) => (texts[column] ?? "").padEnd(width, fill)).join(" | ")} |`
  const [head = [], ...body] = lines
  return [line(head, " "), line([], "-"), ...body.map((texts) => line(texts, " "))].join("\n")
}

const table = toTable([["What happens", "What the library does", "What you see", "`delivery`"], ...cells])

const marked = /(<!-- failures -->\n+)([^]*?)(\n+<!-- \/failures -->)/

describe("when things go wrong", () => {
  for (const { delivery, happens, ran, run, sees } of rows) {
    it.scopedLive(happens, () => Effect.map(run, (seen) => assert.deepStrictEqual(seen, { sees, delivery, ran })))
  }

  it.effect("the README says just that", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const page = yield* fs.readFileString(readme)
      if (process.env["UPDATE_README"] === "1") {
        yield* fs.writeFileString(readme, page.replace(marked, (_, before, __, after) => before + table + after))
      } else {
        assert.strictEqual(marked.exec(page)?.[2], table)
      }
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})
