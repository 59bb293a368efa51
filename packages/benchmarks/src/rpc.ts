/** Functions of a child process, called from its parent. */
import { type ChildProcess, fork } from "node:child_process"

type Handlers = Readonly<Record<string, (argument: never) => unknown>>

interface Call {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

type Reply = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string })

const reply = (message: Reply) => process.send?.(message)

/** In the child. A failure goes back to the caller; what it throws besides ends the process, and with it the run. */
export const serve = (handlers: Handlers): void => {
  process.on("message", ({ argument, id, name }: Call) => {
    Promise.resolve().then(() => handlers[name]?.(argument as never)).then(
      (value) => reply({ id, value }),
      (error: unknown) => reply({ id, error: error instanceof Error ? error.stack ?? error.message : String(error) })
    )
  })
  process.on("disconnect", () => process.exit())
}

export interface Remote<H extends Handlers> {
  readonly call: <N extends keyof H & string>(
    name: N,
    ...argument: Parameters<H[N]> extends [] ? [] : [Parameters<H[N]>[0]]
  ) => Promise<Awaited<ReturnType<H[N]>>>
  readonly stop: () => Promise<void>
}

const ended = (child: ChildProcess) => new Promise<void>((resolve) => child.once("exit", () => resolve()))

export const start = <H extends Handlers>(
  file: URL,
  args: ReadonlyArray<string> = [],
  flags: ReadonlyArray<string> = []
): Remote<H> => {
  const child = fork(file, [...args], {
    execArgv: ["--expose-gc", "--max-old-space-size=4096", ...flags],
    env: { ...process.env, NODE_NO_WARNINGS: "1" }
  })
  const waiting = new Map<number, { readonly resolve: (value: never) => void; readonly reject: (e: Error) => void }>()
  let calls = 0
  let stopping = false
  child.on("message", (reply: Reply) => {
    const caller = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ("error" in reply) caller?.reject(new Error(`${args.join(" ")}: ${reply.error}`))
    else caller?.resolve(reply.value as never)
  })
  child.on("exit", (code, signal) => {
    if (stopping) return
    for (const { reject } of waiting.values()) reject(new Error(`${args.join(" ")} ended: ${signal ?? code}`))
  })
  return {
    call: (name, ...[argument]) =>
      new Promise((resolve, reject) => {
        const id = calls++
        waiting.set(id, { resolve, reject })
        const call: Call = { id, name, argument }
        child.send(call)
      }),
    stop: () => {
      stopping = true
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
      const end = ended(child)
      child.kill("SIGKILL")
      return end
    }
  }
}
