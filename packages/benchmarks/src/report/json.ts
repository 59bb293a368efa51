/** One file with everything that was measured, and on what. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { cpus, platform, release, totalmem } from "node:os"
import { dirname, join } from "node:path"
import type { Result } from "./result.ts"

const packages = [
  "effect",
  "@effect/platform",
  "ws",
  "openai",
  "@openai/agents",
  "@ai-sdk/openai",
  "@effect/ai-openai"
]

/** Some packages do not export their package.json, so it is looked for above what they do export. */
const versionOf = (name: string): string => {
  const paths = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const path of paths) {
    try {
      const { version }: { readonly version: string } = JSON.parse(
        readFileSync(join(path, name, "package.json"), "utf8")
      )
      return version
    } catch {
      continue
    }
  }
  return "unknown"
}

const machine = () => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${release()}`,
  node: process.version
})

interface Report {
  readonly results: ReadonlyArray<Result>
}

const read = (path: string): Report => {
  try {
    return JSON.parse(readFileSync(path, "utf8"))
  } catch {
    return { results: [] }
  }
}

/** What was not run this time stays as it was found the last time, with its own date. */
export const write = (path: string, order: ReadonlyArray<string>, results: ReadonlyArray<Result>): void => {
  const kept = read(path).results.filter(({ name }) => results.every((result) => result.name !== name))
  const all = [...kept, ...results].toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
  const report = {
    machine: machine(),
    versions: Object.fromEntries(packages.map((name) => [name, versionOf(name)])),
    results: all
  }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`)
}
