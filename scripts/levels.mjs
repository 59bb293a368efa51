/**
 * Who may import whom, for dependency-cruiser (`pnpm levels`).
 *
 * `packages/responses/src` has levels. A file imports from its own level or a lower one, never upward and never in a
 * circle. Type-only imports count. A new file is named here before it passes.
 */

/** Names are paths below `packages/responses/src`, without `.ts`. */
const L0 = [
  "Continuation",
  "Profile",
  "ResponseEvent",
  "ResponseFault",
  "ResponseItem",
  "ResponseRequest",
  "ResponseScript",
  "ResponseSteps",
  "ResponseTool",
  "ResponseTurn",
  "ResponsesError",
  "internal/badFrames",
  "internal/belonging",
  "internal/calls",
  "internal/chainFields",
  "internal/chainRefusal",
  "internal/deepJson",
  "internal/errorTable",
  "internal/eventStream",
  "internal/finalizer",
  "internal/foreignError",
  "internal/frameLimit",
  "internal/heap",
  "internal/history",
  "internal/httpAnswer",
  "internal/httpHeader",
  "internal/inputShape",
  "internal/itemDraft",
  "internal/itemFrames",
  "internal/itemMatch",
  "internal/itemMeaning",
  "internal/itemParts",
  "internal/jsonLines",
  "internal/jsonSchema",
  "internal/jsonText",
  "internal/kept",
  "internal/limits",
  "internal/meaning",
  "internal/nesting",
  "internal/outage",
  "internal/output",
  "internal/pendingCalls",
  "internal/random",
  "internal/refusals",
  "internal/responseFrames",
  "internal/retryDelay",
  "internal/scrub",
  "internal/secrets",
  "internal/serverUrl",
  "internal/sseDialect",
  "internal/strictSchema",
  "internal/textStream",
  "internal/time",
  "internal/timeline",
  "internal/timers",
  "internal/tokens",
  "internal/toolArguments",
  "internal/toolOutput",
  "internal/toolSchema",
  "internal/utf8",
  "internal/wireError",
  "internal/witnesses",
  "internal/writable"
]
const L1 = ["Responses", "ResponsesFallback", "ResponsesTelemetry", "Connector", "Endpoint", "Timeouts"]
const L2 = {
  internals: [
    "internal/fairSemaphore",
    "internal/exchange",
    "internal/liveness",
    "internal/rewarm",
    "internal/router",
    "internal/watchdog",
    "internal/connection",
    "internal/httpFailure",
    "internal/httpSpan",
    "internal/eventBody",
    "internal/httpEvents",
    "internal/heads",
    "internal/lease",
    "internal/turn"
  ],
  transports: ["ResponsesSocket", "ResponsesHttp", "ResponsesTest"]
}
const L3 = ["internal/turns", "internal/wholeAnswer", "Conversation", "ResponsesFetch"]

/** In each order, a group imports nothing from a group that stands further right. */
const orders = {
  levels: [L0, L1, [...L2.internals, ...L2.transports], L3, ["index"]],
  "internals-below-transports": [L2.internals, L2.transports],
  "exchange-connection-lease-turn": [
    ["internal/exchange"],
    ["internal/connection"],
    ["internal/lease", "internal/heads"],
    ["internal/turn"]
  ]
}

const src = "^packages/responses/src/"
const files = (/** @type {Array<string>} */ names) => `${src}(?:${names.join("|")})[.]ts$`
const placed = files(orders.levels.flat())
const npm = (/** @type {Array<string>} */ names) => `/node_modules/(?:${names.join("|")})/`

const upward = Object.entries(orders).flatMap(([name, groups]) =>
  groups.slice(0, -1).map((group, index) => ({
    name,
    comment: "Imports point to the same level or a lower one.",
    severity: "error",
    from: { path: files(group) },
    to: { path: files(groups.slice(index + 1).flat()) }
  }))
)

export default {
  forbidden: [
    ...upward,
    {
      name: "give-it-a-level",
      comment: "Name the file in scripts/levels.mjs.",
      severity: "error",
      from: {},
      // The number is the largest allowed, so that it holds for every file.
      module: { path: src, pathNot: placed, numberOfDependentsLessThan: 100 }
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
      comment:
        "A published package imports, of this repository, only itself and the public modules of effect-responses.",
      severity: "error",
      from: { path: "^packages/(responses[^/]*)/src/" },
      to: { path: "^packages/", pathNot: ["^packages/$1/src/", `${src}[^/]+[.]ts$`] }
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
