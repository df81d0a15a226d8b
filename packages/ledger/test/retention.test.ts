/** Old shares are removed, and settlements can be computed again to the satoshi all the same. */
import { assert, describe, it } from "@effect/vitest"
import { minerScript } from "@sluice/mining-server"
import { Effect, Logger } from "effect"
import {
  audit,
  type BlockPolicy,
  computeSettlement,
  Ledger,
  type LedgerCalls,
  makeRetention,
  type NewShare,
  POOL,
  readWindow,
  type WindowLimits
} from "../src/index.ts"
import { databases, dropTriggers, execute, type TestDatabase } from "./databases.ts"

const ALICE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
const BOB = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const policy: BlockPolicy = { version: 1, scheme: "pplns", window: 1_000, fee: 10_000 }

const share = (number: number): NewShare => ({
  at: 1_000 + number,
  user: number % 3 === 0 ? BOB : ALICE,
  worker: "rig",
  work: 10n,
  height: 7,
  hash: new Uint8Array(32).fill(number),
  isBlock: false
})

/** Slices of ten shares, in the third a block that pays for the 25 shares from the sixth to the thirtieth. */
const fill = ({ append, books, sql, transact }: LedgerCalls) =>
  Effect.gen(function* () {
    const slice = (from: number) => append(Array.from({ length: 10 }, (_, index) => share(from + index)))
    for (const from of [1, 11, 21]) yield* slice(from)
    const basis = { lastSeq: 30, work: 250n, lastEntry: 0, minimum: 1_000n, bytes: 500 }
    const found = { user: ALICE, reward: 5_000_000_000n }
    const { payments, settlement, windowWork } = yield* computeSettlement(sql, found, policy, basis)
    const outputs = payments.map(({ amount, user }) => ({ value: amount, script: minerScript(user)! }))
    const rest = { value: settlement.paid.get(POOL)!, script: new Uint8Array([0x51]) }
    const block = { ...found, hash: new Uint8Array(32), height: 7, at: 2_000, worker: "rig", networkWork: 250n }
    yield* transact(
      Effect.flatMap(books.addBlock({ ...block, outputs: [...outputs, rest] }), (id) =>
        books.settle(id!, settlement, { policy, basis, windowWork, at: 2_000 })
      )
    )
    for (const from of [31, 41, 51, 61]) yield* slice(from)
  })

const withShares = <A>(
  { fresh }: TestDatabase,
  use: (ledger: LedgerCalls, execute: (sql: string) => Effect.Effect<void, unknown>) => Effect.Effect<A, unknown>
) =>
  Effect.gen(function* () {
    const place = yield* fresh
    yield* Effect.flatMap(Ledger, (ledger) =>
      Effect.andThen(
        fill(ledger),
        use(ledger, (sql) => Effect.andThen(dropTriggers(place), execute(place, sql)))
      )
    ).pipe(Effect.provide(Ledger.layer({ ...place, commitInterval: 1, slice: 0 })))
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

const remove = (ledger: LedgerCalls, limits: WindowLimits | undefined) =>
  makeRetention(ledger, {
    retention: "1 day",
    window: () => (limits === undefined ? undefined : { last: ledger.lastSeq(), limits })
  }).removeOld

const kept = ({ sql }: LedgerCalls) =>
  Effect.map(
    sql<{ first_seq: number; last_seq: number }>`SELECT first_seq, last_seq FROM batches ORDER BY last_seq`,
    (rows) =>
      rows.flatMap(({ first_seq, last_seq }) =>
        Array.from({ length: last_seq - first_seq + 1 }, (_, index) => first_seq + index)
      )
  )

const tens = (...firsts: ReadonlyArray<number>) =>
  firsts.flatMap((first) => Array.from({ length: 10 }, (_, index) => first + index))

describe.each(databases)("old shares on $name", (database) => {
  it.live("are removed but for those at the ends of windows, and settlements stay what they were", () =>
    withShares(database, (ledger) =>
      Effect.gen(function* () {
        const whole = yield* readWindow(ledger.sql, 30, { work: 250n })
        // Four times this window reaches back to share 51.
        assert.strictEqual(yield* remove(ledger, { work: 50n }), 3)
        assert.deepStrictEqual(yield* kept(ledger), tens(1, 21, 51, 61))
        assert.deepStrictEqual(yield* readWindow(ledger.sql, 30, { work: 250n }), whole)
        const report = yield* audit(ledger.sql, () => Effect.void)
        assert.deepStrictEqual(report.faults, [])
        assert.deepStrictEqual([report.removedSlices, report.slices, report.shares], [3, 7, 40])
        assert.match(report.byRollups.join(), /^block 7, .*the shares of 1 slices .* checked by roll-ups$/)
        assert.strictEqual(yield* remove(ledger, { work: 50n }), 0)
        yield* ledger.append([share(71)])
        assert.strictEqual(ledger.lastSeq(), 71)
      })
    )
  )

  it.live("stay while the next block may pay for them", () =>
    withShares(database, (ledger) =>
      Effect.gen(function* () {
        for (const limits of [{ work: 0n }, { work: 200n }, { afterSeq: 0 }, { since: 0 }]) {
          assert.strictEqual(yield* remove(ledger, limits), 0)
        }
        assert.strictEqual(yield* remove(ledger, { afterSeq: 45 }), 2)
        assert.deepStrictEqual(yield* kept(ledger), tens(1, 21, 41, 51, 61))
      })
    )
  )

  it.live("stay as long as they have to", () =>
    withShares(database, (ledger) =>
      Effect.gen(function* () {
        const { removeOld } = makeRetention(ledger, { retention: "100000 days", window: () => undefined })
        assert.strictEqual(yield* removeOld, 0)
        assert.strictEqual(yield* remove(ledger, undefined), 5)
      })
    )
  )

  it.live("that a program which was killed removed in part are removed by the next one", () =>
    withShares(database, (ledger, execute) =>
      Effect.gen(function* () {
        yield* remove(ledger, undefined)
        const before = yield* kept(ledger)
        yield* execute(
          "INSERT INTO batches (last_seq, first_seq, lines) SELECT 65, 65, lines FROM batches WHERE last_seq = 30"
        )
        assert.notDeepEqual(yield* kept(ledger), before)
        yield* remove(ledger, undefined)
        assert.deepStrictEqual(yield* kept(ledger), before)
      })
    )
  )

  it.live("that were removed are proved by roll-ups, and an audit finds one that was changed", () =>
    withShares(database, (ledger, execute) =>
      Effect.gen(function* () {
        yield* remove(ledger, undefined)
        yield* execute("UPDATE rollups SET shares = shares + 1 WHERE slice_id = 2 AND user_id = 1")
        const { faults } = yield* audit(ledger.sql, () => Effect.void)
        assert.match(faults.join(), /slice 2 had 10 shares with the work 100; its roll-ups have 11 with 110/)
        assert.match(faults.join(), /block 7, .* earned/)
      })
    )
  )
})
