/**
 * The heads of a Layer by what they contain, so that any caller's history finds those that it may continue, and what became of
 * those that are gone, so that a request in full can say why.
 */
import type { FullReason } from "../../Continuation.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as Fingerprint from "../compare/fingerprint.ts"
import type { Kept } from "./head.ts"

/** Why a head is gone. */
export type Loss = Extract<FullReason["_tag"], "AfterFailure" | "Displaced" | "Forgotten" | "NewConnection">

export type Losses = Readonly<Record<Loss, number>>

export const noLosses: Losses = { AfterFailure: 0, Displaced: 0, Forgotten: 0, NewConnection: 0 }

export type Trace =
  | { readonly _tag: "Head"; readonly kept: Kept }
  | { readonly _tag: "Gone"; readonly loss: Loss; readonly usedAt: number }

/** Of one conversation, and its forks. */
const maxTraces = 4

/** Of conversations. What was forgotten can only not be explained. */
const maxRoots = 1024

/** More than these are not compared: an attacker who makes histories collide gets requests in full. */
const maxFound = 4

export class HeadIndex {
  private readonly byKey = new Map<number, Array<Kept>>()
  /** How many heads have so many items: no others are looked up. */
  private readonly lengths = new Map<number, number>()
  /** By their first items, the newest trace last; the conversation that was used last is the last one. */
  private readonly roots = new Map<number | undefined, ReadonlyArray<Trace>>()
  /** The head that was put out last. */
  private latest: Kept | undefined
  readonly losses: Record<Loss, number> = { ...noLosses }

  add(kept: Kept): void {
    const key = Fingerprint.key(kept.fingerprint)
    const equal = this.byKey.get(key)
    if (equal === undefined) this.byKey.set(key, [kept])
    else equal.push(kept)
    this.count(kept, 1)
    this.latest = kept
    this.trace(kept.root, { _tag: "Head", kept })
  }

  /** A head that was continued is gone without a loss. */
  remove(kept: Kept, loss?: Loss): void {
    const key = Fingerprint.key(kept.fingerprint)
    const equal = this.byKey.get(key) ?? []
    const others = equal.filter((other) => other !== kept)
    if (others.length < equal.length) this.count(kept, -1)
    if (others.length === 0) this.byKey.delete(key)
    else this.byKey.set(key, others)
    if (this.latest === kept) this.latest = undefined
    const traces = (this.roots.get(kept.root) ?? []).filter((trace) => trace._tag === "Gone" || trace.kept !== kept)
    if (traces.length === 0) this.roots.delete(kept.root)
    else this.roots.set(kept.root, traces)
    if (loss !== undefined) this.lost(kept.root, loss, kept.at)
  }

  /** It was displaced, and is there again. */
  putBack(kept: Kept): void {
    this.losses.Displaced--
    this.add(kept)
  }

  lost(root: number | undefined, loss: Loss, usedAt: number): void {
    this.losses[loss]++
    this.trace(root, { _tag: "Gone", loss, usedAt })
  }

  /** The head that was put out last: most often it is the one. */
  recent(): Kept | undefined {
    return this.latest
  }

  /** Heads whose items a history may begin with, the longest first, and of equal ones the newest. */
  find(items: ReadonlyArray<ResponseItem>): ReadonlyArray<Kept> {
    const found: Array<Kept> = []
    Fingerprint.forEachBeginning(items, (hash, count) => {
      const heads = this.lengths.has(count) ? this.byKey.get(Fingerprint.key({ hash, count })) : undefined
      if (heads !== undefined) found.push(...heads)
    })
    return found.slice(-maxFound).toReversed()
  }

  /** The newest heads of a conversation: where a history has references, its fingerprint tells nothing. */
  ofRoot(root: number | undefined): ReadonlyArray<Kept> {
    return (this.roots.get(root) ?? []).flatMap((trace) => trace._tag === "Head" ? [trace.kept] : []).toReversed()
  }

  /** What was heard last of a conversation. */
  lastTrace(root: number | undefined): Trace | undefined {
    return this.roots.get(root)?.at(-1)
  }

  /** Nothing is said of those that have no root: they are many conversations. */
  private count({ fingerprint: { count } }: Kept, change: number): void {
    const left = (this.lengths.get(count) ?? 0) + change
    if (left === 0) this.lengths.delete(count)
    else this.lengths.set(count, left)
  }

  private trace(root: number | undefined, trace: Trace): void {
    if (root === undefined) return
    const traces = this.roots.get(root) ?? []
    this.roots.delete(root)
    this.roots.set(root, [...traces, trace].slice(-maxTraces))
    const [oldest] = this.roots.keys()
    if (this.roots.size > maxRoots && oldest !== undefined) this.roots.delete(oldest)
  }
}
