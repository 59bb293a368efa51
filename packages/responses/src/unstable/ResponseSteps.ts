/**
 * What a transport does for a turn of a script, frame by frame.
 *
 * For the sister packages of this repository: it may change in any minor release.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export { pick, steps } from "../internal/script/responseSteps.ts"

/**
 * @since 0.1.0
 */
export type { Step } from "../internal/script/scriptSteps.ts"
