import { defineConfig } from "vitest/config"
import projects from "./vitest.workspace.ts"

export default defineConfig({
  test: {
    projects,
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      exclude: ["packages/benchmarks/**", "packages/examples/**", "packages/soak/**"],
      experimentalAstAwareRemapping: true,
      reporter: ["text", "html"],
      thresholds: { lines: 85 }
    }
  }
})
