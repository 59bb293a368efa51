/** What every way must be able to do. Each is one file, and runs in a process of its own that loads nothing of the others. */

export interface Session {
  /** Asks for one response to its end, and gives the text of each delta to `onText`. */
  readonly ask: (model: string, onText: (text: string) => void) => Promise<void>
  /** A tool loop, from an empty conversation on; the deltas are those of the calls' arguments. */
  readonly loop: (model: string, turns: number, onText: (text: string) => void) => Promise<void>
  readonly close: () => Promise<void>
}

export type Open = (url: string) => Promise<Session>

export const apiKey = "sk-benchmark"

export const socketUrl = (url: string): string => `${url.replace(/^http/, "ws")}/responses`
