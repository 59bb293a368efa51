/**
 * Who may import whom, for dependency-cruiser (`pnpm levels`). Type-only imports count.
 *
 * The inside of `packages/responses/src` has wings, one folder each. A wing imports itself and the wings named here.
 */
const wings = {
  /** What Effect lacks. Knows nothing of the protocol. */
  effect: [],
  /** Frames, errors and secrets, as servers write them. */
  wire: [],
  /** What an item, a field and a history mean: the parts of the delta rule. */
  compare: [],
  /** Whether HTTP takes over. */
  fallback: ["wire"],
  /** Answers of the `fetch` adapter. */
  fetch: [],
  /** What the options of a caller come to: where the server is, who asks, how long a request may wait. */
  options: ["wire"],
  /** Turns of a model as data, made into frames. */
  script: ["wire"],
  /** Schemas, arguments and outputs of tools. */
  tool: ["wire"],
  /** What is asked again, and when. */
  retry: ["effect", "wire"],
  /** What a `Conversation` keeps, and whose turn it is. */
  conversation: ["effect", "wire", "tool", "compare"],
  /** One request and its answer, over any transport. */
  exchange: ["effect", "wire", "options"],
  /** A response over HTTP. */
  http: ["effect", "wire", "options", "exchange"],
  /** The connections, and who is served where. */
  socket: ["effect", "wire", "options", "compare", "exchange"]
}

/** Public modules that put wings together. No wing imports them, and they do not import each other. */
const assembled = [
  "Conversation",
  "ResponsesFallback",
  "ResponsesFetch",
  "ResponsesHttp",
  "ResponsesSocket",
  "ResponsesTest"
]

const src = "^packages/responses/src/"
const inside = `${src}internal/`
const folders = (/** @type {ReadonlyArray<string>} */ names) => `${inside}(?:${names.join("|")})/`
const npm = (/** @type {Array<string>} */ names) => `/node_modules/(?:${names.join("|")})/`

const betweenWings = Object.entries(wings).map(([wing, below]) => ({
  name: `wing-${wing}`,
  comment: `${wing}/ imports of the inside: ${[wing, ...below].join(", ")}.`,
  severity: "error",
  from: { path: folders([wing]) },
  to: { path: inside, pathNot: folders([wing, ...below]) }
}))

export default {
  forbidden: [
    ...betweenWings,
    {
      name: "in-a-wing",
      comment: "A file of the inside belongs into one of the folders that scripts/levels.mjs names.",
      severity: "error",
      from: {},
      // The number is the largest allowed, so that it holds for every file.
      module: { path: inside, pathNot: folders(Object.keys(wings)), numberOfDependentsLessThan: 100 }
    },
    {
      name: "assembled-on-top",
      comment:
        "What puts the wings together is imported by users, index.ts and sister packages, and by nothing below it.",
      severity: "error",
      from: { path: src, pathNot: `${src}index[.]ts$` },
      to: { path: `${src}(?:${assembled.join("|")})[.]ts$` }
    },
    {
      name: "unstable-on-top",
      comment: "What is passed on to sister packages is imported by them and by tests, not by effect-responses itself.",
      severity: "error",
      from: { path: src },
      to: { path: `${src}unstable/` }
    },
    {
      name: "examples-are-stable",
      comment: "The examples import what users may.",
      severity: "error",
      from: { path: "^packages/examples/" },
      to: { path: `${src}unstable/` }
    },
    {
      name: "no-cycle",
      comment: "Files do not import each other in a circle.",
      severity: "error",
      from: {},
      to: { circular: true }
    },
    {
      name: "resolvable",
      comment: "Every import leads somewhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true }
    },
    {
      name: "platform-free",
      comment:
        "effect-responses needs effect, @effect/platform and eventsource-parser, and no platform: no node:, no ws.",
      severity: "error",
      from: { path: src },
      to: { pathNot: [src, npm(["effect", "@effect/platform", "eventsource-parser"])] }
    },
    {
      name: "declared",
      comment: "What is published imports only what its package.json gives to its users.",
      severity: "error",
      from: { path: "^packages/responses[^/]*/src/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm", "npm-peer", "npm-optional"] }
    },
    {
      name: "published-sources",
      comment: "A published package imports, of this repository, only itself and what effect-responses exports.",
      severity: "error",
      from: { path: "^packages/(responses[^/]*)/src/" },
      to: { path: "^packages/", pathNot: ["^packages/$1/src/", `${src}(?:unstable/)?[^/]+[.]ts$`] }
    },
    {
      name: "examples-are-leaves",
      comment: "Nothing imports the examples or the benchmarks.",
      severity: "error",
      from: { pathNot: "^packages/(?:examples|benchmarks)/" },
      to: { path: "^packages/(?:examples|benchmarks)/" }
    }
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    combinedDependencies: false,
    exclude: { path: "^packages/[^/]+/(?:dist|docs)/" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "default"],
      extensions: [".ts", ".d.ts", ".js", ".mjs", ".json"]
    }
  }
}
