/**
 * @since 0.1.0
 */
export * as NodeConnector from "./NodeConnector.ts"

/**
 * @since 0.1.0
 */
export * as NodeResponses from "./NodeResponses.ts"

/**
 * @since 0.1.0
 */
export * as NodeResponsesHttp from "./NodeResponsesHttp.ts"

/**
 * @since 0.1.0
 */
export * as NodeResponsesSocket from "./NodeResponsesSocket.ts"
