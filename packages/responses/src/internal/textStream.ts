/** A `ReadableStream` that text is put into without waiting. What nobody has read yet is gone when it fails. */

export interface TextStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly write: (text: string) => void
  readonly end: () => void
  readonly fail: (reason: unknown) => void
}

export interface Options {
  /** The reader has left. */
  readonly onCancel: () => Promise<void>
  /** All was read, the stream has failed or the reader has left. */
  readonly onSettled: () => void
}

export const make = (options: Options): TextStream => {
  const encoder = new TextEncoder()
  let unread: Array<string> = []
  let isWanted = false
  let isEnded = false
  let isSettled = false
  let controller: ReadableStreamDefaultController<Uint8Array>

  const settle = () => {
    isSettled = true
    unread = []
    options.onSettled()
  }

  const flush = () => {
    if (isSettled || !isWanted) return
    if (unread.length > 0) {
      isWanted = false
      const text = unread.join("")
      unread = []
      controller.enqueue(encoder.encode(text))
    } else if (isEnded) {
      controller.close()
      settle()
    }
  }

  const readable = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
    pull: () => {
      isWanted = true
      flush()
    },
    cancel: () => {
      settle()
      return options.onCancel()
    }
  }, { highWaterMark: 0 })

  return {
    readable,
    write: (text) => {
      unread.push(text)
      flush()
    },
    end: () => {
      isEnded = true
      flush()
    },
    fail: (reason) => {
      if (isSettled) return
      controller.error(reason)
      settle()
    }
  }
}
