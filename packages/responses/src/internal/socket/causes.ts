/** Why a connection ended, for a request that came so far. */
import { ConnectionError, type Delivery, type ResponsesError } from "../../ResponsesError.ts"
import * as wireError from "../wire/wireError.ts"

export type Cause = (delivery: Delivery, hasBegun?: boolean, frameBytes?: number) => ResponsesError

export const lost = (description: string, cause?: Error): Cause => (delivery) =>
  new ConnectionError({ reason: "Lost", delivery, description, ...cause === undefined ? {} : { cause } })

export const closed: Cause = (delivery) =>
  new ConnectionError({ reason: "Closed", delivery, description: "The connection was closed by its owner" })

/** The other side, or the network, closed it. A 1008 before anything was heard is how some servers refuse a connection. */
export const close = (
  close: { readonly code: number; readonly reason: string },
  { hasHeard, large }: {
    readonly hasHeard: boolean
    /** The one request, if there is just one, that may have been too large: none but it is told so. */
    readonly large: number | undefined
  }
): Cause =>
(delivery, hasBegun, frameBytes) =>
  !hasHeard && close.code === 1008
    ? wireError.fromCloseAfterUpgrade(close)
    : wireError.fromClose(close, {
      delivery,
      hasBegun: hasBegun ?? false,
      unheardBytes: frameBytes === large ? large : 0
    })

/** A failure that no request waits for. */
export const whileIdle = (error: ResponsesError): Cause =>
  error._tag === "ConnectionError"
    ? (delivery) => wireError.withDelivery(error, delivery)
    : lost(`The server gave up the idle connection: ${error.description}`)

/** What the failure of one response says of the connection: nothing, or that the server takes no more requests on it. */
export const ofFailure = (error: ResponsesError, usableAfterError: boolean): Cause | undefined => {
  // How far other requests came is not what the error of this one says.
  if (error._tag === "ConnectionError") return (delivery) => wireError.withDelivery(error, delivery)
  return usableAfterError ? undefined : lost("The server serves nothing more on a connection after an error")
}
