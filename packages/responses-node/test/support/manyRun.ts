/** Runs the courses of `manyCourses.ts` against the local server over real sockets. */
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Profile from "effect-responses/Profile"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as NodeResponses from "../../src/NodeResponses.ts"
import * as Leftovers from "./leftovers.ts"
import type { Course } from "./manyCourses.ts"
import { perform, type Sending } from "./manySteps.ts"
import * as Questions from "./questions.ts"
import * as Strikes from "./strikes.ts"

export interface Verdict {
  /** What was wrong, in words, if anything was. */
  readonly wrong: string | undefined
  /** Of each conversation, and of each branch. */
  readonly sendings: ReadonlyArray<ReadonlyArray<Sending>>
}

const apiKey = Redacted.make("sk-many")

/** Runs a course and gives what was wrong with it. */
export const run: (course: Course) => Effect.Effect<Verdict> = Effect.fnUntraced(
  function*(course) {
    const faulty = new Set<Strikes.FaultOfResponse>()
    const hasOneId = course.dialect.ids === "one"
    const server = yield* ResponsesServer.make({
      ...course.server,
      apiKey,
      dialect: course.dialect,
      deltaDelay: course.deltaDelay,
      script: (request, context) => {
        const turn = Questions.answer(context)
        if (request.generate === false) return turn
        if (faulty.delete("dropMidway")) return ResponseScript.turn([turn, ResponseScript.drop({ after: 3 })])
        return faulty.delete("errorFirst")
          ? ResponseScript.error({ status: 500, code: "server_error", message: "Try again" })
          : turn
      }
    })
    const layer = NodeResponses.layer({
      apiKey,
      // Which response an id means is known to the lane that has just had it, and to nobody else.
      profile: hasOneId ? { ...Profile.openAi, uniqueIds: false, lanes: false } : Profile.openAi,
      baseUrl: server.url,
      maxConnections: course.maxConnections,
      maxLanes: course.maxLanes,
      onEarlyEnd: course.onEarlyEnd,
      reconnect: Schedule.stop,
      firstEventTimeout: "30 seconds",
      queueTimeout: "30 seconds",
      // HTTP serves for no longer than it must: this is about the socket.
      probe: { first: 0 },
      recycle: course.isRestless ? Schedule.spaced("3 millis") : Schedule.stop
    })
    for (const { fault, when } of course.faults) {
      yield* server.waitFor("RequestReceived", when).pipe(
        Effect.zipRight(Strikes.strike(server, faulty, fault)),
        Effect.forkScoped
      )
    }
    const sendings: Array<Array<Sending>> = []
    const wrong = yield* Leftovers.check(
      server,
      perform(course, sendings).pipe(
        Effect.match({ onFailure: ({ wrong }) => wrong, onSuccess: () => undefined }),
        Effect.timeoutTo({
          duration: "1 minute",
          onSuccess: (wrong) => wrong,
          onTimeout: () => "the course does not end"
        }),
        Effect.provide(layer),
        Logger.withMinimumLogLevel(LogLevel.Error)
      )
    )
    return { wrong, sendings }
  },
  Effect.scoped,
  Effect.orDie
)
