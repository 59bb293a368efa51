import type { ViteUserConfig } from "vitest/config"

/** What every package's `vitest.config.ts` starts from. */
const shared: ViteUserConfig = {
  test: {
    include: ["test/**/*.test.ts"]
  }
}

export default shared
