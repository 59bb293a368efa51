import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Heap from "../src/internal/effect/heap.ts"

const entry = (at: number, order: number): Heap.Entry => ({ at, order, place: -1 })

const compare = (one: Heap.Entry, other: Heap.Entry) => one.at - other.at || one.order - other.order

/** Takes all out, from the first to the last. */
const takeAll = (heap: Array<Heap.Entry>): ReadonlyArray<Heap.Entry> => {
  const taken: Array<Heap.Entry> = []
  for (let first = heap[0]; first !== undefined; first = heap[0]) {
    taken.push(first)
    Heap.remove(heap, first)
  }
  return taken
}

describe("a heap", () => {
  it("gives what is in it in order, whatever was added and removed before", () => {
    const { array, nat, oneof, record } = FastCheck
    const operation = oneof(
      { weight: 2, arbitrary: record({ add: nat(20) }) },
      { weight: 1, arbitrary: record({ remove: nat(100) }) }
    )
    FastCheck.assert(FastCheck.property(array(operation, { maxLength: 100, size: "max" }), (operations) => {
      const heap: Array<Heap.Entry> = []
      const all: Array<Heap.Entry> = []
      const model = new Set<Heap.Entry>()
      for (const operation of operations) {
        if ("add" in operation) {
          const added = entry(operation.add, all.length)
          all.push(added)
          model.add(added)
          Heap.add(heap, added)
        } else {
          // Often one that is not in it any more.
          const removed = all[operation.remove % Math.max(all.length, 1)]
          if (removed === undefined) continue
          model.delete(removed)
          Heap.remove(heap, removed)
        }
        assert.strictEqual(heap[0], [...model].toSorted(compare)[0])
        assert.strictEqual(heap.length, model.size)
      }
      assert.deepStrictEqual(takeAll(heap), [...model].toSorted(compare))
    }))
  })

  it("leaves alone what another heap holds", () => {
    const one: Array<Heap.Entry> = []
    const other: Array<Heap.Entry> = []
    const mine = entry(1, 0)
    Heap.add(one, mine)
    Heap.add(other, entry(1, 0))
    Heap.remove(other, mine)
    assert.deepStrictEqual([one.length, other.length], [1, 1])
  })
})
