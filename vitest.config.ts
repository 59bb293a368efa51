import { defineConfig } from "vitest/config"
import projects from "./vitest.workspace.ts"

export default defineConfig({
  test: {
    projects,
    // Vitest leaves one processor to itself, which needs next to none: on two, this halves the time.
    maxWorkers: "100%",
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
