/** `sluice ledger`: looks at a ledger, audits it, and changes it where an operator must. */
import { hashToDisplay } from "@sluice/bitcoin"
import {
  audit,
  followBlocks,
  Ledger,
  LedgerError,
  type LedgerPlace,
  type LedgerSettings,
  type Policy,
  readAccounts,
  readBlocks,
  readSettlements,
  replay,
  type StoredBlock,
  type StoredSettlement
} from "@sluice/ledger"
import { minerScript } from "@sluice/mining-server"
import { Clock, Console, Effect, Layer, Schema } from "effect"
import { Command } from "effect/cli"
import { blockPolicy } from "../config/ledger.ts"
import { FaultsFound } from "../command/report.ts"
import { summaries } from "../command/summaries.ts"
import { withProgress } from "../output/progress.ts"
import { layerNode } from "../server/node.ts"
import { accountName, ledgerCommand, printRows, reading } from "./command.ts"
import { AdjustConfig, BackupConfig, PayConfig, plainConfig, ReplayConfig, SettleConfig } from "./config.ts"
import { exportTable } from "./export.ts"
import { importShares } from "./import.ts"

const isoTime = (at: number): string => new Date(at).toISOString()

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
  description: "Print the balance of each user, in satoshis, with what it earned and what coinbases paid it.",
  run: Effect.fnUntraced(function* ({ json, ledger }) {
    const accounts = yield* reading(ledger, readAccounts)
    yield* printRows(
      accounts.map(({ name, ...account }) => ({ user: accountName(name), ...account })),
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
    const policy: Policy =
      scheme === "fpps" || scheme === "pps"
        ? { version: 1, scheme, fee: Math.round(fee * 10_000) }
        : blockPolicy(scheme, { fee, window, minutes })
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

/** The ledger keeps whom it owes; it holds no key of a wallet. */
const pay = ledgerCommand({
  ...PayConfig,
  description:
    "Print whom a payment from the pool's wallet would pay how much: balances that no coinbase has paid yet.",
  run: Effect.fnUntraced(function* ({ dryRun, json, ledger, minimum }) {
    if (!dryRun) {
      return yield* new CommandError({
        message:
          "it sends no payments: give --dry-run, pay from your wallet, and note each payment with sluice ledger adjust"
      })
    }
    const accounts = yield* reading(ledger, readAccounts)
    const due = accounts.filter(({ balance, name }) => name !== "" && balance >= BigInt(minimum))
    yield* printRows(
      due.map(({ balance, name }) => ({ user: name, satoshis: balance, payable: minerScript(name) !== undefined })),
      json
    )
  })
})

/** The command line asks for something that the command does not do. */
class CommandError extends Schema.TaggedError<CommandError>()("LedgerCommandError", { message: Schema.String }) {}

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

/** The ledger, to change it, also while a pool uses it. */
const layerWriting = (place: LedgerPlace, settings: LedgerSettings = {}) =>
  Ledger.layer({ ...place, commitInterval: 0, ...settings })

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
    backup,
    migrate
  ])
)
