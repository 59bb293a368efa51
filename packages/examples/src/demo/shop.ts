/** The systems the agent looks into: made up, and the same at every look. */

export const services = ["gateway", "cart", "checkout", "payments", "inventory"] as const
export const levels = ["error", "warn", "info"] as const
export const metrics = [
  "latency_p95",
  "error_rate",
  "pool_in_use",
  "pool_wait",
  "cpu",
  "gc_pause",
  "queue_depth"
] as const

export type Service = (typeof services)[number]
export type Level = (typeof levels)[number]
export type Metric = (typeof metrics)[number]

/** Numbers that depend on nothing but the question (mulberry32, seeded with FNV-1a). */
const dice = (question: string): (sides: number) => number => {
  let state = 0x811c9dc5
  for (const character of question) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193)
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

const clock = (minute: number, rest = ""): string => `02:${String(minute % 60).padStart(2, "0")}${rest}`

const messages: Readonly<Record<Level, ReadonlyArray<string>>> = {
  error: [
    "payment call failed: timeout after 2000 ms (attempt 3 of 3, pool wait 1211 ms)",
    "cannot acquire connection: pool exhausted (in use 20, waiting 143)",
    "circuit breaker open for payments, answering 503 to the caller"
  ],
  warn: [
    "slow query 1840 ms: select * from reservation where cart_id = $1 for update",
    "retrying payment call (attempt 2 of 3) after 502 from upstream",
    "connection held for 9120 ms by reservation-sweeper, longer than 5000 ms"
  ],
  info: [
    "reservation-sweeper took lock shop.reservation, batch of 500 rows",
    "order accepted, charged and handed to fulfilment in 1912 ms",
    "health check ok, pool in use 19 of 20, event loop lag 4 ms"
  ]
}

export const searchLogs = (service: Service, level: Level, limit: number): string => {
  const roll = dice(`logs ${service} ${level}`)
  const found = 40 + roll(400)
  const lines = Array.from({ length: limit }, (_, index) => {
    const at = clock(10 + index * 2, `:${String(roll(60)).padStart(2, "0")}.${String(roll(1000)).padStart(3, "0")}`)
    const request = (0x100000 + roll(0xefffff)).toString(16)
    const text = messages[level][roll(messages[level].length)] ?? ""
    return `${at} ${level.toUpperCase().padEnd(5)} ${service} pod-${roll(6)} [req ${request}] ${text}`
  })
  return `${found} ${level} lines of ${service} since 02:10, the first ${limit} follow\n${lines.join("\n")}`
}

const units: Readonly<Record<Metric, readonly [unit: string, before: number, after: number]>> = {
  latency_p95: ["ms", 212, 1840],
  error_rate: ["%", 0, 7],
  pool_in_use: ["connections", 6, 20],
  pool_wait: ["ms", 1, 1211],
  cpu: ["%", 31, 28],
  gc_pause: ["ms", 4, 5],
  queue_depth: ["jobs", 12, 930]
}

export const queryMetric = (service: Service, metric: Metric, minutes: number): string => {
  const roll = dice(`metric ${service} ${metric}`)
  const [unit, before, after] = units[metric]
  const points = Array.from({ length: minutes }, (_, minute) => {
    const typical = minute < 4 ? before : after
    const value = typical + roll(2 + Math.ceil(typical / 10))
    return `${clock(10 + minute)}  ${String(value).padStart(5)} ${unit}  (${40 + roll(60)} samples, pods 6 of 6)`
  })
  return `${service} ${metric}: ${before} ${unit} until 02:14, ${after} ${unit} after it\n${points.join("\n")}`
}

const changes = [
  "raise reservation-sweeper batch from 50 to 500 rows",
  "bump http client, keep-alive on by default",
  "new copy for the delivery page",
  "feature flag one_click off for 5 % of visitors",
  "log the pool wait with every slow request",
  "rotate the certificate of the payment provider"
]

export const listDeploys = (service: Service): string => {
  const roll = dice(`deploys ${service}`)
  const deploys = changes.map((change, index) => {
    const revision = (0x1000000 + roll(0xeffffff)).toString(16)
    const who = ["ada", "grace", "edsger", "barbara"][roll(4)] ?? ""
    return `- ${clock(4 + index * 7)}  ${revision}  by ${who}: ${change}
  checks green, ${1 + roll(6)} files, rolled out to 6 of 6 pods, SHOP-${
      1000 + roll(9000)
    }, https://ci.internal/shop/${service}/${revision}`
  })
  return `${deploys.length} deploys of ${service} last night, the last at 02:39\n${deploys.join("\n")}`
}

export const readConfig = (service: Service): string => {
  const roll = dice(`config ${service}`)
  const connections = 16 + roll(8)
  const retries = 2 + roll(3)
  return `${service}.yaml: pool of ${connections} connections, ${retries} retries towards payments
service: ${service}
replicas: 6
resources:
  cpu: ${1 + roll(4)}
  memory: ${512 * (1 + roll(4))}Mi
database:
  url: postgres://${service}@db-main.internal:5432/shop
  pool:
    max: ${connections}
    acquireTimeoutMs: ${1000 + roll(10) * 100}
    idleTimeoutMs: 30000
    maxLifetimeMs: 1800000
    validateOnBorrow: false
    statementTimeoutMs: ${4000 + roll(4) * 500}
http:
  server:
    port: 8080
    keepAliveMs: 65000
    requestTimeoutMs: 10000
  client:
    payments:
      url: https://payments.internal/v2
      timeoutMs: 2000
      retries: ${retries}
      backoff: { kind: exponential, firstMs: 100, factor: 2, jitter: full }
      circuitBreaker: { failures: 20, windowMs: 10000, openMs: 15000 }
    inventory:
      url: https://inventory.internal/v1
      timeoutMs: ${500 + roll(10) * 100}
      retries: 1
      hedgeAfterMs: ${100 + roll(10) * 20}
cache:
  kind: redis
  url: redis://cache.internal:6379/${roll(8)}
  ttlSeconds: ${30 + roll(10) * 30}
  staleWhileRevalidate: true
jobs:
  reservation-sweeper:
    schedule: "*/2 * * * *"
    batch: 500
    lock: shop.reservation
    holdsConnection: true
  outbox:
    schedule: "* * * * *"
    batch: ${50 + roll(50)}
features:
  one_click: ${roll(2) === 0}
  split_shipments: ${roll(2) === 0}
  delivery_slots: ${roll(2) === 0}
logging:
  level: info
  sampleInfo: 0.${1 + roll(9)}
  slowRequestMs: 800
  redact: [card, cvc, email, address]
alerts:
  latencyP95Ms: 1000
  errorRatePercent: 2
  poolWaitMs: 500
  page: shop-on-call`
}
