/** Refuses options that no call could be run with. */
import { InvalidTool } from "../../ResponseToolError.ts"
import type { CallOptions } from "../../ResponseToolOptions.ts"
import * as ToolRun from "./toolRun.ts"

const namePattern = /^[a-zA-Z0-9_-]{1,64}$/

interface Checked extends CallOptions<never, unknown> {
  readonly async?: boolean | undefined
  readonly needsApproval?: unknown
}

const conflict = ({ async, exclusive, needsApproval }: Checked): string | undefined => {
  if (async !== true) return undefined
  if (exclusive === true) return "it runs beside others if it is async, and alone if it is exclusive: choose one"
  return needsApproval === undefined || needsApproval === false
    ? undefined
    : "an async call is started at once, and cannot wait for an approval: choose one"
}

export const check = (name: string, options: Checked): void => {
  const description = namePattern.test(name)
    ? conflict(options) ?? ToolRun.problemOf(options)
    : "its name must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'"
  if (description !== undefined) throw new InvalidTool({ name, description })
}
