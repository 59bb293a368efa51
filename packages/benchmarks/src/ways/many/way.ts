/** What a program with many conversations must be able to do. Each way is one file, as those of one conversation are. */
import { words } from "../conversation.ts"

export interface Conversation {
  /** Says the next thing, and gives the text of each delta of the answer to `onText`. */
  readonly turn: (model: string, onText: (text: string) => void) => Promise<void>
}

export interface Program {
  readonly begin: (number: number) => Promise<Conversation>
  readonly close: () => Promise<void>
}

export type OpenProgram = (url: string) => Promise<Program>

export const settings = { store: false, instructions: words(7, 2000) }

/** With numbers by which the server knows which turn of which conversation it is. */
export const says = (conversation: number, turn: number) => ({
  type: "message" as const,
  role: "user" as const,
  content: `@${conversation}:${turn}@ ${words(conversation + turn, 300)}`
})
