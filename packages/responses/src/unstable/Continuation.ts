/**
 * The delta rule without a transport: for tests, which give it wrong rules to notice, and for benchmarks.
 *
 * For the sister packages of this repository: it may change in any minor release.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export { commit, full, plan } from "../internal/compare/continuation.ts"

/**
 * @since 0.1.0
 */
export { make } from "../internal/compare/rule.ts"
