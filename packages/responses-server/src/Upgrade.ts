/**
 * What a server does when somebody asks for a WebSocket. Plain data: it can be written as JSON.
 *
 * @since 0.1.0
 */

/**
 * `Refuse`: a plain HTTP answer; a body that is no string is sent as JSON. `Close`: accepted, and closed at once. `Stall`:
 * never answered. `Cut`: the TCP connection is gone.
 *
 * @since 0.1.0
 * @category models
 */
export type Upgrade =
  | {
    readonly _tag: "Accept"
    /** Whether pings are answered. Default: true */
    readonly pings?: boolean | undefined
    /** Frames that are sent before anybody asked. */
    readonly greeting?: ReadonlyArray<object | string> | undefined
  }
  | {
    readonly _tag: "Refuse"
    readonly status: number
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly body?: unknown
  }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Stall" }
  | { readonly _tag: "Cut" }

/**
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** How many upgrades there were before. */
  readonly index: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * One for each upgrade in their order, and then all are accepted; or a function that decides.
 *
 * @since 0.1.0
 * @category models
 */
export type Upgrades = ReadonlyArray<Upgrade> | ((request: Request) => Upgrade)

/**
 * @since 0.1.0
 * @category constructors
 */
export const accept = (options?: {
  readonly pings?: boolean
  readonly greeting?: ReadonlyArray<object | string>
}): Upgrade => ({ _tag: "Accept", ...options })

/**
 * @since 0.1.0
 * @category constructors
 */
export const refuse = (
  status: number,
  options?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
): Upgrade => ({ _tag: "Refuse", status, ...options })

/**
 * Default: 1008, as a server closes that refuses by policy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const close = (options?: { readonly code?: number; readonly reason?: string }): Upgrade => ({
  _tag: "Close",
  code: options?.code ?? 1008,
  reason: options?.reason ?? ""
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const stall: Upgrade = { _tag: "Stall" }

/**
 * @since 0.1.0
 * @category constructors
 */
export const cut: Upgrade = { _tag: "Cut" }
