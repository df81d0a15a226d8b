/** What users would have earned by another policy. */
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { LedgerError } from "./ledger-error.ts"
import { type Amounts, divideReward, POOL } from "./scheme/divide.ts"
import { isBlockPolicy, type Policy, windowWork } from "./scheme/policy.ts"
import { buyWork, subsidyAt } from "./scheme/share-value.ts"
import type { WindowLimits } from "./scheme/window.ts"
import { readBlocks, readEntries, readSettlements, type StoredBlock } from "./store/books.ts"
import { readWindow } from "./store/read-window.ts"

export interface ReplayOptions {
  readonly policy: Policy
  /** The first height of blocks that count. */
  readonly fromHeight: number
  /** Blocks after which the subsidy halves. */
  readonly halvingInterval: number
}

export interface Replay {
  readonly blocks: number
  /** By account. */
  readonly earned: Amounts
  readonly replayed: Amounts
}

/**
 * Divides the rewards of all settled blocks that are not orphaned by `policy`, each with the window that ended where its own did. PPS and
 * FPPS buy the shares between each two blocks, with the reward of the second; the pool's account then has what blocks brought less that.
 */
export const replay = (
  sql: SqlClient.SqlClient,
  { fromHeight, halvingInterval, policy }: ReplayOptions,
  progress: (part: number) => Effect.Effect<void>
): Effect.Effect<Replay, SqlError.SqlError | LedgerError> =>
  Effect.gen(function* () {
    const earned = new Map<string, bigint>()
    const replayed = new Map<string, bigint>()
    let remainders: Amounts = new Map()
    let before: number | undefined
    let count = 0
    const blocks = yield* readBlocks(sql)
    for (const [index, block] of blocks.entries()) {
      yield* progress(index / blocks.length)
      const [settlement] = yield* readSettlements(sql, block)
      if (settlement === undefined || block.state === "orphaned") continue
      const last = settlement.basis.lastSeq
      const afterSeq = before ?? 0
      before = Math.max(last, afterSeq)
      if (block.height < fromHeight) continue
      if (count++ === 0) yield* addPurchases(sql, afterSeq, earned)
      for (const { account, amount, kind } of yield* readEntries(sql, { settlementId: settlement.id })) {
        if (kind === "earned") add(earned, account, amount)
      }
      if (isBlockPolicy(policy)) {
        const weights =
          policy.scheme === "solo"
            ? new Map([[block.user, 1n]])
            : (yield* readWindow(sql, last, limitsFor(policy, block, afterSeq))).weights
        for (const [account, amount] of divideReward(block.reward, policy, weights)) add(replayed, account, amount)
      } else {
        const { weights } = yield* readWindow(sql, last, { afterSeq })
        const created = subsidyAt(block.height, halvingInterval)
        const subsidy = created < block.reward ? created : block.reward
        const value = { subsidy, fees: block.reward - subsidy, networkWork: block.networkWork }
        const bought = buyWork(policy, weights, value, remainders)
        remainders = bought.remainders
        for (const [account, amount] of bought.amounts) add(replayed, account, amount)
        add(replayed, POOL, block.reward)
      }
    }
    return { blocks: count, earned, replayed }
  })

/** Adds what purchases of shares after this one have brought users, and cost the pool. */
const addPurchases = (sql: SqlClient.SqlClient, afterSeq: number, earned: Map<string, bigint>) =>
  Effect.map(
    sql<{ name: string; amount: number }>`
      SELECT users.name, sum(amount) AS amount FROM entries
      JOIN users ON users.id = entries.user_id JOIN purchases ON purchases.id = entries.purchase_id
      WHERE purchases.last_seq > ${afterSeq} GROUP BY users.name`,
    (rows) => {
      for (const { amount, name } of rows) add(earned, name, BigInt(amount))
    }
  )

const limitsFor = (
  policy: Exclude<Policy, { readonly scheme: "solo" | "fpps" | "pps" }>,
  block: StoredBlock,
  afterSeq: number
): WindowLimits => {
  switch (policy.scheme) {
    case "prop":
      return { afterSeq }
    case "pplns-time":
      return { since: block.at - policy.minutes * 60_000 }
    default:
      return { work: windowWork(policy, block.networkWork) ?? 0n }
  }
}

const add = (amounts: Map<string, bigint>, account: string, amount: bigint): void => {
  amounts.set(account, (amounts.get(account) ?? 0n) + amount)
}
