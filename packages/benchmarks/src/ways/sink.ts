/** The synchronous sink of the library, in one place. */
export { forEach } from "effect-responses/Responses"
