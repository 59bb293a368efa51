/** What is in the heap when all garbage is gone: how much, and of what. */
import { Session } from "node:inspector/promises"
import { basename } from "node:path"
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
  /** Where functions stand: node, script, line and column, four numbers each. */
  readonly locations: ReadonlyArray<number>
  readonly strings: ReadonlyArray<string>
}

export type Kinds = Readonly<Record<string, { readonly count: number; readonly bytes: number }>>

/** The files of the scripts by their numbers. */
const files = async (): Promise<ReadonlyMap<number, string>> => {
  const session = new Session()
  session.connect()
  const found = new Map<number, string>()
  session.on("Debugger.scriptParsed", ({ params }) => {
    found.set(Number(params.scriptId), basename(params.url))
  })
  await session.post("Debugger.enable")
  session.disconnect()
  return found
}

/** Objects by their constructors, functions by where they stand. What they refer to counts by itself. */
export const kinds = async (): Promise<Kinds> => {
  const scripts = await files()
  await size()
  const parts: Array<Buffer> = []
  for await (const part of getHeapSnapshot()) parts.push(Buffer.from(part as Uint8Array))
  const { locations, nodes, snapshot, strings }: Snapshot = JSON.parse(Buffer.concat(parts).toString())
  const { node_fields, node_types: [types] } = snapshot.meta
  const [type, name, bytes] = ["type", "name", "self_size"].map((field) => node_fields.indexOf(field))
  const places = new Map<number, string>()
  for (let index = 0; index < locations.length; index += 4) {
    const [node = 0, script = 0, line = 0] = locations.slice(index, index + 3)
    places.set(node, `${scripts.get(script) ?? ""}:${line + 1}`)
  }
  const found: Record<string, { count: number; bytes: number }> = {}
  for (let node = 0; node < nodes.length; node += node_fields.length) {
    const of = (field = 0) => nodes[node + field] ?? 0
    const kind = types[of(type)] ?? ""
    const named = kind === "object" || kind === "closure" ? `${kind} ${strings[of(name)] ?? ""}` : kind
    const label = kind === "closure" ? `${named} ${places.get(node) ?? ""}` : named
    const entry = found[label] ??= { count: 0, bytes: 0 }
    entry.count++
    entry.bytes += of(bytes)
  }
  return found
}

/** What each of `count` things has in the heap, in bytes. */
export const parts = (before: Kinds, after: Kinds, count: number): Readonly<Record<string, number>> => {
  const found: Record<string, number> = {}
  for (const [kind, { bytes, count: many }] of Object.entries(after)) {
    const more = (many - (before[kind]?.count ?? 0)) / count
    const each = (bytes - (before[kind]?.bytes ?? 0)) / count
    if (each >= 8) found[`${more.toFixed(1)} x ${kind}`] = each
  }
  return found
}
