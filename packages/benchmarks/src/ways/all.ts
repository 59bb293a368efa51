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
  "Responses.forEach, full": () => import("./ours.ts").then(({ openFull }) => openFull),
  "Responses.forEach, HTTP": () => import("./ours.ts").then(({ openHttp }) => openHttp),
  "openai ResponsesWS": () => import("./openaiSocket.ts").then(({ open }) => open),
  "openai SSE": () => import("./openaiSse.ts").then(({ open }) => open),
  "@openai/agents WebSocket": () => import("./agents.ts").then(({ open }) => open),
  "@ai-sdk/openai HTTP": () => import("./aiSdk.ts").then(({ open }) => open),
  "@effect/ai-openai HTTP": () => import("./aiOpenai.ts").then(({ open }) => open)
} satisfies Readonly<Record<string, () => Promise<Open>>>

export type Name = keyof typeof ways

export const isName = (name: string | undefined): name is Name => name !== undefined && Object.hasOwn(ways, name)
