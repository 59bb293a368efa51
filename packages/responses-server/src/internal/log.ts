/** What happened, as far back as there is room for, and whoever listens to what comes. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

export interface Log<A> {
  readonly add: (entry: A, bytes: number) => void
  readonly entries: () => ReadonlyArray<A>
  /** What is kept, and then what comes. */
  readonly stream: Stream.Stream<A>
}

export const make = <A>(options: {
  readonly limit: number
  readonly bytes: number
  readonly onDrop?: (entry: A) => void
}): Log<A> => {
  let kept: Array<{ readonly entry: A; readonly bytes: number }> = []
  /** Where the kept ones begin: moving all of them for each that goes would cost too much. */
  let head = 0
  let bytes = 0
  const listeners = new Set<Queue.Enqueue<A>>()

  const isOver = () => kept.length - head > 1 && (kept.length - head > options.limit || bytes > options.bytes)

  const trim = () => {
    while (isOver()) {
      const oldest = kept[head++]
      if (oldest === undefined) return
      bytes -= oldest.bytes
      options.onDrop?.(oldest.entry)
    }
    if (head > 1024 && head > kept.length / 2) {
      kept = kept.slice(head)
      head = 0
    }
  }

  const entries = () => kept.slice(head).map(({ entry }) => entry)

  return {
    entries,
    add: (entry, size) => {
      kept.push({ entry, bytes: size })
      bytes += size
      trim()
      for (const listener of listeners) listener.unsafeOffer(entry)
    },
    stream: Stream.unwrapScoped(
      Effect.gen(function*() {
        const queue = yield* Effect.acquireRelease(
          Effect.map(Queue.unbounded<A>(), (queue) => {
            for (const entry of entries()) queue.unsafeOffer(entry)
            listeners.add(queue)
            return queue
          }),
          (queue) =>
            Effect.suspend(() => {
              listeners.delete(queue)
              return Queue.shutdown(queue)
            })
        )
        return Stream.fromQueue(queue)
      })
    )
  }
}
