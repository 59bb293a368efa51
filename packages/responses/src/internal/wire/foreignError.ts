/** Errors of a platform, an agent or a client, which may hold anything: a Node parse error holds the bytes of the answer. */
import * as Predicate from "effect/Predicate"

const depthLimit = 8

const fields = ["code", "errno", "syscall", "address", "port"] as const

const text = (value: unknown): string | undefined =>
  Predicate.isString(value) && value.trim() !== "" ? value : undefined

/** The same error in words: its name, message, stack and numbers, and those of its causes. */
export const plain = (error: unknown, redact: (text: string) => string, depth = 0): Error => {
  const from = (Predicate.isObject(error) ? error : { message: error }) as { readonly [field: string]: unknown }
  const inner = [from["cause"], ...Array.isArray(from["errors"]) ? from["errors"] : []].find(Predicate.isNotNullable)
  const made = new Error(
    redact(text(from["message"]) ?? text(from["code"]) ?? text(from["name"]) ?? "no reason is known"),
    inner === undefined || depth >= depthLimit ? {} : { cause: plain(inner, redact, depth + 1) }
  )
  made.name = redact(text(from["name"]) ?? "Error")
  const stack = text(from["stack"])
  if (stack !== undefined) made.stack = redact(stack)
  for (const field of fields) {
    const value = from[field]
    if (Predicate.isNumber(value)) Object.assign(made, { [field]: value })
    if (Predicate.isString(value)) Object.assign(made, { [field]: redact(value) })
  }
  return made
}

export interface Reason {
  readonly code: string | undefined
  readonly syscall: string | undefined
  readonly message: string
}

/** Clients wrap what happened: the innermost error, or the first of several, names it. */
export const reasonOf = (error: unknown, depth = 0): Reason => {
  const { cause, code, errors, message, syscall } = (Predicate.isObject(error) ? error : {}) as {
    readonly [field: string]: unknown
  }
  const inner = Array.isArray(errors) && errors.length > 0 ? errors[0] : cause
  if (Predicate.isObject(inner) && depth < depthLimit) return reasonOf(inner, depth + 1)
  if (Predicate.isString(error)) return { code: undefined, syscall: undefined, message: error }
  const name = Predicate.isString(code) ? code : undefined
  return {
    code: name,
    syscall: Predicate.isString(syscall) ? syscall : undefined,
    message: Predicate.isString(message) && message.trim() !== "" ? message.trim() : name ?? "no reason is known"
  }
}
