import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as FairQueue from "../src/internal/effect/fairQueue.ts"

interface Item {
  /** `undefined`: urgent. */
  readonly key: number | undefined
  readonly number: number
  readonly home: number
}

/** The same with plain lists, for few keys and few steps. */
class Model {
  private urgent: ReadonlyArray<Item> = []
  /** In the order of their turns. A key that has nothing keeps its turn until that has come, or all have nothing. */
  private turns: ReadonlyArray<{ readonly key: number; readonly items: ReadonlyArray<Item> }> = []

  get size(): number {
    return this.urgent.length + this.turns.reduce((sum, { items }) => sum + items.length, 0)
  }

  add(item: Item): void {
    const { key } = item
    if (key === undefined) this.urgent = [...this.urgent, item]
    else if (!this.turns.some((turn) => turn.key === key)) this.turns = [...this.turns, { key, items: [item] }]
    else this.change(key, (items) => [...items, item])
  }

  remove(item: Item): void {
    this.urgent = this.urgent.filter((other) => other !== item)
    if (item.key !== undefined) this.change(item.key, (items) => items.filter((other) => other !== item))
    if (this.size === 0) this.turns = []
  }

  next(isPreferred: (item: Item) => boolean, onlyPreferred: boolean): Item | undefined {
    const [first] = this.urgent
    if (first !== undefined) {
      this.remove(first)
      return first
    }
    const due = this.turns.findIndex(({ items }) => items.length > 0)
    this.turns = due < 0 ? [] : this.turns.slice(due)
    const preferred = this.turns.find(({ items }) => items[0] !== undefined && isPreferred(items[0]))
    const turn = preferred ?? (onlyPreferred ? undefined : this.turns[0])
    if (turn === undefined) return undefined
    const [item, ...items] = turn.items
    this.turns = [...this.turns.filter((other) => other !== turn), { ...turn, items }]
    if (this.size === 0) this.turns = []
    return item
  }

  private change(key: number, f: (items: ReadonlyArray<Item>) => ReadonlyArray<Item>): void {
    this.turns = this.turns.map((turn) => turn.key === key ? { ...turn, items: f(turn.items) } : turn)
  }
}

const { array, boolean, constant, nat, oneof, option, record } = FastCheck

const operation = oneof(
  { weight: 4, arbitrary: record({ _tag: constant("add" as const), key: nat(5), home: nat(2) }) },
  { weight: 1, arbitrary: record({ _tag: constant("hurry" as const), home: nat(2) }) },
  { weight: 2, arbitrary: record({ _tag: constant("remove" as const), which: nat(200) }) },
  {
    weight: 4,
    arbitrary: record({ _tag: constant("next" as const), home: option(nat(2), { nil: undefined }), only: boolean() })
  }
)

const queueOf = (...items: ReadonlyArray<readonly [key: string, value: string]>) => {
  const queue = new FairQueue.FairQueue<string>()
  return { queue, entries: items.map(([key, value]) => queue.add(key, value)) }
}

describe("a fair queue", () => {
  it("gives what a simple one gives, whatever was added, removed and taken before", () => {
    FastCheck.assert(
      FastCheck.property(array(operation, { maxLength: 200, size: "max" }), (operations) => {
        const queue = new FairQueue.FairQueue<Item>()
        const model = new Model()
        const all: Array<FairQueue.Entry<Item>> = []
        const add = (key: number | undefined, home: number) => {
          const item = { key, home, number: all.length }
          model.add(item)
          all.push(key === undefined ? queue.addUrgent(item) : queue.add(key, item))
        }
        for (const operation of operations) {
          switch (operation._tag) {
            case "add":
              add(operation.key, operation.home)
              break
            case "hurry":
              add(undefined, operation.home)
              break
            case "remove": {
              // Often one that has left already.
              const entry = all[operation.which % Math.max(all.length, 1)]
              if (entry === undefined) break
              queue.remove(entry)
              model.remove(entry.value)
              break
            }
            case "next": {
              const { home, only } = operation
              const isPreferred = (item: Item) => item.home === home
              assert.strictEqual(queue.next(isPreferred, only), model.next(isPreferred, only))
            }
          }
          assert.strictEqual(queue.size, model.size)
        }
        const rest = Array.from({ length: model.size }, () => model.next(() => false, false))
        assert.deepStrictEqual([...queue.drain()], rest)
        assert.strictEqual(queue.size, 0)
      }),
      { numRuns: 300 }
    )
  })

  it("serves no key twice while another one waits, and each in its own order", () => {
    FastCheck.assert(
      FastCheck.property(array(nat(4), { minLength: 1, maxLength: 40 }), (keys) => {
        const queue = new FairQueue.FairQueue<Item>()
        const left = new Map<number, Array<number>>()
        for (const [number, key] of keys.entries()) {
          queue.add(key, { key, number, home: 0 })
          left.set(key, [...left.get(key) ?? [], number])
        }
        /** For each key: who was served since it was. */
        const since = new Map([...left.keys()].map((key) => [key, new Set<number>()]))
        for (const { key = -1, number } of queue.drain()) {
          assert.strictEqual(left.get(key)?.shift(), number)
          for (const [other, served] of since) {
            if (other === key || left.get(other)?.length === 0) continue
            assert.isFalse(served.has(key), `${key} was served twice while ${other} waited`)
            served.add(key)
          }
          since.set(key, new Set())
        }
      })
    )
  })

  it("lets keys take turns, however much one of them has", () => {
    const { queue } = queueOf(["a", "a1"], ["a", "a2"], ["a", "a3"], ["b", "b1"], ["c", "c1"], ["b", "b2"])
    assert.deepStrictEqual([...queue.drain()], ["a1", "b1", "c1", "a2", "b2", "a3"])
  })

  it("gives a key that comes back no turn before those who wait", () => {
    const { queue } = queueOf(["a", "a1"], ["b", "b1"], ["b", "b2"])
    assert.strictEqual(queue.next(), "a1")
    queue.add("a", "a2")
    assert.deepStrictEqual([...queue.drain()], ["b1", "a2", "b2"])
  })

  it("serves what is urgent before all others, in its own order, and whoever is preferred", () => {
    const { queue } = queueOf(["a", "a1"], ["b", "b1"])
    queue.addUrgent("first")
    queue.addUrgent("second")
    assert.strictEqual(queue.next((value) => value === "b1", true), "first")
    assert.deepStrictEqual([...queue.drain()], ["second", "a1", "b1"])
  })

  it("looks only at what a key has first for one that is preferred", () => {
    const { queue } = queueOf(["a", "a1"], ["b", "b1"], ["b", "b2"])
    assert.isUndefined(queue.next((value) => value === "b2", true))
    assert.strictEqual(queue.next((value) => value === "b1", true), "b1")
    assert.strictEqual(queue.next((value) => value === "b2"), "b2")
    assert.strictEqual(queue.size, 1)
  })

  it("gives nobody's turn away when none is preferred", () => {
    const { queue } = queueOf(["a", "a1"], ["b", "b1"])
    assert.isUndefined(queue.next(() => false, true))
    assert.strictEqual(queue.size, 2)
    assert.deepStrictEqual([...queue.drain()], ["a1", "b1"])
  })

  for (const only of [false, true]) {
    it(`lets others go before one whose turn it is a thousand times${only ? ", where only they may" : ""}`, () => {
      const { queue } = queueOf(["a", "a1"])
      for (let index = 0; index < 1002; index++) queue.add(`b${index % 2}`, "b")
      const served = Array.from({ length: 1003 }, () => queue.next((value) => value === "b", only))
      assert.strictEqual(served.indexOf("a1"), 1000)
      assert.strictEqual(queue.size, 0)
    })
  }

  it("counts anew after each turn how often others went before", () => {
    const { queue } = queueOf(["a", "a1"], ["a", "a2"])
    for (let index = 0; index < 3000; index++) queue.add("b", "b")
    const served = Array.from({ length: 3002 }, () => queue.next((value) => value === "b"))
    // In between it is the turn of those who went before.
    assert.deepStrictEqual([served.indexOf("a1"), served.indexOf("a2")], [1000, 2002])
  })

  it("looks at the 256 keys whose turns are nearest for one that is preferred", () => {
    const { queue } = queueOf(...Array.from({ length: 257 }, (_, index) => [`${index}`, `${index}`] as const))
    assert.isUndefined(queue.next((value) => value === "256", true))
    assert.strictEqual(queue.next((value) => value === "255", true), "255")
    assert.strictEqual(queue.next((value) => value === "256", true), "256")
  })

  it("keeps the order of 5000 keys, of which most leave", () => {
    const numbers = Array.from({ length: 5000 }, (_, index) => index)
    const { entries, queue } = queueOf(...numbers.map((number) => [`${number}`, `${number}`] as const))
    for (const number of numbers) if (number % 5 > 0) queue.remove(entries[number]!)
    const some = numbers.filter((number) => number % 5 === 0)
    const half = some.slice(0, 700).map(() => queue.next())
    queue.add("0", "again")
    assert.deepStrictEqual([...half, ...queue.drain()], [...some.map(String), "again"])
    // It is as good as new.
    for (const key of ["a", "a", "b"]) queue.add(key, key)
    assert.deepStrictEqual([...queue.drain()], ["a", "b", "a"])
  })

  it("lets an entry leave once only", () => {
    const { entries, queue } = queueOf(["a", "a1"], ["a", "a2"], ["a", "a3"])
    const [one, two] = entries
    assert.strictEqual(queue.next(), "a1")
    for (const entry of [one, two, two]) queue.remove(entry!)
    assert.strictEqual(queue.size, 1)
    assert.deepStrictEqual([...queue.drain()], ["a3"])
  })
})
