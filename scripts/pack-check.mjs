/**
 * Is what we would publish usable? Builds the public packages, looks for types of the inside in their declarations, packs
 * them, lints the tarballs (publint, attw), then installs them with npm into an empty project, type-checks every module there with `skipLibCheck: false`, and runs it.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { leaks } from "./declarations.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const bin = (/** @type {string} */ name) => join(root, "node_modules/.bin", name)
const readJson = (/** @type {string} */ path) => JSON.parse(readFileSync(path, "utf8"))

/** Runs to the end or throws; shows the output of what failed. */
const run = (/** @type {string} */ command, /** @type {Array<string>} */ args, cwd = root) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (error !== undefined || status !== 0) {
    throw new Error(`${basename(command)} ${args.join(" ")}\n${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`)
  }
  return { stderr, stdout }
}

const expect = (/** @type {boolean} */ holds, /** @type {string} */ message) => {
  if (!holds) throw new Error(message)
}

const packages = readdirSync(join(root, "packages"))
  .map((directory) => join(root, "packages", directory))
  .filter((directory) => existsSync(join(directory, "package.json")))
  .map((directory) => ({ directory, manifest: readJson(join(directory, "package.json")) }))
  .filter(({ manifest }) => manifest.private !== true)

/** The modules of a package as they are imported: the package itself, its files, and those for sister packages. */
const entrypoints = (/** @type {string} */ directory) => [
  ".",
  ...["", "unstable/"].filter((folder) => existsSync(join(directory, "src", folder))).flatMap((folder) =>
    readdirSync(join(directory, "src", folder))
      .filter((file) => file.endsWith(".ts") && file !== "index.ts")
      .map((file) => `./${folder}${basename(file, ".ts")}`)
  )
]

const checkDeclarations = () => {
  for (const { directory, manifest } of packages) {
    const found = leaks(join(directory, "dist"))
    expect(found.length === 0, `${manifest.name}: public types name what users cannot:\n${found.join("\n")}`)
  }
}

/** Only these belong in a tarball. */
const published = /^(?:package\.json|LICENSE|README\.md|(?:src|dist)\/.*(?<!\.tsbuildinfo))$/

const pack = (/** @type {string} */ destination) =>
  packages.map(({ directory, manifest }) => {
    const { stdout } = run("pnpm", ["pack", "--json", "--pack-destination", destination], directory)
    const { filename, files } = JSON.parse(stdout)
    const strays = files.map((/** @type {{ path: string }} */ file) => file.path).filter(
      (/** @type {string} */ path) => !published.test(path)
    )
    expect(strays.length === 0, `${manifest.name}: not for publication: ${strays.join(", ")}`)
    run(bin("publint"), ["run", filename, "--strict"])
    run(bin("attw"), [filename, "--profile", "esm-only", "--no-emoji", "--entrypoints", ...entrypoints(directory)])
    console.log(`${manifest.name}: publint and attw are content with ${files.length} files`)
    return filename
  })

const consume = (/** @type {string} */ project, /** @type {Array<string>} */ tarballs) => {
  const modules = packages.flatMap(({ directory, manifest }) =>
    entrypoints(directory).map((path) => join(manifest.name, path))
  )
  const { devDependencies } = readJson(join(root, "package.json"))
  const tools = ["typescript", "@types/node"]
  expect(tools.every((tool) => tool in devDependencies), "typescript and @types/node are expected at the root")

  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
  writeFileSync(
    join(project, "main.ts"),
    [
      ...modules.map((module, index) => `import * as M${index} from "${module}"`),
      "const modules: ReadonlyArray<readonly [string, object]> = [",
      ...modules.map((module, index) => `  ["${module}", M${index}],`),
      "]",
      "for (const [name, exports] of modules) console.log(`${name}: ${Object.keys(exports).length} exports`)",
      // The inside stays private.
      ...packages.map(({ manifest }) =>
        `await import("${manifest.name}/internal/x" as string).then(
  () => Promise.reject(new Error("${manifest.name}/internal is open")),
  (error) => error.code === "ERR_PACKAGE_PATH_NOT_EXPORTED" ? undefined : Promise.reject(error)
)`
      )
    ].join("\n")
  )
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2022", "DOM", "DOM.Iterable"],
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false
  }
  const resolutions = { nodenext: { module: "NodeNext" }, bundler: { module: "ESNext", moduleResolution: "Bundler" } }
  for (const [name, options] of Object.entries(resolutions)) {
    const config = { compilerOptions: { ...compilerOptions, ...options }, files: ["main.ts"] }
    writeFileSync(join(project, `tsconfig.${name}.json`), JSON.stringify(config))
  }

  const versions = tools.map((tool) => `${tool}@${readJson(join(root, "node_modules", tool, "package.json")).version}`)
  const peers = Object.entries(Object.assign({}, ...packages.map(({ manifest }) => manifest.peerDependencies)))
  const { stderr } = run(
    "npm",
    [
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      ...peers.map(([name, range]) => `${name}@${range}`),
      ...versions,
      ...tarballs
    ],
    project
  )
  expect(!/ERESOLVE|peer dep/i.test(stderr), `npm install is not content with the peers:\n${stderr}`)
  const effects = new Set(
    run("npm", ["ls", "effect", "--all", "--parseable"], project).stdout.split("\n")
      .filter((path) => basename(path) === "effect")
  )
  expect(effects.size === 1, `expected one copy of effect, got ${effects.size}`)

  const tsc = join(project, "node_modules/.bin/tsc")
  for (const name of Object.keys(resolutions)) {
    run(tsc, ["--project", `tsconfig.${name}.json`], project)
    console.log(`consumer: ${modules.length} modules compile (${name}, skipLibCheck off)`)
  }
  console.log(run(process.execPath, ["main.js"], project).stdout.trimEnd())
}

const temporary = mkdtempSync(join(tmpdir(), "pack-check-"))
try {
  // `tsc -b` keeps the output of deleted sources.
  for (const { directory } of packages) rmSync(join(directory, "dist"), { recursive: true, force: true })
  run("pnpm", ["run", "build"])
  checkDeclarations()
  const project = join(temporary, "consumer")
  mkdirSync(project)
  consume(project, pack(temporary))
} catch (error) {
  console.error(`pack-check: FAILED\n${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  rmSync(temporary, { recursive: true, force: true })
}
