/**
 * Computes every settlement again, and checks the chain of hashes and the sums of money. Shares are read slice by slice, so it takes no
 * more memory for a year of them than for a day.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import { Effect, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { LedgerError } from "./ledger-error.ts"
import { type Amounts, POOL } from "./scheme/divide.ts"
import { isBlockPolicy } from "./scheme/policy.ts"
import { computeSettlement, makesPayments } from "./settle.ts"
import {
  type Entry,
  readBlocks,
  readEntries,
  readSettlements,
  type StoredBlock,
  type StoredSettlement
} from "./store/books.ts"
import { changesOf, readWalletPayments } from "./store/payments.ts"
import { transactionOfPsbt, unpaidOf } from "./pay/payment-transaction.ts"
import { computePurchase } from "./buying.ts"
import { readPurchases, readRemainders } from "./store/purchases.ts"
import { batchesFrom } from "./store/read-shares.ts"
import type { StoredShare } from "./store/share.ts"
import { beginSlice, NO_SLICE } from "./store/slice-hash.ts"

export interface AuditReport {
  readonly slices: number
  readonly shares: number
  readonly blocks: number
  readonly settlements: number
  readonly purchases: number
  readonly payments: number
  /** Slices whose shares were removed after the time for which they are kept: their hashes are taken as they are. */
  readonly removedSlices: number
  /** Settlements of windows with such slices, which only roll-ups prove, each a sentence. */
  readonly byRollups: ReadonlyArray<string>
  /** What is wrong, each a sentence. */
  readonly faults: ReadonlyArray<string>
}

type Read<A> = Effect.Effect<A, SqlError.SqlError | LedgerError>

/** Audits a ledger. `progress` hears how much of it is done, from 0 to 1. */
export const audit = (sql: SqlClient.SqlClient, progress: (part: number) => Effect.Effect<void>): Read<AuditReport> =>
  Effect.gen(function* () {
    const faults: Array<string> = []
    const { blockShares, ...chain } = yield* auditSlices(sql, faults, progress)
    const blocks = yield* readBlocks(sql)
    const byRollups: Array<string> = []
    let settlements = 0
    for (const block of blocks) settlements += yield* auditBlock(sql, block, faults, byRollups)
    auditBlockShares(blockShares, blocks, faults)
    const purchases = yield* auditPurchases(sql, faults)
    const payments = yield* auditPayments(sql, faults)
    const [money] = yield* sql<{ sum: number | null }>`SELECT sum(amount) AS sum FROM entries`
    if ((money?.sum ?? 0) !== 0) faults.push(`all balances together are 0; they are ${money!.sum} satoshis`)
    return { ...chain, blocks: blocks.length, settlements, purchases, payments, byRollups, faults }
  })

/** Reads all shares slice by slice: their hashes, sums and roll-ups. */
const auditSlices = (
  sql: SqlClient.SqlClient,
  faults: Array<string>,
  progress: (part: number) => Effect.Effect<void>
): Read<
  Pick<AuditReport, "slices" | "shares" | "removedSlices"> & { readonly blockShares: ReadonlyArray<StoredShare> }
> =>
  Effect.gen(function* () {
    const [end] = yield* sql<{ last: number | null }>`SELECT max(last_seq) AS last FROM batches`
    const users = new Map(
      (yield* sql<{ id: number; name: string }>`SELECT id, name FROM users`).map(({ id, name }) => [name, id])
    )
    const blockShares: Array<StoredShare> = []
    let before: Uint8Array = NO_SLICE
    let next = 1
    let slices = 0
    let shares = 0
    let removedSlices = 0
    for (;;) {
      const [slice] = yield* sql<SliceRow>`
        SELECT id, first_seq, last_seq, work, hash, removed_slices.at AS removed_at FROM slices
        LEFT JOIN removed_slices ON removed_slices.slice_id = slices.id
        WHERE first_seq >= ${next} ORDER BY first_seq LIMIT 1`
      if (slice === undefined) break
      if (slice.first_seq !== next) {
        faults.push(`slice ${slice.id} begins with share ${slice.first_seq}; the one before it ends with ${next - 1}`)
      }
      if (slice.removed_at !== null) {
        yield* auditRollups(sql, slice, faults)
        before = slice.hash
        next = slice.last_seq + 1
        slices++
        removedSlices++
        continue
      }
      const hash = beginSlice(before)
      const rollups = new Map<string, number>()
      let count = 0
      let work = 0n
      const seen = new Map<string, number>()
      yield* Stream.runForEach(batchesFrom(sql, slice.first_seq, slice.last_seq), ({ lines, shares }) =>
        Effect.sync(() => {
          hash.update(lines)
          for (const share of shares) {
            const key = JSON.stringify([users.get(share.user), share.worker, share.workText])
            rollups.set(key, (rollups.get(key) ?? 0) + 1)
            work += share.work
            count++
            const of = Buffer.from(share.hash).toString("hex")
            const before = seen.get(of)
            if (before !== undefined) faults.push(`share ${share.seq} is share ${before} again`)
            seen.set(of, share.seq)
            if (share.isBlock) blockShares.push(share)
          }
        })
      )
      const expected = slice.last_seq - slice.first_seq + 1
      if (count !== expected) faults.push(`slice ${slice.id} has ${expected} shares; ${count} are there`)
      if (work !== BigInt(slice.work))
        faults.push(`slice ${slice.id} has the work ${slice.work}; its shares have ${work}`)
      if (Buffer.compare(hash.digest(), slice.hash) !== 0) {
        faults.push(
          `slice ${slice.id}, shares ${slice.first_seq} to ${slice.last_seq}: its hash is not that of its shares`
        )
      }
      const rows = yield* sql<{ user_id: number; worker: string; work: string; shares: number }>`
        SELECT user_id, worker, work, shares FROM rollups WHERE slice_id = ${slice.id}`
      for (const row of rows) {
        const key = JSON.stringify([row.user_id, row.worker, row.work])
        if (rollups.get(key) !== row.shares) {
          faults.push(
            `slice ${slice.id} counts ${row.shares} shares of user ${row.user_id} with work ${row.work}; there are ${rollups.get(key) ?? 0}`
          )
        }
        rollups.delete(key)
      }
      if (rollups.size > 0) faults.push(`slice ${slice.id} has shares that no roll-up counts`)
      before = slice.hash
      next = slice.last_seq + 1
      slices++
      shares += count
      yield* progress(next / ((end?.last ?? 0) + 1))
    }
    yield* Stream.runForEach(batchesFrom(sql, next), (batch) =>
      Effect.sync(() => {
        shares += batch.shares.length
        blockShares.push(...batch.shares.filter(({ isBlock }) => isBlock))
      })
    )
    return { slices, removedSlices, shares, blockShares }
  })

/** The roll-ups of a slice without shares: they must have all that the slice had. */
const auditRollups = (
  sql: SqlClient.SqlClient,
  { first_seq, id, last_seq, work }: SliceRow,
  faults: Array<string>
): Read<void> =>
  Effect.map(sql<{ work: string; shares: number }>`SELECT work, shares FROM rollups WHERE slice_id = ${id}`, (rows) => {
    const shares = rows.reduce((sum, row) => sum + row.shares, 0)
    const sum = rows.reduce((sum, row) => sum + BigInt(row.work) * BigInt(row.shares), 0n)
    if (shares === last_seq - first_seq + 1 && sum === BigInt(work)) return
    faults.push(
      `slice ${id} had ${last_seq - first_seq + 1} shares with the work ${work}; its roll-ups have ${shares} with ${sum}`
    )
  })

/** Computes the settlement of a block again. Returns how many settlements it has. */
const auditBlock = (
  sql: SqlClient.SqlClient,
  block: StoredBlock,
  faults: Array<string>,
  byRollups: Array<string>
): Read<number> =>
  Effect.gen(function* () {
    const name = `block ${block.height}, ${hashToDisplay(block.hash)}`
    const settlements = yield* readSettlements(sql, block)
    const [first, ...others] = settlements
    if (first === undefined) {
      faults.push(`${name} has no settlement: its coinbase was not planned by the ledger`)
      return 0
    }
    const entries = yield* readEntries(sql, { settlementId: first.id })
    const removed = yield* auditSettlement(sql, block, first, entries, (fault) => faults.push(`${name}: ${fault}`))
    if (removed > 0) {
      byRollups.push(`${name}: the shares of ${removed} slices of its window were removed; it is checked by roll-ups`)
    }
    let before = { id: first.id, entries }
    for (const { id, reverses } of others) {
      const entries = yield* readEntries(sql, { settlementId: id })
      const isOpposite =
        reverses === before.id &&
        entries.length === before.entries.length &&
        entries.every(({ account, amount }, index) => {
          const taken = before.entries[index]!
          return account === taken.account && amount === -taken.amount
        })
      if (!isOpposite)
        faults.push(`${name}: settlement ${id} does not take back settlement ${before.id} entry by entry`)
      before = { id, entries }
    }
    const isInEffect = settlements.length % 2 === 1
    if (isInEffect === (block.state === "orphaned")) {
      faults.push(`${name} is ${block.state}, and its settlement is ${isInEffect ? "in effect" : "taken back"}`)
    }
    return settlements.length
  })

/** Returns how many slices of the window have no shares any more. */
const auditSettlement = (
  sql: SqlClient.SqlClient,
  block: StoredBlock,
  { basis, policy, windowWork }: StoredSettlement,
  entries: ReadonlyArray<Entry>,
  fault: (fault: string) => void
): Read<number> =>
  Effect.gen(function* () {
    const paidOnChain = block.outputs.reduce((sum, { value }) => sum + value, 0n)
    if (paidOnChain !== block.reward) fault(`its outputs pay ${paidOnChain} of ${block.reward} satoshis`)
    if (!isBlockPolicy(policy) && entries.length === 0) fault("it has no entries")
    const computed = yield* computeSettlement(sql, block, policy, basis)
    if (computed.windowWork !== windowWork) fault(`the window has the work ${computed.windowWork}, not ${windowWork}`)
    if (!makesPayments(block.outputs, computed.payments)) fault("its outputs are not those that the ledger computes")
    compare(computed.settlement.earned, amountsOf(entries, "earned", 1n), "earned", fault)
    compare(computed.settlement.paid, amountsOf(entries, "paid", -1n), "was paid", fault)
    const [removed] = yield* sql<{ count: number }>`
      SELECT count(*) AS count FROM slices JOIN removed_slices ON removed_slices.slice_id = slices.id
      WHERE last_seq >= ${computed.first} AND first_seq <= ${computed.first === 0 ? -1 : basis.lastSeq}`
    return removed?.count ?? 0
  })

/** Computes all purchases of shares again, in their order. Returns how many there are. */
const auditPurchases = (sql: SqlClient.SqlClient, faults: Array<string>): Read<number> =>
  Effect.gen(function* () {
    const remainders = new Map<string, bigint>()
    let next = 0
    let count = 0
    yield* Stream.runForEach(readPurchases(sql), ({ basis, id, policy }) =>
      Effect.gen(function* () {
        const fault = (fault: string) => faults.push(`purchase ${id}: ${fault}`)
        count++
        if (basis.afterSeq !== next)
          fault(`it begins after share ${basis.afterSeq}; the one before it ends with ${next}`)
        next = basis.lastSeq
        if (isBlockPolicy(policy)) return void fault(`${policy.scheme} buys no shares`)
        const computed = yield* computePurchase(sql, policy, basis, remainders)
        for (const [user, parts] of computed.remainders) remainders.set(user, parts)
        const entries = yield* readEntries(sql, { purchaseId: id })
        compare(computed.amounts, amountsOf(entries, "earned", 1n), "earned", fault)
      })
    )
    for (const [user, parts] of yield* readRemainders(sql)) {
      const expected = remainders.get(user) ?? 0n
      if (parts !== expected)
        faults.push(`${user} has ${expected} parts of a satoshi left of purchases; the ledger has ${parts}`)
    }
    return count
  })

/** Holds each payment from the wallet against its transaction, and its entries against both. Returns how many there are. */
const auditPayments = (sql: SqlClient.SqlClient, faults: Array<string>): Read<number> =>
  Effect.gen(function* () {
    const payments = yield* readWalletPayments(sql)
    for (const { id, outputs, psbt, state, txid } of payments) {
      const fault = (fault: string) => faults.push(`payment ${id}, ${txid}: ${fault}`)
      const transaction = yield* transactionOfPsbt(psbt)
      const actual = hashToDisplay(transaction.txid)
      if (actual !== txid) fault(`its transaction is ${actual}`)
      const unpaid = unpaidOf(transaction.outputs, outputs)
      if (unpaid !== undefined) fault(`its transaction does not pay ${unpaid.amount} satoshis to ${unpaid.address}`)
      const entries = yield* readEntries(sql, { paymentId: id })
      const changes = state === "cancelled" ? new Map<string, bigint>() : changesOf(outputs)
      compare(changes, amountsOf(entries, "sent", 1n), "got by it", fault)
    }
    return payments.length
  })

const amountsOf = (entries: ReadonlyArray<Entry>, kind: Entry["kind"], sign: bigint): Amounts => {
  const amounts = new Map<string, bigint>()
  for (const entry of entries) {
    if (entry.kind === kind) amounts.set(entry.account, (amounts.get(entry.account) ?? 0n) + sign * entry.amount)
  }
  return amounts
}

const compare = (computed: Amounts, entered: Amounts, what: string, fault: (fault: string) => void): void => {
  for (const account of new Set([...computed.keys(), ...entered.keys()])) {
    const [expected, actual] = [computed.get(account) ?? 0n, entered.get(account) ?? 0n]
    if (expected === actual) continue
    const name = account === POOL ? "the pool" : account
    const difference = actual - expected
    fault(`${name} ${what} ${expected} satoshis; the ledger has ${actual} (${difference > 0n ? "+" : ""}${difference})`)
  }
}

/** A share that is a block must have its block, if the ledger records blocks. */
const auditBlockShares = (
  shares: ReadonlyArray<StoredShare>,
  blocks: ReadonlyArray<StoredBlock>,
  faults: Array<string>
): void => {
  if (blocks.length === 0) return
  const known = new Set(blocks.map(({ hash }) => hashToDisplay(hash)))
  for (const { hash, height, seq } of shares) {
    const display = hashToDisplay(hash)
    if (!known.has(display))
      faults.push(`share ${seq} is block ${height}, ${display}, which the ledger has no record of`)
  }
}

interface SliceRow {
  readonly id: number
  readonly first_seq: number
  readonly last_seq: number
  readonly work: string
  readonly hash: Uint8Array
  readonly removed_at: number | null
}
