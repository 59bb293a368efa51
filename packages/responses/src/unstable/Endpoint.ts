/**
 * Where the server is, for a platform that makes Layers of its own.
 *
 * For the sister packages of this repository: it may change in any minor release.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export { fromConfig, urls } from "../internal/options/endpoint.ts"
