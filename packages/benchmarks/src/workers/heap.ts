/** What is in the heap when all garbage is gone: how much, and of what. */
import { setTimeout } from "node:timers/promises"
import { getHeapSnapshot } from "node:v8"

/** In bytes. */
export const size = async (): Promise<number> => {
  for (let time = 0; time < 3; time++) {
    globalThis.gc?.()
    await setTimeout(10)
  }
  return process.memoryUsage().heapUsed
}

interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: ReadonlyArray<string>
      readonly node_types: readonly [ReadonlyArray<string>, ...ReadonlyArray<unknown>]
    }
  }
  readonly nodes: ReadonlyArray<number>
  readonly strings: ReadonlyArray<string>
}

export type Kinds = Readonly<Record<string, { readonly count: number; readonly bytes: number }>>

/** Objects by their constructors, functions by their names. What they refer to counts by itself. */
export const kinds = async (): Promise<Kinds> => {
  await size()
  const parts: Array<Buffer> = []
  for await (const part of getHeapSnapshot()) parts.push(Buffer.from(part as Uint8Array))
  const { nodes, snapshot, strings }: Snapshot = JSON.parse(Buffer.concat(parts).toString())
  const { node_fields, node_types: [types] } = snapshot.meta
  const [type, name, bytes] = ["type", "name", "self_size"].map((field) => node_fields.indexOf(field))
  const found: Record<string, { count: number; bytes: number }> = {}
  for (let node = 0; node < nodes.length; node += node_fields.length) {
    const of = (field = 0) => nodes[node + field] ?? 0
    const kind = types[of(type)] ?? ""
    const label = kind === "object" || kind === "closure" || kind === "native"
      ? `${kind} ${strings[of(name)] ?? ""}`
      : kind
    const entry = found[label] ??= { count: 0, bytes: 0 }
    entry.count++
    entry.bytes += of(bytes)
  }
  return found
}
