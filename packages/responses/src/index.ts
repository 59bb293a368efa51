/**
 * @since 0.1.0
 */
export * as Connector from "./Connector.ts"

/**
 * @since 0.1.0
 */
export * as Continuation from "./Continuation.ts"

/**
 * @since 0.1.0
 */
export * as Profile from "./Profile.ts"

/**
 * @since 0.1.0
 */
export * as ResponseEvent from "./ResponseEvent.ts"

/**
 * @since 0.1.0
 */
export * as ResponseItem from "./ResponseItem.ts"

/**
 * @since 0.1.0
 */
export * as ResponseRequest from "./ResponseRequest.ts"

/**
 * @since 0.1.0
 */
export * as ResponseScript from "./ResponseScript.ts"

/**
 * @since 0.1.0
 */
export * as Responses from "./Responses.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesError from "./ResponsesError.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesFallback from "./ResponsesFallback.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesFetch from "./ResponsesFetch.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesHttp from "./ResponsesHttp.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesMetrics from "./ResponsesMetrics.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesOptions from "./ResponsesOptions.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesRetry from "./ResponsesRetry.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesSocket from "./ResponsesSocket.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesTest from "./ResponsesTest.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesTelemetry from "./ResponsesTelemetry.ts"

/**
 * @since 0.1.0
 */
export * as Conversation from "./Conversation.ts"

/**
 * @since 0.1.0
 */
export * as ConversationApproval from "./ConversationApproval.ts"

/**
 * @since 0.1.0
 */
export * as ConversationError from "./ConversationError.ts"

/**
 * @since 0.1.0
 */
export * as ConversationEvent from "./ConversationEvent.ts"

/**
 * @since 0.1.0
 */
export * as ConversationInterface from "./ConversationInterface.ts"

/**
 * @since 0.1.0
 */
export * as ConversationJournal from "./ConversationJournal.ts"

/**
 * @since 0.1.0
 */
export * as ConversationOptions from "./ConversationOptions.ts"

/**
 * @since 0.1.0
 */
export * as ResponseTool from "./ResponseTool.ts"

/**
 * @since 0.1.0
 */
export * as ResponseToolCall from "./ResponseToolCall.ts"

/**
 * @since 0.1.0
 */
export * as ResponseToolError from "./ResponseToolError.ts"

/**
 * @since 0.1.0
 */
export * as ResponseToolOptions from "./ResponseToolOptions.ts"
