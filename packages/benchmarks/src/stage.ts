/**
 * What is measured is what is published: the built JavaScript, under the published `exports`. So everything is compiled,
 * and the packages are laid out in `dist/node_modules`, where the compiled benchmarks find them before the sources.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(new URL("..", import.meta.url))
const root = join(here, "../..")

/** Where the compiled benchmarks are. */
export const dist = join(here, "dist")

export const results = join(here, "results")

interface Manifest {
  readonly name: string
  readonly version: string
  readonly publishConfig: object
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const published = ["responses", "responses-node"]

const link = (modules: string, from: string, name: string) => {
  const path = join(modules, name)
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(realpathSync(join(from, "node_modules", name)), path)
}

const lay = (modules: string, directory: string) => {
  const from = join(root, "packages", directory)
  const manifest: Manifest = JSON.parse(readFileSync(join(from, "package.json"), "utf8"))
  const { publishConfig, ...rest } = manifest
  const to = join(modules, manifest.name)
  mkdirSync(to, { recursive: true })
  writeFileSync(join(to, "package.json"), JSON.stringify({ ...rest, ...publishConfig }))
  cpSync(join(from, "dist"), join(to, "dist"), { recursive: true })
  for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (!range.startsWith("workspace:")) link(modules, from, name)
  }
}

export const stage = (): void => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-b", join(here, "tsconfig.src.json")],
    { encoding: "utf8" }
  )
  if (status !== 0) throw new Error(`the build failed\n${stdout}`)
  const modules = join(dist, "node_modules")
  rmSync(modules, { recursive: true, force: true })
  for (const directory of published) lay(modules, directory)
}
