import { assert, describe, it } from "@effect/vitest"
import * as Fingerprint from "../src/internal/compare/fingerprint.ts"
import type { Kept } from "../src/internal/socket/head.ts"
import { HeadIndex, type Loss } from "../src/internal/socket/headIndex.ts"
import type { ResponseItem } from "../src/ResponseItem.ts"
import * as Item from "../src/ResponseItem.ts"
import * as Keeping from "./support/kept.ts"

const says = (...texts: ReadonlyArray<string>): ReadonlyArray<ResponseItem> => texts.map((text) => Item.user(text))

/** The head of a conversation in which this was said. */
const head = (id: string, ...texts: ReadonlyArray<string>): Kept => Keeping.make(id, { input: says(...texts), at: 7 })

const ids = (heads: ReadonlyArray<Kept>) => heads.map(({ head }) => head.responseId)

const indexOf = (...heads: ReadonlyArray<Kept>): HeadIndex => {
  const index = new HeadIndex()
  for (const kept of heads) index.add(kept)
  return index
}

const find = (index: HeadIndex, ...texts: ReadonlyArray<string>) => ids(index.find(says(...texts)))

const rootOf = (...texts: ReadonlyArray<string>) => Fingerprint.root(says(...texts))

const trace = (index: HeadIndex, text: string): string => {
  const found = index.lastTrace(rootOf(text))
  if (found === undefined) return "nothing"
  return found._tag === "Head" ? found.kept.head.responseId : `${found.loss} ${found.usedAt}`
}

describe("the index of heads", () => {
  it("finds the heads that a history begins with, the longest first, and of equal ones the newest", () => {
    const index = indexOf(
      head("short", "a"),
      head("long", "a", "b", "c"),
      head("middle", "a", "b"),
      head("again", "a", "b"),
      head("other", "b"),
      head("longer", "a", "b", "c", "d")
    )
    assert.deepStrictEqual(find(index, "a", "b", "c", "x"), ["long", "again", "middle", "short"])
    assert.deepStrictEqual(find(index, "a"), ["short"])
    assert.deepStrictEqual(find(index, "x", "a"), [])
    assert.deepStrictEqual(find(index), [])
  })

  it("finds a head whose reasoning the caller has left out", () => {
    const reasoning = { type: "reasoning", id: "rs_1", summary: [] } as ResponseItem
    const index = indexOf(Keeping.make("a", { input: [...says("a"), reasoning] }))
    assert.deepStrictEqual(find(index, "a", "b"), ["a"])
  })

  // BUG: a warm-up may have no input. It was continued by whatever came next; now only if nothing came in between.
  it("finds a head of no items", () => {
    assert.deepStrictEqual(find(indexOf(Keeping.make("warm", { input: [] })), "a"), ["warm"])
  })

  it("finds four at the most, which are the longest, and the newest", () => {
    const many = indexOf(...Array.from({ length: 6 }, (_, index) => head(String(index), "a")))
    assert.deepStrictEqual(find(many, "a", "b"), ["5", "4", "3", "2"])
    many.add(head("long", "a", "b"))
    assert.deepStrictEqual(find(many, "a", "b"), ["long", "5", "4", "3"])
  })

  it("forgets one of several that are equal, and no other", () => {
    const [one, two, three] = [head("1", "a"), head("2", "a"), head("3", "a")]
    const index = indexOf(one, two, three)
    index.remove(two)
    assert.deepStrictEqual(find(index, "a"), ["3", "1"])
    index.remove(two)
    index.remove(head("3", "a"))
    assert.deepStrictEqual(find(index, "a"), ["3", "1"])
    index.remove(one)
    index.remove(three)
    assert.deepStrictEqual(find(index, "a"), [])
  })

  it("knows the head that was put out last until it is gone", () => {
    const [one, two] = [head("1", "a"), head("2", "b")]
    const index = indexOf(one, two)
    assert.strictEqual(index.recent(), two)
    index.remove(one)
    assert.strictEqual(index.recent(), two)
    index.remove(two)
    assert.isUndefined(index.recent())
  })
})

describe("what became of a conversation", () => {
  it("is its newest head, or why that is gone", () => {
    const [one, two] = [head("1", "a"), head("2", "a", "b")]
    const index = indexOf(one)
    assert.deepStrictEqual([trace(index, "a"), trace(index, "b")], ["1", "nothing"])
    index.remove(one)
    assert.strictEqual(trace(index, "a"), "nothing", "it was continued")
    index.add(two)
    index.remove(two, "Displaced")
    assert.strictEqual(trace(index, "a"), "Displaced 7")
    index.add(one)
    assert.strictEqual(trace(index, "a"), "1")
    index.lost(rootOf("c"), "AfterFailure", 9)
    assert.strictEqual(trace(index, "c"), "AfterFailure 9")
  })

  it("is counted by its losses", () => {
    const losses: ReadonlyArray<Loss> = ["AfterFailure", "Displaced", "Displaced", "Forgotten", "NewConnection"]
    const index = new HeadIndex()
    for (const [number, loss] of losses.entries()) {
      const kept = head(String(number), "a")
      index.add(kept)
      index.remove(kept, loss)
    }
    assert.deepStrictEqual(index.losses, { AfterFailure: 1, Displaced: 2, Forgotten: 1, NewConnection: 1 })
  })

  it("is kept of its four latest turns: the newest heads of it, whatever they end with", () => {
    const heads = Array.from({ length: 6 }, (_, index) => head(String(index), "a", String(index)))
    const index = indexOf(...heads)
    assert.deepStrictEqual(ids(index.ofRoot(rootOf("a"))), ["5", "4", "3", "2"])
    const last = heads.at(-1)
    if (last !== undefined) index.remove(last, "Forgotten")
    assert.deepStrictEqual(ids(index.ofRoot(rootOf("a"))), ["4", "3", "2"])
    assert.deepStrictEqual(ids(index.ofRoot(rootOf("b"))), [])
    // It is explained no more, and found all the same.
    assert.deepStrictEqual(find(index, "a", "0"), ["0"])
  })

  it("is kept of 1024 conversations, those that were used last", () => {
    const heads = Array.from({ length: 1024 }, (_, index) => head(String(index), String(index)))
    const index = indexOf(...heads)
    index.add(head("again", "0", "again"))
    index.lost(rootOf("new"), "Forgotten", 0)
    assert.deepStrictEqual(["0", "1", "2", "new"].map((text) => trace(index, text)), [
      "again",
      "nothing",
      "2",
      "Forgotten 0"
    ])
    assert.deepStrictEqual(find(index, "1"), ["1"])
  })
})
