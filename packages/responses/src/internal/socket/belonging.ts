/**
 * Whether a frame belongs to the request that runs on its lane. Decided by the response's id where the frame has one, by
 * the lane otherwise. One table, and the few things that have to be known of a server to read it.
 */
import * as ResponseEvent from "../../ResponseEvent.ts"

/**
 * What runs on the lane.
 *
 * ```
 * free ──request──▶ waiting ──created, progress──▶ named ──end──▶ free
 *                   waiting ──output──▶ unnamed ──created, progress──▶ named
 *                                       unnamed ──end──▶ free
 * ```
 */
export type Running = "free" | "waiting" | "unnamed" | "named"

export type Kind = "created" | "progress" | "output" | "end" | "failed" | "error" | "done" | "other"

/** The response's id in the frame: none, that of the response that runs, that of one that is over, or one never seen. */
export type Id = "none" | "own" | "over" | "new"

/** What the server does before the first output of a response, as far as it was seen on this connection. */
export type Announcement = "nothing" | "progress" | "created"

export interface Traits {
  readonly announces: Announcement
  /** All responses of the connection so far had the same id. */
  readonly hasOneId: boolean
  /** Another response, which nobody here asked for, began on the lane while this one runs, and has not ended. */
  readonly hasStranger: boolean
  /** The server has named this response by more than one id. */
  readonly idsVary: boolean
}

/** The last two are for a frame that is not the request's, and for one that names the response by yet another id. */
export type Verdict = "its" | "dropped" | "stranger" | "renames"

type Rule = Verdict | ((traits: Traits) => Verdict)

type Row = Readonly<Record<Id, Rule>>

const when = (condition: (traits: Traits) => boolean): Rule => (traits) => condition(traits) ? "its" : "dropped"

/** A server that announces its responses does not begin one by its output or its end: the beginning was another's. */
const ifUnannounced = when(({ announces }) => announces === "nothing")

/** Some servers give all responses one id and begin each with `in_progress`. From any other server it is a late frame. */
const ifBeginning = when(({ announces, hasOneId }) => announces !== "created" && hasOneId)

/**
 * The same servers may send nothing but an end, as for a warm-up, or a failure. A second end of the response before is sent
 * at once, while the lane is free.
 */
const ifSameAgain = when(({ announces, hasOneId }) => announces === "nothing" && hasOneId)

const unlessStranger = when(({ hasStranger }) => !hasStranger)

const ifIdsVary = when(({ idsVary }) => idsVary)

/** Some gateways invent an id for each event. A response that was announced as another one is not renamed. */
const renames: Rule = ({ hasStranger }) => hasStranger ? "dropped" : "renames"

const row = (none: Rule, own: Rule, over: Rule, unseen: Rule): Row => ({ none, own, over, new: unseen })

const dropped = row("dropped", "dropped", "dropped", "dropped")

export const table: { readonly [R in Running]: { readonly [K in Kind]: Row } } = {
  // The lane belongs to nobody, and a response that begins there is remembered as a stranger's.
  free: {
    created: row("dropped", "dropped", "dropped", "stranger"),
    progress: row("dropped", "dropped", "dropped", "stranger"),
    output: dropped,
    end: dropped,
    failed: dropped,
    error: dropped,
    done: dropped,
    other: dropped
  },
  waiting: {
    // Whatever its id: `created` is sent once, so a server that uses an id again begins anew with it.
    created: row("its", "its", "its", "its"),
    progress: row("its", "its", ifBeginning, "its"),
    output: row(ifUnannounced, "its", "dropped", "its"),
    end: row(ifUnannounced, "its", ifSameAgain, ifUnannounced),
    failed: row("its", "its", ifSameAgain, "its"),
    error: row("its", "its", ifSameAgain, "its"),
    done: dropped,
    other: row("its", "its", "dropped", "its")
  },
  // Only servers that announce nothing, or frames that came in the wrong order, get here.
  unnamed: {
    created: row("its", "its", "its", "its"),
    progress: row("its", "its", ifBeginning, "its"),
    output: row("its", "its", "dropped", "its"),
    end: row("its", "its", "its", "its"),
    failed: row("its", "its", "its", "its"),
    error: row("its", "its", "dropped", "its"),
    done: dropped,
    other: row("its", "its", "dropped", "its")
  },
  named: {
    created: row("its", "its", "dropped", "stranger"),
    progress: row("its", "its", "dropped", renames),
    output: row(unlessStranger, "its", "dropped", ifIdsVary),
    end: row("its", "its", "dropped", ifIdsVary),
    // Gateways make up an id for a failure of their own. To fail too early is safer than to wait for an end in vain.
    failed: row("its", "its", "dropped", unlessStranger),
    error: row("its", "its", "dropped", unlessStranger),
    done: row("dropped", "its", "dropped", ifIdsVary),
    other: row(unlessStranger, "its", "dropped", ifIdsVary)
  }
}

export const decide = (running: Running, kind: Kind, id: Id, traits: Traits): Verdict => {
  const rule = table[running][kind][id]
  return typeof rule === "string" ? rule : rule(traits)
}

const kinds: ReadonlyMap<string | undefined, Kind> = new Map<string | undefined, Kind>([
  ["response.created", "created"],
  ["response.queued", "progress"],
  ["response.in_progress", "progress"],
  ["response.completed", "end"],
  ["response.incomplete", "end"],
  ["response.failed", "failed"],
  ["response.done", "done"],
  ["error", "error"],
  // An error of a server that gives its frames no type.
  [undefined, "error"]
])

export const kindOf = (event: ResponseEvent.ServerEvent): Kind =>
  kinds.get(event.type) ??
    (ResponseEvent.isUnknown(event as ResponseEvent.ResponseEvent) ? "other" : "output")
