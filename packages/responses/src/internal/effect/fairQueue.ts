/**
 * A queue in which keys take turns: each has its own order of arrival, and none waits longer for another's many entries than for
 * one of them. Effect's `Queue` has one order for all.
 */

import { constFalse } from "effect/Function"

interface Ring<A> {
  readonly key: unknown
  /** How often others were preferred to it since its turn came. */
  passed: number
  first: Entry<A> | undefined
  last: Entry<A> | undefined
}

/** Where an entry waits. */
export interface Entry<A> {
  readonly value: A
  /** `undefined` once it has left. */
  ring: Ring<A> | undefined
  before: Entry<A> | undefined
  after: Entry<A> | undefined
}

/** So many keys are looked at for one that is preferred, and so often others go before one whose turn it is. */
const maxLooked = 256
const maxPassed = 1000

/** Entries that have had their turn and need another one. */
const urgent = Symbol("urgent")

export class FairQueue<A> {
  /** In the order of their turns. Linked entries, as V8 looks at what was deleted before it finds the first of a `Map`. */
  private readonly rings = new Map<unknown, Ring<A>>()
  private order: Array<Ring<A>> = []
  private head = 0
  private count = 0

  get size(): number {
    return this.count
  }

  add(key: unknown, value: A): Entry<A> {
    let ring = this.rings.get(key)
    if (ring === undefined) {
      ring = { key, passed: 0, first: undefined, last: undefined }
      this.rings.set(key, ring)
      if (key !== urgent) this.order.push(ring)
    }
    const entry: Entry<A> = { value, ring, before: ring.last, after: undefined }
    if (ring.last === undefined) ring.first = entry
    else ring.last.after = entry
    ring.last = entry
    this.count++
    return entry
  }

  /** Before all others but those that are urgent already. */
  addUrgent(value: A): Entry<A> {
    return this.add(urgent, value)
  }

  /** Before all others. */
  addFirst(value: A): Entry<A> {
    const ring = this.rings.get(urgent)
    const first = ring?.first
    if (ring === undefined || first === undefined) return this.addUrgent(value)
    const entry: Entry<A> = { value, ring, before: undefined, after: first }
    first.before = ring.first = entry
    this.count++
    return entry
  }

  remove(entry: Entry<A>): void {
    const { after, before, ring } = entry
    if (ring === undefined) return
    if (before === undefined) ring.first = after
    else before.after = after
    if (after === undefined) ring.last = before
    else after.before = before
    entry.ring = entry.before = entry.after = undefined
    this.count--
    if (this.count === 0) return this.clear()
    // A ring that is empty leaves the order when its turn comes, or when most of them are.
    if (ring.first === undefined && this.order.length - this.head > 2 * this.count + 64) this.compact()
  }

  /**
   * The entry whose turn it is, which leaves. One that is preferred may go before it, from among those whose turns are near, but
   * not for ever. `onlyPreferred`: or else none.
   */
  next(isPreferred: (value: A) => boolean = constFalse, onlyPreferred = false): A | undefined {
    const first = this.rings.get(urgent)?.first
    if (first !== undefined) return this.take(first)
    this.skipEmpty()
    const due = this.order[this.head]
    if (due?.first === undefined) return undefined
    const found = due.passed < maxPassed ? this.preferred(isPreferred) : this.head
    if (found === undefined && onlyPreferred) return undefined
    const preferred = found ?? this.head
    if (preferred !== this.head) due.passed++
    const [ring = due] = this.order.splice(preferred, 1)
    ring.passed = 0
    this.order.push(ring)
    return ring.first === undefined ? undefined : this.take(ring.first)
  }

  /** All of them, in the order of their turns. They leave. */
  *drain(): Iterable<A> {
    for (let value = this.next(); value !== undefined; value = this.next()) yield value
  }

  private preferred(isPreferred: (value: A) => boolean): number | undefined {
    const end = Math.min(this.order.length, this.head + maxLooked)
    for (let index = this.head; index < end; index++) {
      const value = this.order[index]?.first?.value
      if (value !== undefined && isPreferred(value)) return index
    }
    return undefined
  }

  private take(entry: Entry<A>): A {
    this.remove(entry)
    return entry.value
  }

  /** Keys that have nothing any more leave when their turn comes. */
  private skipEmpty(): void {
    for (
      let ring = this.order[this.head];
      ring !== undefined && ring.first === undefined;
      ring = this.order[this.head]
    ) {
      this.rings.delete(ring.key)
      this.head++
    }
    if (this.head < 64 || this.head * 2 < this.order.length) return
    this.order = this.order.slice(this.head)
    this.head = 0
  }

  /** Keys may be fibers, which are not to be kept by a queue that nobody is in. */
  private clear(): void {
    this.rings.clear()
    this.order = []
    this.head = 0
  }

  private compact(): void {
    const [used, empty] = [[], []] as [Array<Ring<A>>, Array<Ring<A>>]
    for (const ring of this.order.slice(this.head)) (ring.first === undefined ? empty : used).push(ring)
    for (const { key } of empty) this.rings.delete(key)
    this.order = used
    this.head = 0
  }
}
