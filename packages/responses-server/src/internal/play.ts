/** Steps in the portions in which they are sent. */
import type { ResponseSteps } from "effect-responses"

export type Portion =
  | { readonly _tag: "Send"; readonly frames: ReadonlyArray<object | string> }
  | Exclude<ResponseSteps.Step, { readonly _tag: "Send" }>

/** So many frames at most leave between two looks at the back pressure. */
const portionSize = 64

const isDelta = (frame: object | string): boolean => {
  if (typeof frame === "string") return false
  const type: unknown = Reflect.get(frame, "type")
  return typeof type === "string" && type.endsWith(".delta")
}

/** Frames that follow each other without a pause leave together. */
export const portions = (steps: ReadonlyArray<ResponseSteps.Step>, deltaDelay: number): ReadonlyArray<Portion> => {
  const result: Array<Portion> = []
  let frames: Array<object | string> | undefined
  for (const step of steps) {
    if (step._tag !== "Send") {
      frames = undefined
      result.push(step)
      continue
    }
    if (deltaDelay > 0 && isDelta(step.frame)) {
      frames = undefined
      result.push({ _tag: "Wait", millis: deltaDelay })
    }
    if (frames === undefined || frames.length >= portionSize) {
      frames = []
      result.push({ _tag: "Send", frames })
    }
    frames.push(step.frame)
  }
  return result
}

export const toText = (frame: object | string): string => typeof frame === "string" ? frame : JSON.stringify(frame)
