/** Where an answer goes. */
import type { Lanes } from "./lanes.ts"
import type { Encoding } from "./wire.ts"

export interface Out {
  readonly encoding: Encoding
  /** Of the connection. HTTP has none. */
  readonly lanes?: Lanes | undefined
  readonly write: (bytes: Buffer) => void
  readonly end: () => void
  readonly isOpen: () => boolean
}
