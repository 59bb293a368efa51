/** One run: the rounds, the server, and what is shown meanwhile. */
import type { Result } from "./report/result.ts"
import * as Rpc from "./rpc.ts"
import type { Handlers as Server } from "./server/main.ts"
import { dist } from "./stage.ts"
import { flags, type Name } from "./ways/all.ts"
import type { ProgramName } from "./ways/many/all.ts"
import type { Handlers as Program } from "./workers/many.ts"
import type { Cost, Handlers as Worker } from "./workers/way.ts"

export interface Run {
  readonly rounds: number
  /** What part of the conversations there are to be, where there are many: a run with less is for development. */
  readonly size: number
  readonly server: Rpc.Remote<Server>
  readonly url: string
  readonly progress: (text: string) => void
}

export interface Benchmark {
  readonly name: string
  readonly what: string
  readonly run: (run: Run) => Promise<Pick<Result, "rows" | "goals">>
}

/** A file of the compiled benchmarks. */
export const built = (path: string): URL => new URL(`file://${dist}/${path}`)

/**
 * Each round runs every way once, one after the other and never two at a time; who begins changes from round to round. So what
 * the machine does meanwhile hits all of them alike.
 */
export const interleave = async <N extends string, A>(
  run: Run,
  names: ReadonlyArray<N>,
  once: (name: N) => Promise<A>,
  rounds = run.rounds
): Promise<ReadonlyMap<N, ReadonlyArray<A>>> => {
  const found = new Map<N, Array<A>>(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < names.length; index++) {
      const name = names[(round + index) % names.length]
      if (name === undefined) continue
      run.progress(`round ${round + 1}/${rounds}  ${name}`)
      found.get(name)?.push(await once(name))
    }
  }
  return found
}

/** Memory hardly differs between rounds, and a round of it takes long. */
export const memoryRounds = (run: Run): number => Math.min(5, run.rounds)

/**
 * Runs each way for so long before anything counts. Effect's code takes some thousand turns to be compiled as well as it can
 * be; a program that lives for hours has that behind it, and what a start costs is a benchmark of its own.
 */
export const warmUp = async <N extends string>(
  run: Run,
  names: ReadonlyArray<N>,
  once: (name: N) => Promise<unknown>,
  seconds: number
): Promise<void> => {
  // A run with few rounds is for development.
  const millis = seconds * 1000 * Math.min(1, run.rounds / 15)
  for (const name of names) {
    run.progress(`warm up  ${name}`)
    const start = performance.now()
    do await once(name)
    while (performance.now() - start < millis)
  }
}

export type Workers<N extends Name> = (name: N) => Rpc.Remote<Worker>

/**
 * A process for each way, for as long as the benchmark takes: each way has its own compiled code and its own garbage, and what
 * one does to the functions they share (`JSON.parse`, `ws`, the whole of Effect) does not slow down or warm up another.
 */
export const withWorkers = async <N extends Name, A>(
  run: Run,
  names: ReadonlyArray<N>,
  options: { readonly url?: string; readonly sessions?: number },
  use: (worker: Workers<N>) => Promise<A>
): Promise<A> => {
  const workers = new Map<N, Rpc.Remote<Worker>>()
  const worker: Workers<N> = (name) => {
    const found = workers.get(name)
    if (found === undefined) throw new Error(`no worker ${name}`)
    return found
  }
  try {
    for (const name of names) {
      run.progress(`start  ${name}`)
      const started = Rpc.start<Worker>(built("workers/way.js"), [name], flags[name])
      workers.set(name, started)
      await started.call("open", { url: options.url ?? run.url, count: options.sessions ?? 1 })
    }
    return await use(worker)
  } finally {
    await Promise.all([...workers.values()].map((worker) => worker.stop()))
  }
}

/** The same, for ways of having many conversations. */
export const withPrograms = async <N extends ProgramName, A>(
  names: ReadonlyArray<N>,
  use: (program: (name: N) => Rpc.Remote<Program>) => Promise<A>
): Promise<A> => {
  const started = new Map(names.map((name) => [name, Rpc.start<Program>(built("workers/many.js"), [name])]))
  try {
    return await use((name) =>
      started.get(name) ?? (() => {
        throw new Error(`no program ${name}`)
      })()
    )
  } finally {
    await Promise.all([...started.values()].map((program) => program.stop()))
  }
}

/** A way that does not deliver everything is not fast, it is wrong. */
export const expectAll = (way: string, cost: Pick<Cost, "deltas" | "length">, deltas: number, length?: number) => {
  if (cost.deltas === deltas && (length === undefined || cost.length === length)) return
  throw new Error(`${way} delivered ${cost.deltas} of ${deltas} events, ${cost.length} of ${length ?? "?"} characters`)
}

export const mapValues = <N extends string, A, B>(
  all: ReadonlyMap<N, ReadonlyArray<A>>,
  f: (value: A, name: N) => B
): ReadonlyMap<N, ReadonlyArray<B>> =>
  new Map([...all].map(([name, values]) => [name, values.map((value) => f(value, name))]))
