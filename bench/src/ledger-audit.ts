/** Audits a ledger, alone in its process, so that its memory can be measured. `node ledger-audit.ts FILE` prints a line of JSON. */
import { audit, layerReading, LedgerSql } from "@sluice/ledger"
import { Effect } from "effect"

export interface Audited {
  readonly shares: number
  readonly faults: number
  readonly cpuMs: number
  /** The most resident memory of the process. */
  readonly mb: number
}

const file = process.argv[2]!
const before = process.cpuUsage()
const { faults, shares } = await Effect.runPromise(
  Effect.provide(
    Effect.flatMap(LedgerSql, (sql) => audit(sql, () => Effect.void)),
    layerReading({ file })
  )
)
const { system, user } = process.cpuUsage(before)
const mb = process.resourceUsage().maxRSS / 1024
console.log(JSON.stringify({ shares, faults: faults.length, cpuMs: (system + user) / 1_000, mb } satisfies Audited))
