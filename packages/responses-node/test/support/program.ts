/** Programs of this repository that tests start in processes of their own. */
import { afterAll } from "@effect/vitest"
import { build } from "esbuild"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * Puts a program and all that it imports into one file of JavaScript, which is there until the tests of the file have ended, and gives
 * its path. To start it takes a tenth of the time in which Node finds and loads some hundred modules.
 */
export const bundle = async (main: URL): Promise<string> => {
  const directory = mkdtempSync(join(tmpdir(), "effect-responses-program-"))
  afterAll(() => rmSync(directory, { recursive: true }))
  const outfile = join(directory, "program.mjs")
  await build({
    entryPoints: [fileURLToPath(main)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    // For what is CommonJS among it, as `ws` is.
    banner: {
      js: "import { createRequire } from \"node:module\"; const require = createRequire(import.meta.url);"
    },
    logLevel: "warning"
  })
  return outfile
}
