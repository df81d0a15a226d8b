/** The audit finds what was changed behind the ledger's back. */
import { assert, describe, it } from "@effect/vitest"
import { minerScript } from "@sluice/mining-server"
import { NodeRefused, NodeRpc, type NodeRpcCalls, NodeRpcError } from "@sluice/node"
import { Effect, Layer, Logger } from "effect"
import { reasonOf } from "../src/ledger-error.ts"
import { databases, dropTriggers, execute, type TestDatabase } from "./databases.ts"
import {
  audit,
  type Basis,
  type BlockPolicy,
  computeSettlement,
  followBlocks,
  Ledger,
  type LedgerCalls,
  type NewShare,
  POOL,
  readAccountEntries,
  readBalances,
  readBlocks,
  readPaidBlocks,
  readPayments
} from "../src/index.ts"

const ALICE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
const BOB = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const POOL_SCRIPT = new Uint8Array([0x51])
const policy: BlockPolicy = { version: 1, scheme: "pplns", window: 1_000, fee: 10_000 }
const basis: Basis = { lastSeq: 30, work: 250n, lastEntry: 0, minimum: 1_000n, bytes: 500 }

const share = (number: number): NewShare => ({
  at: 1_000 + number,
  user: number % 3 === 0 ? BOB : ALICE,
  worker: "rig",
  work: 10n,
  height: 7,
  hash: new Uint8Array(32).fill(number),
  isBlock: number === 31
})

const hex = (number: number) => Buffer.from(share(number).hash).toString("hex")
/** As the database keeps it. */
const lineOf = (number: number) => {
  const { at, hash: _, height, isBlock, user, worker, work } = share(number)
  return `${JSON.stringify([number, at, user, worker, work.toString(), height, hex(number), isBlock])}\n`
}

/** Thirty shares in slices of ten, a block that pays for the last 25, and its share. */
const fill = ({ append, books, sql, transact }: LedgerCalls) =>
  Effect.gen(function* () {
    for (const from of [1, 11, 21]) yield* append(Array.from({ length: 10 }, (_, index) => share(from + index)))
    const found = { user: ALICE, reward: 5_000_000_000n }
    const { payments, settlement, windowWork } = yield* computeSettlement(sql, found, policy, basis)
    const outputs = payments.map(({ amount, user }) => ({ value: amount, script: minerScript(user)! }))
    yield* transact(
      Effect.gen(function* () {
        const id = yield* books.addBlock({
          ...found,
          hash: share(31).hash,
          height: 7,
          at: 2_000,
          worker: "rig",
          networkWork: 250n,
          outputs: [...outputs, { value: settlement.paid.get(POOL)!, script: POOL_SCRIPT }]
        })
        yield* books.settle(id!, settlement, { policy, basis, windowWork, at: 2_000 })
      })
    )
    yield* append([share(31)])
  })

/** A ledger with the block, after `changes` were made behind its back. */
const withBlock = <A>(
  database: TestDatabase,
  changes: string,
  use: (ledger: LedgerCalls) => Effect.Effect<A, unknown>
) =>
  Effect.gen(function* () {
    const place = yield* database.fresh
    const open = Ledger.layer({ ...place, commitInterval: 1, slice: 0 })
    yield* Effect.provide(Effect.flatMap(Ledger, fill), open)
    yield* dropTriggers(place)
    yield* execute(place, changes)
    return yield* Effect.provide(Effect.flatMap(Ledger, use), open)
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

const faultsOf = ({ sql }: LedgerCalls) =>
  Effect.map(
    audit(sql, () => Effect.void),
    ({ faults }) => faults
  )

describe.each(databases)("an audit on $name", (database) => {
  it.live("finds nothing in a ledger that nobody changed", () =>
    withBlock(database, "", (ledger) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* audit(ledger.sql, () => Effect.void), {
          slices: 3,
          shares: 31,
          blocks: 1,
          settlements: 1,
          purchases: 0,
          payments: 0,
          removedSlices: 0,
          byRollups: [],
          faults: []
        })
        const [block] = yield* readPaidBlocks(ledger.sql, { limit: 1, offset: 0 })
        assert.deepInclude(block, { scheme: "pplns", users: 2, state: "found" })
        const payments = yield* readPayments(ledger.sql, block!.id)
        assert.deepStrictEqual(
          payments.map(({ account }) => account),
          [ALICE, BOB, POOL]
        )
        assert.strictEqual((yield* readAccountEntries(ledger.sql, ALICE, { limit: 1, offset: 0 })).total, 2)
      })
    )
  )

  const changes: ReadonlyArray<readonly [what: string, sql: string, fault: RegExp]> = [
    [
      "a satoshi that was moved",
      `UPDATE entries SET amount = amount + CASE user_id WHEN 0 THEN 1 ELSE -1 END WHERE kind = 'earned' AND user_id IN (0, 1)`,
      /block 7, .*: bcrt1q\w+ earned \d+ satoshis; the ledger has \d+ \(-1\)/
    ],
    [
      "a payment that was changed",
      "UPDATE entries SET amount = amount - 1 WHERE kind = 'paid' AND user_id = 1",
      /was paid/
    ],
    [
      "balances that do not sum to 0",
      "INSERT INTO entries VALUES (99, NULL, 1, 'adjustment', 5, 1, 'x', NULL, NULL)",
      /together are 0; they are 5/
    ],
    [
      "work that was changed",
      `UPDATE batches SET lines = replace(lines, '"10"', '"11"') WHERE last_seq = 20`,
      /slice 2, shares 11 to 20: its hash is not/
    ],
    [
      "a share that was given to another user",
      `UPDATE batches SET lines = replace(lines, '[1,1001,"${ALICE}"', '[1,1001,"${BOB}"') WHERE last_seq = 10`,
      /slice 1, .*its hash is not/
    ],
    [
      "a share that was deleted",
      `UPDATE batches SET lines = replace(lines, '${lineOf(15)}', '') WHERE last_seq = 20`,
      /slice 2 has 10 shares; 9 are there/
    ],
    [
      "shares of a commit that were deleted",
      "DELETE FROM batches WHERE last_seq = 20",
      /slice 2 has 10 shares; 0 are there/
    ],
    [
      "a share that is there twice",
      `UPDATE batches SET lines = replace(lines, '${hex(16)}', '${hex(15)}') WHERE last_seq = 20`,
      /share 16 is share 15 again/
    ],
    ["a roll-up that was changed", "UPDATE rollups SET shares = shares + 1 WHERE slice_id = 3", /slice 3 counts/],
    [
      "a share of the newest slice that was changed",
      `UPDATE batches SET lines = replace(lines, '"10"', '"99"') WHERE last_seq = 30`,
      /slice 3|earned/
    ],
    [
      "an output of the block that was changed",
      "UPDATE block_outputs SET amount = amount + 1 WHERE position = 0",
      /its outputs/
    ],
    [
      "a block that is missing",
      "DELETE FROM entries; DELETE FROM settlements; DELETE FROM block_outputs; DELETE FROM block_states; UPDATE blocks SET hash = x'00'",
      /share 31 is block 7, .* no record of/
    ]
  ]
  it.live("says which shares cannot be read", () =>
    withBlock(database, "UPDATE batches SET lines = replace(lines, '[15,', '[') WHERE last_seq = 20", (ledger) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(audit(ledger.sql, () => Effect.void))
        assert.match(reasonOf(error), /^the shares up to number 20 are damaged: /)
      })
    )
  )

  for (const [what, sql, fault] of changes) {
    it.live(`finds ${what}`, () =>
      withBlock(database, sql, (ledger) =>
        Effect.map(faultsOf(ledger), (faults) => assert.match(faults.join("\n"), fault))
      )
    )
  }
})

describe.each(databases)("a block that leaves the best chain, on $name", (database) => {
  /** A node whose chain has this height, with the block at this many confirmations. */
  const node = (tip: number, confirmations: number | undefined) =>
    Layer.succeed(NodeRpc, {
      getBlockchainInfo: Effect.succeed({ blocks: tip }),
      getBlockHeader: () =>
        confirmations === undefined
          ? Effect.fail(
              new NodeRpcError({
                node: "",
                method: "getblockheader",
                reason: new NodeRefused({ code: -5, detail: "Block not found" })
              })
            )
          : Effect.succeed({ confirmations })
    } as unknown as NodeRpcCalls)

  it.live("has its settlement taken back once, and back again if the chain returns to it; then it is confirmed", () =>
    withBlock(database, "", (ledger) =>
      Effect.gen(function* () {
        const look = (tip: number, confirmations: number | undefined) =>
          followBlocks.pipe(
            Effect.map((changes) => changes.map(({ state }) => state)),
            Effect.provide(Layer.merge(node(tip, confirmations), Layer.succeed(Ledger, ledger)))
          )
        const settled = yield* readBalances(ledger.sql)
        const state = Effect.map(readBlocks(ledger.sql), ([block]) => block!.state)
        assert.deepStrictEqual(yield* look(7, 1), [])
        assert.deepStrictEqual(yield* look(12, -1), [])
        assert.deepStrictEqual(yield* look(13, -1), ["orphaned"])
        assert.deepStrictEqual(yield* look(14, undefined), [])
        assert.strictEqual((yield* readBalances(ledger.sql)).size, 0)
        assert.deepStrictEqual(yield* faultsOf(ledger), [])
        assert.deepStrictEqual(yield* look(20, 14), ["restored"])
        assert.deepStrictEqual(yield* readBalances(ledger.sql), settled)
        assert.deepStrictEqual(yield* look(105, 99), [])
        assert.deepStrictEqual(yield* look(106, 100), ["confirmed"])
        assert.strictEqual(yield* state, "confirmed")
        assert.deepStrictEqual(yield* look(107, -1), [])
        assert.deepStrictEqual(yield* faultsOf(ledger), [])
      })
    )
  )
})
