/** The numbers of a ledger as Effect metrics, which are read when an exporter reads them. docs/operators/ledger.md has a table of them. */
import { metricReaders } from "@sluice/transport"
import { Effect, Metric, type Scope } from "effect"
import type { Spool } from "./spool/spool.ts"
import type { Books } from "./store/books.ts"
import type { WriterCounts } from "./writer.ts"

export interface LedgerReadings {
  readonly counts: Readonly<WriterCounts>
  readonly books: Books
  readonly spool: Spool | undefined
}

const gauge = (name: string, description: string) => Metric.gauge(`sluice_ledger_${name}`, { description })

const commits = Metric.counter("sluice_ledger_commits_total", {
  description: "Transactions with shares or money",
  incremental: true
})
const commitSeconds = gauge("commit_seconds", "How long the last commit took, with the tries that failed")
const commitShares = gauge("commit_shares", "Shares of the last commit")
const waiting = gauge("waiting_shares", "Shares that wait for the next commit")
const spoolShares = gauge("spool_shares", "Shares in the spool that the database does not have yet")
const spoolBytes = gauge("spool_bytes", "Size of the spool")
const settled = gauge(
  "last_settlement_timestamp_seconds",
  "When the last settlement was made, in seconds since 1970; 0 without one"
)

/** Registers them until the Scope closes. */
export const registerMetrics = ({ books, counts, spool }: LedgerReadings): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { count, read } = yield* metricReaders
    yield* count(commits, {}, () => counts.commits)
    yield* read(commitSeconds, {}, () => counts.lastCommitMs / 1_000)
    yield* read(commitShares, {}, () => counts.lastShares)
    yield* read(waiting, {}, () => counts.waiting)
    yield* read(settled, {}, () => books.lastSettledAt / 1_000)
    if (spool === undefined) return
    yield* read(spoolShares, {}, () => spool.waiting)
    yield* read(spoolBytes, {}, () => spool.bytes)
  })
