/** `sluice ledger export`: prints shares, blocks or entries as CSV or lines of JSON. */
import { hashToDisplay } from "@sluice/bitcoin"
import { type LedgerSqlCalls, readBlocks, readEntries, sharesFrom } from "@sluice/ledger"
import { Stream } from "effect"
import { Csv } from "effect/encoding"
import { print } from "../output/streams.ts"
import { ledgerCommand, reading } from "./command.ts"
import { ExportConfig } from "./config.ts"

export const exportTable = ledgerCommand({
  ...ExportConfig,
  description: "Print shares, blocks or entries to standard output.",
  run: ({ format, fromShare, ledger, table }) =>
    reading(ledger, (sql) => {
      const { columns, rows } = tables[table](sql, fromShare)
      const lines =
        format === "csv"
          ? rows.pipe(
              Stream.map(asText),
              Stream.pipeThroughChannel(Csv.encodeString({ columns, headers: true })),
              Stream.map((line) => line.replace(/\r?\n$/, ""))
            )
          : Stream.map(rows, (row) => JSON.stringify(row))
      return Stream.runForEach(lines, print)
    })
})

/** Amounts and work are decimal text: they may need more digits than a number of JSON has. */
type Cells = Readonly<Record<string, string | number | boolean>>

const asText = (cells: Cells): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(cells).map(([name, value]) => [name, String(value)]))

const tables = {
  shares: (sql: LedgerSqlCalls, from: number) => ({
    columns: ["seq", "at", "user", "worker", "work", "height", "hash", "block"],
    rows: Stream.map(sharesFrom(sql, from), ({ at, hash, height, isBlock, seq, user, work, worker }): Cells => ({
      seq,
      at,
      user,
      worker,
      work: work.toString(),
      height,
      hash: hashToDisplay(hash),
      block: isBlock
    }))
  }),
  blocks: (sql: LedgerSqlCalls) => ({
    columns: ["height", "hash", "state", "at", "user", "worker", "reward", "networkWork"],
    rows: Stream.map(
      Stream.fromIterableEffect(readBlocks(sql)),
      ({ at, hash, height, networkWork, reward, state, user, worker }): Cells => ({
        height,
        hash: hashToDisplay(hash),
        state,
        at,
        user,
        worker,
        reward: reward.toString(),
        networkWork: networkWork.toString()
      })
    )
  }),
  entries: (sql: LedgerSqlCalls) => ({
    columns: ["id", "settlement", "payment", "purchase", "account", "kind", "amount", "at", "reason"],
    rows: Stream.map(
      Stream.fromIterableEffect(readEntries(sql)),
      ({ account, amount, at, id, kind, paymentId, purchaseId, reason, settlementId }): Cells => ({
        id,
        settlement: settlementId ?? "",
        payment: paymentId ?? "",
        purchase: purchaseId ?? "",
        account,
        kind,
        amount: amount.toString(),
        at,
        reason
      })
    )
  })
}
