import type { TestProjectConfiguration } from "vitest/config"

/** One Vitest project per package. `vitest.config.ts` hands this list to Vitest as `test.projects`. */
const projects: Array<TestProjectConfiguration> = ["packages/*/vitest.config.ts"]

export default projects
