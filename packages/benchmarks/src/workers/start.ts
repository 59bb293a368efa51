/** A process that does one thing from nothing, tells what it has cost since its beginning, and waits to be ended. */
import { isName, ways } from "../ways/all.ts"

const imports = {
  "effect + platform Socket + ws": () =>
    Promise.all([import("effect/Stream"), import("@effect/platform/Socket"), import("ws")]),
  "effect-responses, socket": () =>
    Promise.all([import("effect-responses/Responses"), import("effect-responses-node/NodeResponsesSocket")]),
  "effect-responses, socket and HTTP": () => Promise.all([import("effect-responses"), import("effect-responses-node")]),
  openai: () => Promise.all([import("openai"), import("openai/resources/responses/ws")])
}

export type Import = keyof typeof imports

const isImport = (name: string | undefined): name is Import => name !== undefined && Object.hasOwn(imports, name)

const [name, url = "", turns] = process.argv.slice(2)
const before = process.cpuUsage()
const start = performance.now()

/** An import and the first turns are measured by themselves, a first event with the start of the process. */
const tell = (cpu: NodeJS.CpuUsage, wallMillis: number) =>
  process.send?.({ cpuMillis: (cpu.user + cpu.system) / 1000, wallMillis })

if (isImport(name)) {
  await imports[name]()
  tell(process.cpuUsage(before), performance.now() - start)
} else if (isName(name)) {
  const open = await ways[name]()
  const session = await open(url)
  if (turns !== undefined) {
    const opened = process.cpuUsage()
    const began = performance.now()
    await session.loop(`loop:${turns}`, Number(turns), () => {})
    tell(process.cpuUsage(opened), performance.now() - began)
    await new Promise(() => {})
  }
  let told = false
  await session.ask("burst:1", () => {
    told = true
    tell(process.cpuUsage(), performance.now())
  })
  if (!told) throw new Error("no event came")
}
