/**
 * A `ReadableStream` that text is put into without waiting. Unread text is dropped when the stream fails.
 * `Stream.toReadableStream` starts a fiber for each stream and wakes it for each chunk, and a writer cannot see how much is
 * unread.
 */

export interface TextStream {
  readonly readable: ReadableStream<Uint8Array>
  /** `false`: more than `maxUnread` is unread, and the text was not taken. */
  readonly write: (text: string) => boolean
  readonly end: () => void
  readonly fail: (reason: unknown) => void
}

export interface Options {
  /** In characters. */
  readonly maxUnread: number
  /** The reader has left. */
  readonly onCancel: () => Promise<void>
  /** All was read, the stream has failed or the reader has left. */
  readonly onSettled: () => void
}

export const make = (options: Options): TextStream => {
  const encoder = new TextEncoder()
  let unread: Array<string> = []
  let size = 0
  let isWanted = false
  let isEnded = false
  let isSettled = false
  let controller: ReadableStreamDefaultController<Uint8Array>

  const settle = () => {
    isSettled = true
    unread = []
    size = 0
    options.onSettled()
  }

  const flush = () => {
    if (isSettled || !isWanted) return
    if (unread.length > 0) {
      isWanted = false
      const text = unread.join("")
      unread = []
      size = 0
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
      if (size + text.length > options.maxUnread) return false
      unread.push(text)
      size += text.length
      flush()
      return true
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
