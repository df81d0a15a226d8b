/** The numbers of a job declarator as Effect metrics, for any exporter. They are read when the metrics are read. */
import { metricReaders } from "@sluice/transport"
import { Effect, Metric, type Scope } from "effect"
import type { DeclarationStats } from "./statistics.ts"

const counter = (name: string, description: string) =>
  Metric.counter(`sluice_declarator_${name}`, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(`sluice_declarator_${name}`, { description })

const GAUGES: ReadonlyArray<readonly [Metric.Gauge<number>, (stats: DeclarationStats) => number]> = [
  [gauge("connections", "Connections of clients that are open"), ({ connections }) => connections],
  [gauge("tokens", "Tokens that have not expired"), ({ tokens }) => tokens],
  [gauge("declarations", "Declared jobs that are being checked"), ({ declarations }) => declarations],
  [gauge("jobs", "Accepted jobs that are kept for blocks"), ({ jobs }) => jobs],
  [gauge("block_height", "Height of the next block of the node; 0 without a node"), ({ height }) => height],
  [gauge("mempool_transactions", "Transactions of the node's mempool that are here"), (s) => s.mempool.transactions],
  [gauge("mempool_bytes", "Bytes of these transactions"), ({ mempool }) => mempool.bytes],
  [gauge("memory_bytes", "Memory for transactions, those of jobs too"), ({ mempool }) => mempool.memoryBytes]
]

const COUNTERS: ReadonlyArray<readonly [Metric.Counter<number>, (stats: DeclarationStats) => number]> = [
  [counter("tokens_allocated_total", "Tokens that were allocated"), ({ tokensAllocated }) => tokensAllocated],
  [counter("jobs_declared_total", "Declared jobs that were accepted"), ({ jobsDeclared }) => jobsDeclared],
  [counter("transactions_total", "Transactions of accepted jobs"), ({ transactions }) => transactions],
  [counter("transactions_sent_total", "Those of them that clients sent"), ({ transactionsSent }) => transactionsSent],
  [counter("messages_ignored_total", "Messages that change nothing"), ({ messagesIgnored }) => messagesIgnored],
  [counter("blocks_found_total", "Blocks of declared jobs"), ({ blocksFound }) => blocksFound]
]

const refused = counter("jobs_refused_total", "Declared jobs that were refused, by error code")
const submitted = counter("blocks_submitted_total", "Blocks that the node judged, by verdict")

export interface DeclarationMetrics {
  readonly refused: (errorCode: string) => void
  /** `accepted` is counted apart from all other verdicts: those are text of the node. */
  readonly submitted: (isAccepted: boolean) => void
}

/** Registers the readings until the Scope closes. */
export const makeDeclarationMetrics = (
  read: () => DeclarationStats
): Effect.Effect<DeclarationMetrics, never, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const readers = yield* metricReaders
    for (const [metric, value] of GAUGES) yield* readers.read(metric, {}, () => value(read()))
    for (const [metric, count] of COUNTERS) yield* readers.count(metric, {}, () => count(read()))
    return {
      refused: (errorCode) => Metric.withAttributes(refused, { reason: errorCode }).updateUnsafe(1, context),
      submitted: (isAccepted) =>
        Metric.withAttributes(submitted, { verdict: isAccepted ? "accepted" : "other" }).updateUnsafe(1, context)
    }
  })
