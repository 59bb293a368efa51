/** Every way of having many conversations by its name, loaded only when it is asked for. */
import type { OpenProgram } from "./way.ts"

export const programs = {
  "Responses.forEach, one Layer": () => import("./ours.ts").then(({ openOne }) => openOne),
  "Responses.forEach, 8 connections": () => import("./ours.ts").then(({ openSmall }) => openSmall),
  "Responses.forEach, one connection": () => import("./ours.ts").then(({ openOneConnection }) => openOneConnection),
  "Responses.forEach, a Layer each": () => import("./ours.ts").then(({ openEach }) => openEach),
  "Responses.forEach, HTTP": () => import("./ours.ts").then(({ openHttp }) => openHttp),
  "openai lanes": () => import("./openaiLanes.ts").then(({ open }) => open),
  "openai SSE": () => import("./openaiSse.ts").then(({ open }) => open)
} satisfies Readonly<Record<string, () => Promise<OpenProgram>>>

export type ProgramName = keyof typeof programs

export const isProgramName = (name: string | undefined): name is ProgramName =>
  name !== undefined && Object.hasOwn(programs, name)
