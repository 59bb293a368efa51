import { beforeEach } from "vitest"

/**
 * A test may run in microtasks only, and then lets none of Vitest's own messages through; nor do a hundred of them in a row. When an
 * answer is out for a minute, Vitest fails with `Timeout calling "onTaskUpdate"`, though every test has passed.
 */
beforeEach(() => new Promise<void>((resolve) => void setImmediate(resolve)))
