/**
 * Blocks and money in the database: blocks with their states, settlements, and entries, whose sum by account is its balance. Nothing is
 * ever changed: a state is a new row, and an orphan is a settlement that reverses another one.
 */
import { hashToDisplay, type Output } from "@sluice/bitcoin"
import { Array as Arr, Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { LedgerError } from "../ledger-error.ts"
import { type Amounts, POOL } from "../scheme/divide.ts"
import { Policy } from "../scheme/policy.ts"
import type { Settlement } from "../scheme/settlement.ts"
import type { Users } from "./users.ts"

export type BlockState = "found" | "confirmed" | "orphaned" | "restored"

/** A block as the pool found it. */
export interface FoundBlock {
  /** 32 bytes in internal order. */
  readonly hash: Uint8Array
  readonly height: number
  readonly at: number
  readonly user: string
  readonly worker: string
  /** What the coinbase pays, in satoshis. */
  readonly reward: bigint
  readonly networkWork: bigint
  /** All outputs of the coinbase, those without value too. */
  readonly outputs: ReadonlyArray<Output>
}

export interface StoredBlock extends FoundBlock {
  readonly id: number
  readonly state: BlockState
}

const Whole = Schema.BigIntFromString

/** What a settlement was computed from, beside its policy and the block. With it the settlement can be computed again. */
export const Basis = Schema.Struct({
  /** The newest share that counts. */
  lastSeq: Schema.Int,
  /** The limits of the window. */
  work: Schema.optionalKey(Whole),
  afterSeq: Schema.optionalKey(Schema.Int),
  since: Schema.optionalKey(Schema.Finite),
  /** The newest entry that counts for balances. */
  lastEntry: Schema.Int,
  /** Limits of the coinbase: satoshis, and bytes of outputs for users. */
  minimum: Whole,
  bytes: Schema.Int
})
export type Basis = typeof Basis.Type

const PolicyJson = Schema.fromJsonString(Policy)
const BasisJson = Schema.fromJsonString(Basis)
const encodePolicy = Schema.encodeSync(PolicyJson)
const encodeBasis = Schema.encodeSync(BasisJson)
const decodePolicy = Schema.decodeEffect(PolicyJson)
const decodeBasis = Schema.decodeEffect(BasisJson)

export interface StoredSettlement {
  readonly id: number
  readonly blockId: number
  /** The settlement that this one takes back. */
  readonly reverses: number | undefined
  readonly at: number
  readonly policy: Policy
  readonly basis: Basis
  /** The work in the window. */
  readonly windowWork: bigint
}

export interface Entry {
  readonly id: number
  readonly settlementId: number | undefined
  /** The payment from the wallet that it belongs to. */
  readonly paymentId: number | undefined
  /** The purchase of shares that it belongs to. */
  readonly purchaseId: number | undefined
  readonly account: string
  /** What is taken back has the kind of what it takes back, and the opposite amount. `sent` is a payment from the wallet. */
  readonly kind: "earned" | "paid" | "adjustment" | "sent"
  readonly amount: bigint
  readonly at: number
  readonly reason: string
}

/** Balances by account as of an entry; of now without one. */
export const readBalances = (
  sql: SqlClient.SqlClient,
  lastEntry = Number.MAX_SAFE_INTEGER
): Effect.Effect<Map<string, bigint>, SqlError.SqlError> =>
  Effect.map(
    sql<{ name: string; amount: number }>`
      SELECT users.name, sum(amount) AS amount FROM entries JOIN users ON users.id = entries.user_id
      WHERE entries.id <= ${lastEntry} GROUP BY users.id HAVING sum(amount) <> 0`,
    (rows) => new Map(rows.map(({ amount, name }) => [name, BigInt(amount)]))
  )

/** What an entry belongs to; nothing for an adjustment. */
export interface EntryOwner {
  readonly settlementId?: number
  readonly paymentId?: number
  readonly purchaseId?: number
}

/** Sums of an account's entries by their kind, as entries count them: payments are negative. */
export type Totals = { [Kind in Entry["kind"]]: bigint }

export class Books {
  readonly #sql: SqlClient.SqlClient
  readonly #users: Users
  #lastEntry = 0
  #lastSettledAt = 0
  readonly #balances = new Map<string, bigint>()
  readonly #totals = new Map<string, Totals>()

  constructor(sql: SqlClient.SqlClient, users: Users) {
    this.#sql = sql
    this.#users = users
  }

  /** The newest entry that `balances` has. */
  get lastEntry(): number {
    return this.#lastEntry
  }

  /** The time of the newest settlement with entries, in milliseconds since 1970; 0 without one. */
  get lastSettledAt(): number {
    return this.#lastSettledAt
  }

  /** Balances as of the last `refresh`. */
  get balances(): Amounts {
    return this.#balances
  }

  /** What each account has earned, was paid and was adjusted by, as of the last `refresh`. */
  get totals(): ReadonlyMap<string, Totals> {
    return this.#totals
  }

  /** Reads the entries that were added since, by this program or another one. */
  get refresh(): Effect.Effect<void, SqlError.SqlError> {
    const sql = this.#sql
    return Effect.map(
      sql<{ id: number; name: string; kind: Entry["kind"]; amount: number; settled_at: number | null }>`
        SELECT entries.id, users.name, kind, amount, CASE WHEN settlement_id IS NOT NULL THEN at END AS settled_at FROM entries JOIN users ON users.id = entries.user_id
        WHERE entries.id > ${this.#lastEntry} ORDER BY entries.id`,
      (rows) => {
        for (const { amount, id, kind, name, settled_at } of rows) {
          this.#lastSettledAt = Math.max(this.#lastSettledAt, settled_at ?? 0)
          // Another refresh that waited for the database at the same time has counted it.
          if (id <= this.#lastEntry) continue
          this.#lastEntry = id
          const totals = this.#totals.get(name) ?? { earned: 0n, paid: 0n, adjustment: 0n, sent: 0n }
          totals[kind] += BigInt(amount)
          this.#totals.set(name, totals)
          const balance = (this.#balances.get(name) ?? 0n) + BigInt(amount)
          if (balance === 0n) this.#balances.delete(name)
          else this.#balances.set(name, balance)
        }
      }
    )
  }

  /** Adds a block, inside a transaction. Returns undefined if the ledger has it. */
  addBlock(block: FoundBlock): Effect.Effect<number | undefined, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const sql = this.#sql
      const { at, hash, height, networkWork, outputs, reward, user, worker } = block
      yield* this.#users.add([user])
      const [row] = yield* sql<{ id: number }>`
        INSERT INTO blocks (hash, height, at, user_id, worker, reward, network_work)
        VALUES (${hash}, ${height}, ${at}, ${this.#users.idOf(user)}, ${worker}, ${Number(reward)}, ${networkWork.toString()})
        ON CONFLICT (hash) DO NOTHING RETURNING id`
      if (row === undefined) return undefined
      for (const [position, { script, value }] of outputs.entries()) {
        yield* sql`INSERT INTO block_outputs (block_id, position, script, amount)
          VALUES (${row.id}, ${position}, ${script}, ${Number(value)})`
      }
      yield* this.setState(row.id, "found", at)
      return row.id
    })
  }

  stateOf(blockId: number): Effect.Effect<BlockState | undefined, SqlError.SqlError> {
    const sql = this.#sql
    return Effect.map(
      sql<{ state: BlockState }>`SELECT state FROM block_states WHERE block_id = ${blockId} ORDER BY id DESC LIMIT 1`,
      ([row]) => row?.state
    )
  }

  setState(blockId: number, state: BlockState, at: number): Effect.Effect<void, SqlError.SqlError> {
    const sql = this.#sql
    return Effect.asVoid(sql`INSERT INTO block_states (block_id, state, at) VALUES (${blockId}, ${state}, ${at})`)
  }

  /** Adds a settlement with its entries, inside a transaction. */
  settle(
    blockId: number,
    { earned, paid }: Settlement,
    from: { readonly policy: Policy; readonly basis: Basis; readonly windowWork: bigint; readonly at: number }
  ): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const sql = this.#sql
      const { at } = from
      const [row] = yield* sql<{ id: number }>`
        INSERT INTO settlements (block_id, at, policy, basis, window_work)
        VALUES (${blockId}, ${at}, ${encodePolicy(from.policy)}, ${encodeBasis(from.basis)}, ${from.windowWork.toString()})
        RETURNING id`
      const owner = { settlementId: Number(row!.id) }
      yield* this.enter(owner, "earned", earned, at, "")
      yield* this.enter(owner, "paid", negated(paid), at, "")
    })
  }

  /** Takes the block's settlement back, or takes back that it was taken back, inside a transaction. */
  reverse(blockId: number, at: number, reason: string): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const sql = this.#sql
      const [last] = yield* sql<{ id: number }>`
        SELECT id FROM settlements WHERE block_id = ${blockId} ORDER BY id DESC LIMIT 1`
      // A block whose settlement is not known has nothing to take back.
      if (last === undefined) return
      const [row] = yield* sql<{ id: number }>`
        INSERT INTO settlements (block_id, reverses, at, policy, basis, window_work)
        SELECT block_id, id, ${at}, policy, basis, window_work FROM settlements WHERE id = ${last.id} RETURNING id`
      yield* sql`INSERT INTO entries (settlement_id, user_id, kind, amount, at, reason)
        SELECT ${row!.id}, user_id, kind, -amount, ${at}, ${reason} FROM entries
        WHERE settlement_id = ${last.id} ORDER BY id`
    })
  }

  /** Moves an amount from the pool's account to a user's, or back if it is negative, inside a transaction. */
  adjust(account: string, amount: bigint, at: number, reason: string): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const amounts = new Map([
        [account, amount],
        [POOL, -amount]
      ])
      yield* this.enter({}, "adjustment", amounts, at, reason)
    })
  }

  /** Adds an entry for each account whose amount is not 0, inside a transaction. */
  enter(
    { paymentId, purchaseId, settlementId }: EntryOwner,
    kind: Entry["kind"],
    amounts: Amounts,
    at: number,
    reason: string
  ): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const sql = this.#sql
      yield* this.#users.add(amounts.keys())
      const rows = [...amounts]
        .filter(([, amount]) => amount !== 0n)
        .map(([account, amount]) => ({
          settlement_id: settlementId ?? null,
          payment_id: paymentId ?? null,
          purchase_id: purchaseId ?? null,
          user_id: this.#users.idOf(account),
          kind,
          amount: Number(amount),
          at,
          reason
        }))
      // A settlement of a large pool has thousands.
      yield* Effect.forEach(Arr.chunksOf(rows, ROWS), (some) => sql`INSERT INTO entries ${sql.insert(some)}`, {
        discard: true
      })
    })
  }

  /** The id of an account, inside a transaction; a new account is added. */
  accountId(account: string): Effect.Effect<number, SqlError.SqlError> {
    return Effect.map(this.#users.add([account]), () => this.#users.idOf(account))
  }
}

/** Rows of one statement. */
const ROWS = 500

export const negated = (amounts: Amounts): Amounts => new Map([...amounts].map(([name, amount]) => [name, -amount]))

/** All blocks, oldest first. */
export const readBlocks = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlyArray<StoredBlock>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const rows = yield* sql<BlockRow>`
      SELECT blocks.*, users.name AS user,
        (SELECT state FROM block_states WHERE block_id = blocks.id ORDER BY block_states.id DESC LIMIT 1) AS state
      FROM blocks JOIN users ON users.id = blocks.user_id ORDER BY blocks.id`
    const outputs = yield* sql<{ block_id: number; script: Uint8Array; amount: number }>`
      SELECT block_id, script, amount FROM block_outputs ORDER BY block_id, position`
    const byBlock = Map.groupBy(outputs, ({ block_id }) => block_id)
    return rows.map(({ network_work, reward, ...row }) => ({
      ...row,
      reward: BigInt(reward),
      networkWork: BigInt(network_work),
      outputs: (byBlock.get(row.id) ?? []).map(({ amount, script }) => ({ script, value: BigInt(amount) }))
    }))
  })

/** All settlements of a block, oldest first. */
export const readSettlements = (
  sql: SqlClient.SqlClient,
  block: StoredBlock
): Effect.Effect<ReadonlyArray<StoredSettlement>, SqlError.SqlError | LedgerError> =>
  Effect.flatMap(
    sql<SettlementRow>`SELECT * FROM settlements WHERE block_id = ${block.id} ORDER BY id`,
    Effect.forEach((row) =>
      Effect.all([decodePolicy(row.policy), decodeBasis(row.basis)]).pipe(
        Effect.map(([policy, basis]) => ({
          id: row.id,
          blockId: row.block_id,
          reverses: row.reverses ?? undefined,
          at: row.at,
          policy,
          basis,
          windowWork: BigInt(row.window_work)
        })),
        Effect.mapError(
          ({ message }) =>
            new LedgerError({
              message: `settlement ${row.id} of block ${block.height}, ${hashToDisplay(block.hash)}, cannot be read: ${message}`
            })
        )
      )
    )
  )

/** The entries of a settlement, a payment or a purchase, or all, oldest first. */
export const readEntries = (
  sql: SqlClient.SqlClient,
  { paymentId, purchaseId, settlementId }: EntryOwner = {}
): Effect.Effect<ReadonlyArray<Entry>, SqlError.SqlError> =>
  Effect.map(
    sql<EntryRow>`SELECT entries.*, users.name AS account FROM entries JOIN users ON users.id = entries.user_id
      WHERE ${
        settlementId !== undefined
          ? sql`settlement_id = ${settlementId}`
          : paymentId !== undefined
            ? sql`payment_id = ${paymentId}`
            : purchaseId !== undefined
              ? sql`purchase_id = ${purchaseId}`
              : sql`1 = 1`
      }
      ORDER BY entries.id`,
    (rows) =>
      rows.map(({ account, amount, at, id, kind, payment_id, purchase_id, reason, settlement_id }) => ({
        id,
        settlementId: settlement_id ?? undefined,
        paymentId: payment_id ?? undefined,
        purchaseId: purchase_id ?? undefined,
        account,
        kind,
        amount: BigInt(amount),
        at,
        reason
      }))
  )

interface BlockRow {
  readonly id: number
  readonly hash: Uint8Array
  readonly height: number
  readonly at: number
  readonly user: string
  readonly worker: string
  readonly reward: number
  readonly network_work: string
  readonly state: BlockState
}

interface SettlementRow {
  readonly id: number
  readonly block_id: number
  readonly reverses: number | null
  readonly at: number
  readonly policy: string
  readonly basis: string
  readonly window_work: string
}

interface EntryRow {
  readonly id: number
  readonly settlement_id: number | null
  readonly payment_id: number | null
  readonly purchase_id: number | null
  readonly account: string
  readonly kind: Entry["kind"]
  readonly amount: number
  readonly at: number
  readonly reason: string
}
