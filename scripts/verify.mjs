/** Runs every check of the repository in order; stops at the first that fails and names it. */
import { spawnSync } from "node:child_process"

/** Cheap first, and what a reader wants to know first: does it look right, does it fit, does it work, can it be used. */
const steps = ["lint", "levels", "check", "check:effect", "knip", "size", "coverage", "docgen", "pack:check"]

/** Runs the long tests in full, which `pnpm test` samples. */
const env = { ...process.env, THOROUGH: "1" }

const seconds = (/** @type {number} */ since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** @type {Array<string>} */
const report = []
for (const [index, step] of steps.entries()) {
  console.log(`\n=== verify ${index + 1}/${steps.length}: ${step}`)
  const start = performance.now()
  const { error, status } = spawnSync("pnpm", ["run", step], { stdio: "inherit", env })
  if (error !== undefined || status !== 0) {
    console.error(`\nverify: FAILED at "${step}" (${error?.message ?? `exit ${status}`}) after ${seconds(start)}`)
    process.exit(1)
  }
  report.push(`${step.padEnd(14)}${seconds(start).padStart(8)}`)
}
console.log(`\nverify: all ${steps.length} steps passed\n${report.join("\n")}`)
