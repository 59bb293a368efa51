/**
 * @since 0.1.0
 */
export * as ResponsesAiConfig from "./ResponsesAiConfig.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesAiError from "./ResponsesAiError.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesOpenAiClient from "./ResponsesOpenAiClient.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesToolkit from "./ResponsesToolkit.ts"
