/** `sluice ledger`: looks at a ledger, audits it, and changes it where an operator must. */
import { hashToDisplay } from "@sluice/bitcoin"
import {
  addressesAt,
  audit,
  followBlocks,
  Ledger,
  LedgerError,
  readAccounts,
  readAddressChanges,
  readBlocks,
  readReserve,
  readSettlements,
  replay,
  type StoredBlock,
  type StoredSettlement
} from "@sluice/ledger"
import { Clock, Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { policyOfNumbers } from "../config/ledger.ts"
import { FaultsFound } from "../command/report.ts"
import { summaries } from "../command/summaries.ts"
import { withProgress } from "../output/progress.ts"
import { layerNode } from "../server/node.ts"
import { accountName, isoTime, layerWriting, ledgerCommand, printRows, reading } from "./command.ts"
import { AdjustConfig, BackupConfig, plainConfig, ReplayConfig, SettleConfig } from "./config.ts"
import { exportTable } from "./export.ts"
import { importShares } from "./import.ts"
import { address, pay, payments } from "./pay.ts"

const auditCommand = ledgerCommand({
  ...plainConfig("audit"),
  description:
    "Compute every settlement again from the shares, check the chain of hashes and the sums. The exit status is 1 if something differs.",
  run: Effect.fnUntraced(function* ({ json, ledger }) {
    const { byRollups, faults, ...counts } = yield* reading(ledger, (sql) =>
      withProgress("audit", (progress) => audit(sql, progress))
    )
    yield* printRows([{ ...counts, faults: faults.length }], json)
    yield* printRows(
      byRollups.map((note) => ({ note })),
      json
    )
    yield* printRows(
      faults.map((fault) => ({ fault })),
      json
    )
    if (faults.length > 0) return yield* new FaultsFound()
  })
})

const users = ledgerCommand({
  ...plainConfig("users"),
  description:
    "Print the balance of each user, in satoshis, with what it earned and was paid, and its address if that is not its name.",
  run: Effect.fnUntraced(function* ({ json, ledger }) {
    const [accounts, changes] = yield* reading(ledger, (sql) =>
      Effect.all([readAccounts(sql), readAddressChanges(sql)])
    )
    const addresses = addressesAt(changes, yield* Clock.currentTimeMillis)
    yield* printRows(
      accounts.map(({ name, ...account }) => {
        const { current = "", pending } = addresses.get(name) ?? {}
        const next = pending === undefined ? "" : `${pending.address} from ${isoTime(pending.effectiveAt)}`
        return { user: accountName(name), ...account, address: current, next }
      }),
      json
    )
  })
})

const blocks = ledgerCommand({
  ...plainConfig("blocks"),
  description: "Print each block that was found, with its state and how full its window was.",
  run: Effect.fnUntraced(function* ({ json, ledger }) {
    const rows = yield* reading(ledger, (sql) =>
      Effect.flatMap(
        readBlocks(sql),
        Effect.forEach((block) =>
          Effect.map(readSettlements(sql, block), ([settlement]) => blockRow(block, settlement))
        )
      )
    )
    yield* printRows(rows, json)
  })
})

const blockRow = (block: StoredBlock, settlement: StoredSettlement | undefined) => ({
  height: block.height,
  hash: hashToDisplay(block.hash),
  state: block.state,
  found: isoTime(block.at),
  user: block.user,
  reward: block.reward,
  scheme: settlement?.policy.scheme ?? "none",
  window: settlement === undefined ? "" : fullness(settlement)
})

/** How full the window of a settlement was. Windows by round and by time are as large as what is in them. */
const fullness = ({ basis, windowWork }: StoredSettlement): string => {
  if (basis.work === undefined || basis.work === 0n) return ""
  return `${Number((windowWork * 10_000n) / basis.work) / 100} % full`
}

const settle = ledgerCommand({
  ...SettleConfig,
  description: "Look on the chain of a node which blocks are confirmed, and take back what orphans had settled.",
  run: Effect.fnUntraced(function* (config) {
    const changes = yield* followBlocks.pipe(
      Effect.provide(Layer.merge(layerWriting(config.ledger), layerNode(config)!))
    )
    yield* printRows(
      changes.map(({ block, state }) => ({ height: block.height, hash: hashToDisplay(block.hash), state })),
      config.json
    )
  })
})

const replayCommand = ledgerCommand({
  ...ReplayConfig,
  description: "Print what users would have earned by another scheme.",
  run: Effect.fnUntraced(function* ({ fee, from, halvingInterval, json, ledger, minutes, scheme, window }) {
    const policy = policyOfNumbers(scheme, { fee, window, minutes })
    const { earned, replayed } = yield* reading(ledger, (sql) =>
      withProgress("replay", (progress) => replay(sql, { policy, fromHeight: from, halvingInterval }, progress))
    )
    const names = [...new Set([...earned.keys(), ...replayed.keys()])].toSorted()
    yield* printRows(
      names.map((name) => {
        const [was, would] = [earned.get(name) ?? 0n, replayed.get(name) ?? 0n]
        return { user: accountName(name), earned: was, replayed: would, difference: would - was }
      }),
      json
    )
  })
})

const adjust = ledgerCommand({
  ...AdjustConfig,
  description: "Move an amount between the pool's account and a user's, with a reason that the ledger keeps.",
  run: Effect.fnUntraced(function* (config) {
    const { json, ledger, reason, satoshis, user } = config
    const balance = yield* Effect.gen(function* () {
      const { books, transact } = yield* Ledger
      const at = yield* Clock.currentTimeMillis
      yield* transact(books.adjust(user, BigInt(satoshis), at, reason))
      return books.balances.get(user) ?? 0n
    }).pipe(Effect.provide(layerWriting(ledger)))
    yield* printRows([{ user, adjusted: BigInt(satoshis), balance }], json)
  })
})

const reserve = ledgerCommand({
  ...plainConfig("reserve"),
  description: "Print the reserve of a pool that buys shares (fpps, pps), in satoshis.",
  run: Effect.fnUntraced(function* ({ json, ledger }) {
    const found = yield* reading(ledger, readReserve)
    if (found === undefined) {
      return yield* new LedgerError({ message: `the ledger ${ledger} is not of a pool that buys shares` })
    }
    const { declared, earned } = found
    yield* printRows([{ declared, earned, reserve: declared + earned }], json)
  })
})

const migrate = ledgerCommand({
  ...plainConfig("migrate"),
  description: "Bring a ledger of an older version up to date. Make a backup first.",
  run: Effect.fnUntraced(function* ({ ledger }) {
    yield* Effect.provide(Ledger, layerWriting(ledger, { isUpgrade: true }))
    yield* Console.log("the ledger has the schema of this version")
  })
})

const backup = ledgerCommand({
  ...BackupConfig,
  description: "Copy the ledger to another file while a pool uses it.",
  run: ({ ledger, to }) =>
    reading(ledger, (sql) =>
      sql.dialect === "sqlite"
        ? sql.backup(to)
        : Effect.fail(
            new LedgerError({
              message:
                "this command copies SQLite files: back up a PostgreSQL database with pg_dump, which may run at any time"
            })
          )
    )
})

export const ledger = Command.make("ledger").pipe(
  Command.withDescription(summaries.ledger),
  Command.withSubcommands([
    auditCommand,
    users,
    blocks,
    settle,
    replayCommand,
    importShares,
    exportTable,
    adjust,
    pay,
    payments,
    address,
    reserve,
    backup,
    migrate
  ])
)
