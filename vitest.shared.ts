import { fileURLToPath } from "node:url"
import type { ViteUserConfig } from "vitest/config"

/** What every package's `vitest.config.ts` starts from. */
const shared: ViteUserConfig = {
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: [fileURLToPath(new URL("vitest.setup.ts", import.meta.url))],
    // Catches a hang; a busy machine must not look like one.
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
}

export default shared
