/**
 * @since 0.1.0
 */
export * as Context from "./Context.ts"

/**
 * @since 0.1.0
 */
export * as Dialect from "./Dialect.ts"

/**
 * @since 0.1.0
 */
export * as Observation from "./Observation.ts"

/**
 * @since 0.1.0
 */
export * as ResponsesServer from "./ResponsesServer.ts"

/**
 * @since 0.1.0
 */
export * as ScriptFile from "./ScriptFile.ts"

/**
 * @since 0.1.0
 */
export * as TestClient from "./TestClient.ts"

/**
 * @since 0.1.0
 */
export * as Upgrade from "./Upgrade.ts"
