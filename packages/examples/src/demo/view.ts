/** How a person follows a run. */
import type * as Effect from "effect/Effect"
import type { Progress, Run } from "./agent.ts"

export type Happening =
  | Progress
  | { readonly _tag: "RunStarted"; readonly title: string }
  | { readonly _tag: "Fault"; readonly says: string }
  | { readonly _tag: "RunEnded"; readonly run: Run }

export interface View {
  /** Never fails: if nobody reads any more, `main` ends the demo. */
  readonly show: (happening: Happening) => Effect.Effect<void>
}
