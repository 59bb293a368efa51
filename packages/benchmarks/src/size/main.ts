/**
 * `pnpm size`: how large our own code is in a program that uses the socket and nothing else, bundled, minified and
 * compressed. What the program has anyway (`effect`, `@effect/platform`, `ws`) does not count.
 */
import { build } from "esbuild"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { dist, stage } from "../stage.ts"

const program = `
import { Responses } from "effect-responses"
import { NodeResponsesSocket } from "effect-responses-node"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const layer = NodeResponsesSocket.layerConfig()
const request = { model: "gpt-5.5", input: "Say hello." }
export const main = Responses.stream(request).pipe(
  Stream.runForEach((event) => Effect.log(event.type)),
  Effect.provide(layer)
)
`

const limits = fileURLToPath(new URL("../../size-limit.json", import.meta.url))

stage()
const { outputFiles } = await build({
  stdin: { contents: program, resolveDir: dist, sourcefile: join(dist, "program.js") },
  bundle: true,
  minify: true,
  write: false,
  platform: "node",
  format: "esm",
  target: "node20",
  external: [
    "effect",
    "effect/*",
    "@effect/platform",
    "@effect/platform/*",
    "@effect/platform-node",
    "@effect/platform-node/*",
    "ws"
  ]
})
const code = outputFiles[0]?.contents ?? new Uint8Array()
const { brotli: limit }: { readonly brotli: number } = JSON.parse(readFileSync(limits, "utf8"))
const found = brotliCompressSync(code).length
const text = `${found} bytes with brotli (limit ${limit}), ${gzipSync(code).length} with gzip, ${code.length} minified`
if (code.length === 0 || found > limit) {
  console.error(`size: FAILED\n${text}`)
  process.exit(1)
}
console.log(`size: ${text}`)
