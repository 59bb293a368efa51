import { assert, describe, it } from "@effect/vitest"
import type { Kept } from "../src/internal/socket/head.ts"
import * as StoredHeads from "../src/internal/socket/storedHeads.ts"
import * as Keeping from "./support/kept.ts"

const head = (id: string, inputBytes = 1): Kept => Keeping.make(id, { inputBytes })

const headOf = (id: string, identity: string): Kept =>
  Keeping.make(id, { place: { connection: { identity }, lane: {} } })

const ids = (stored: StoredHeads.StoredHeads, identity?: string) =>
  stored.newestFirst(identity).map(({ head }) => head.responseId)

const storing = (...heads: ReadonlyArray<Kept>) => {
  const stored = StoredHeads.make()
  for (const kept of heads) stored.add(kept)
  return stored
}

const mebibyte = 1024 * 1024

describe("stored heads", () => {
  it("are given the newest first, one for each response", () => {
    const stored = storing(head("a"), head("b"), head("a", 7), head("c"))
    assert.deepStrictEqual(ids(stored), ["c", "a", "b"])
    assert.strictEqual(stored.newestFirst()[1]?.inputBytes, 7)
  })

  it("keep nothing of the connection that they outlive but who it was opened for", () => {
    const connection = { identity: "one", socket: {} }
    const [kept] = storing(Keeping.make("a", { place: { connection, lane: {} } })).newestFirst("one")
    assert.deepStrictEqual(kept?.place, { connection: { identity: "one" }, lane: {} })
  })

  it("are the latest 64", () => {
    const stored = storing(...Array.from({ length: 65 }, (_, index) => head(String(index))))
    assert.strictEqual(ids(stored).length, 64)
    assert.deepStrictEqual([ids(stored)[0], ids(stored).at(-1)], ["64", "1"])
  })

  it("are the latest of 32 MiB together", () => {
    const stored = storing(head("a", 16 * mebibyte), head("b", 16 * mebibyte))
    assert.deepStrictEqual(ids(stored), ["b", "a"])
    stored.add(head("c", 1))
    assert.deepStrictEqual(ids(stored), ["c", "b"])
  })

  it("are given up where they are to be", () => {
    const stored = storing(head("a"), head("b"), head("c"))
    stored.remove(({ head }) => head.responseId !== "b")
    assert.deepStrictEqual(ids(stored), ["b"])
    stored.remove(() => true)
    assert.deepStrictEqual(ids(stored), [])
  })

  it("are known to the caller alone who stored them, and to whoever asks for those of all", () => {
    const stored = storing(headOf("a", "me"), headOf("b", "you"), headOf("c", "me"))
    assert.deepStrictEqual(ids(stored, "me"), ["c", "a"])
    assert.deepStrictEqual(ids(stored, "you"), ["b"])
    assert.deepStrictEqual(ids(stored, "nobody"), [])
    assert.deepStrictEqual(ids(stored), ["c", "b", "a"])
  })
})
