/**
 * How a duration among the options is checked.
 *
 * For the sister packages of this repository: it may change in any minor release.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export { positive } from "../internal/options/timeouts.ts"
