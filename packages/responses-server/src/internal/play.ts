/** Steps in the portions in which they are sent. */
import type { Step } from "effect-responses/unstable/ResponseSteps"

export interface Frame {
  readonly frame: object | string
  readonly binary?: true | undefined
}

export type Portion =
  | { readonly _tag: "Send"; readonly frames: ReadonlyArray<Frame> }
  | Exclude<Step, { readonly _tag: "Send" }>

/** So many frames at most leave between two looks at the back pressure. */
const portionSize = 64

/** Frames that follow each other without a pause leave together. */
export const portions = (steps: ReadonlyArray<Step>): ReadonlyArray<Portion> => {
  const result: Array<Portion> = []
  let frames: Array<Frame> | undefined
  for (const step of steps) {
    if (step._tag !== "Send") {
      frames = undefined
      result.push(step)
      continue
    }
    if (frames === undefined || frames.length >= portionSize) {
      frames = []
      result.push({ _tag: "Send", frames })
    }
    frames.push(step)
  }
  return result
}

export const toText = (frame: object | string): string => typeof frame === "string" ? frame : JSON.stringify(frame)
