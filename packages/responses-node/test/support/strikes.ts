/** What goes wrong in the courses of both properties of continuation. */
import type * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"

/** These are the server's to do with the next response. */
export type FaultOfResponse = "dropMidway" | "errorFirst"

export type Fault = "forgetLatest" | "forgetAll" | "cut" | "close" | "expire" | "refuse" | FaultOfResponse

export const fault: FastCheck.Arbitrary<Fault> = FastCheck.constantFrom(
  "forgetLatest",
  "forgetAll",
  "cut",
  "close",
  "expire",
  "refuse",
  "dropMidway",
  "errorFirst"
)

/** `faulty`: what the script of the server is to do with its next response. */
export const strike = (
  server: ResponsesServer.Service,
  faulty: Set<FaultOfResponse>,
  fault: Fault
): Effect.Effect<void> => {
  switch (fault) {
    case "forgetLatest":
      return server.forget("latest")
    case "forgetAll":
      return server.forget("all")
    case "cut":
      return server.disconnect("cut")
    case "close":
      return server.disconnect({ code: 1012 })
    case "expire":
      return server.expire
    case "refuse":
      return Effect.zipRight(server.refuseUpgrades({ status: 503, times: 1 }), server.disconnect("cut"))
    case "dropMidway":
    case "errorFirst":
      return Effect.sync(() => void faulty.add(fault))
  }
}
