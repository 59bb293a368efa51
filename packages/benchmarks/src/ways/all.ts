/** Every way by its name, loaded only when it is asked for. */
import type { Open } from "./way.ts"

export const ways = {
  "ws + JSON.parse": () => import("./raw.ts").then(({ open }) => open),
  "ws + JSON.parse, full": () => import("./raw.ts").then(({ openFull }) => openFull),
  "node:http + JSON.parse": () => import("./rawHttp.ts").then(({ open }) => open),
  "node:http, new connection": () => import("./rawHttp.ts").then(({ openNew }) => openNew),
  "Stream.runForEach": () => import("./ours.ts").then(({ openStream }) => openStream),
  "Stream.runFold": () => import("./ours.ts").then(({ openFold }) => openFold),
  "Responses.forEach": () => import("./ours.ts").then(({ openSink }) => openSink),
  "Responses.forEach, not tenured": () => import("./ours.ts").then(({ openSink }) => openSink),
  "Stream.runForEach, not tenured": () => import("./ours.ts").then(({ openStream }) => openStream),
  "Responses.forEach, full": () => import("./ours.ts").then(({ openFull }) => openFull),
  "Responses.forEach, HTTP": () => import("./ours.ts").then(({ openHttp }) => openHttp),
  "openai ResponsesWS": () => import("./openaiSocket.ts").then(({ open }) => open),
  "openai SSE": () => import("./openaiSse.ts").then(({ open }) => open),
  "@openai/agents WebSocket": () => import("./agents.ts").then(({ open }) => open),
  "@ai-sdk/openai HTTP": () => import("./aiSdk.ts").then(({ open }) => open),
  "@effect/ai-openai HTTP": () => import("./aiOpenai.ts").then(({ open }) => open)
} satisfies Readonly<Record<string, () => Promise<Open>>>

export type Name = keyof typeof ways

/**
 * What the process of a way is started with. V8 puts objects that outlived a collection of young ones, and then all that the
 * same code makes, among the old ones at once, where they keep what they refer to alive until the next large collection. In
 * programs made of Effects that is wrong for most of what a turn makes: these ways show what it costs.
 */
export const flags: Readonly<Partial<Record<Name, ReadonlyArray<string>>>> = {
  "Responses.forEach, not tenured": ["--no-allocation-site-pretenuring"],
  "Stream.runForEach, not tenured": ["--no-allocation-site-pretenuring"]
}

export const isName = (name: string | undefined): name is Name => name !== undefined && Object.hasOwn(ways, name)
