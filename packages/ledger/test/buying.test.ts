/** Pools that buy shares: each is bought once and at its price, and the reserve is what is left. */
import { assert, describe, it } from "@effect/vitest"
import { OptionError, Payouts } from "@sluice/mining-server"
import { Clock, Effect, Fiber, Layer, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  audit,
  Ledger,
  LedgerPayouts,
  type LedgerPayoutsOptions,
  type NewShare,
  POOL,
  readBalances,
  makeRetention,
  readPurchases,
  sharesFrom,
  readReserve,
  workOfTarget
} from "../src/index.ts"

const COIN = 100_000_000n
const REWARD = 3n * COIN + 1_000_000n
/** A block takes 2^20 hashes with it, or twice as many. */
const target = (bits: number) =>
  new Uint8Array(32)
    .fill(0xff, 0, 32 - 2)
    .fill((1 << (16 - (bits - 8))) - 1, 29, 30)
    .fill(0, 30)
const FIRST = target(20)
const HARDER = target(21)
const pool = { coinbaseAddress: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080" }
const fpps: LedgerPayoutsOptions = {
  policy: { version: 1, scheme: "fpps", fee: 20_000 },
  pool,
  reserve: COIN,
  purchaseInterval: "1 minute"
}
const noProgress = () => Effect.void

const freshFile = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-ledger-buying-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
).pipe(Effect.map((directory) => join(directory, "ledger.sqlite")))

const logs: Array<string> = []
const logger = Logger.layer([Logger.make(({ logLevel, message }) => void logs.push(`${logLevel} ${String(message)}`))])

/** Runs a pool with its ledger in a file, under a clock of the test. */
const asPool =
  (options: LedgerPayoutsOptions, file = ":memory:") =>
  <A, E>(run: Effect.Effect<A, E, Ledger | LedgerPayouts | Payouts>) =>
    Effect.gen(function* () {
      const ticking = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(Effect.yieldNow, TestClock.adjust("1 millis")))
      )
      const result = yield* run.pipe(
        Effect.provide(
          LedgerPayouts.layer(options).pipe(
            Layer.provideMerge(Ledger.layer({ file, commitInterval: 1, slice: "10 seconds" }))
          )
        )
      )
      yield* Fiber.interrupt(ticking)
      return result
    }).pipe(Effect.provide(logger))

let number = 0
const shares = (at: number, user: string, work: bigint, count: number): ReadonlyArray<NewShare> =>
  Array.from({ length: count }, () => {
    const hash = new Uint8Array(32)
    new DataView(hash.buffer).setUint32(0, ++number)
    return { at, user, worker: "", work, height: 800_000, hash, isBlock: false }
  })

const append = (user: string, work: bigint, count = 1) =>
  Effect.gen(function* () {
    const { append } = yield* Ledger
    yield* append(shares(yield* Clock.currentTimeMillis, user, work, count))
    // Listeners of the commit run after it.
    yield* Effect.sleep("5 millis")
  })

/** Closes the slice, with one share that stays open, and waits until it is bought. */
const buyAll = Effect.gen(function* () {
  yield* TestClock.adjust("11 seconds")
  yield* append("zoe", 1n)
  yield* TestClock.adjust("70 seconds")
  yield* Effect.sleep("10 millis")
})

const setBlock = (bits: Uint8Array, reward = REWARD, height = 800_000) =>
  Effect.gen(function* () {
    ;(yield* Payouts).outputs(reward)
    yield* (yield* LedgerPayouts).follow(bits, height)
    yield* Effect.sleep("10 millis")
  })

const balances = Effect.flatMap(Ledger, ({ sql }) => readBalances(sql))
const purchases = Effect.flatMap(Ledger, ({ sql }) => Stream.runCollect(readPurchases(sql)))
const faults = Effect.flatMap(Ledger, ({ sql }) => Effect.map(audit(sql, noProgress), ({ faults }) => faults))

describe("a pool that buys shares", () => {
  it.effect("is refused without a declared reserve", () =>
    Effect.gen(function* () {
      const { reserve: _, ...without } = fpps
      const error = yield* Effect.flip(asPool(without)(Effect.void))
      assert.instanceOf(error, OptionError)
      assert.match(error.message, /^reserve: fpps pays users for shares also when the pool finds no block: declare/)
    })
  )

  it.effect("lets shares be removed that were bought, and keeps those that were not", () =>
    asPool(fpps)(
      Effect.gen(function* () {
        const ledger = yield* Ledger
        const { window } = yield* LedgerPayouts
        const { removeOld } = makeRetention(ledger, { retention: 0, window: () => window })
        yield* append("alice", 1_000n, 30)
        yield* TestClock.adjust("11 seconds")
        yield* append("bob", 1_000n)
        yield* TestClock.adjust("1 second")
        // There is no price yet.
        assert.strictEqual(yield* removeOld, 0)
        yield* setBlock(FIRST)
        yield* buyAll
        const paid = yield* balances
        assert.isAbove(Number(paid.get("alice")), 0)
        // The newest share is not bought.
        yield* append("carol", 1_000n)
        assert.strictEqual(yield* removeOld, 3)
        assert.deepStrictEqual(
          (yield* Stream.runCollect(sharesFrom(ledger.sql, 1))).map(({ user }) => user),
          ["carol"]
        )
        assert.deepStrictEqual(yield* balances, paid)
        assert.deepStrictEqual(yield* faults, [])
      })
    )
  )

  it.effect(
    "credits each share with its part of a block, in one entry for a user, and pays itself in the coinbase",
    () =>
      asPool(fpps)(
        Effect.gen(function* () {
          const { sql } = yield* Ledger
          yield* setBlock(FIRST)
          const work = workOfTarget(FIRST)
          const [output] = (yield* Payouts).outputs(REWARD)
          assert.strictEqual(output!.value, REWARD)
          yield* append("alice", 1_000n, 30)
          yield* append("bob", 500n, 20)
          yield* buyAll
          const paid = yield* balances
          assert.strictEqual(paid.get("alice"), (30_000n * REWARD * 98n) / (work * 100n))
          assert.strictEqual(paid.get("bob"), (10_000n * REWARD * 98n) / (work * 100n))
          const [entries] = yield* sql<{ count: number }>`
          SELECT count(*) AS count FROM entries JOIN users ON users.id = user_id WHERE name IN ('alice', 'bob')`
          assert.strictEqual(entries!.count, 2)
          assert.deepStrictEqual(yield* readReserve(sql), { declared: COIN, earned: paid.get(POOL)! })
          assert.deepStrictEqual(yield* faults, [])
          // Changed behind the ledger's back.
          yield* sql`UPDATE remainders SET parts = '1' WHERE user_id = (SELECT id FROM users WHERE name = 'bob')`
          assert.match((yield* faults).join(), /bob has \d+ parts of a satoshi left of purchases; the ledger has 1/)
        })
      )
  )

  it.effect("pays pps for the subsidy alone", () =>
    asPool({ ...fpps, policy: { version: 1, scheme: "pps", fee: 0 } })(
      Effect.gen(function* () {
        yield* setBlock(FIRST, 400_000_000n, 840_000)
        yield* append("alice", 1_000n, 30)
        yield* buyAll
        // 50 coins, halved four times at this height.
        assert.strictEqual((yield* balances).get("alice"), (30_000n * 312_500_000n) / workOfTarget(FIRST))
      })
    )
  )

  it.effect("buys each share once, whatever ends between purchases, and loses no part of a satoshi", () =>
    Effect.gen(function* () {
      const file = yield* freshFile
      for (let run = 0; run < 3; run++) {
        yield* asPool(
          fpps,
          file
        )(
          Effect.gen(function* () {
            yield* setBlock(FIRST)
            yield* append("alice", 1n, 7)
            yield* buyAll
          })
        )
      }
      yield* asPool(
        fpps,
        file
      )(
        Effect.gen(function* () {
          const all = yield* purchases
          assert.lengthOf(all, 3)
          assert.deepStrictEqual(
            all.map(({ basis }) => basis.afterSeq),
            [0, ...all.slice(0, -1).map(({ basis }) => basis.lastSeq)]
          )
          assert.strictEqual((yield* balances).get("alice"), (21n * REWARD * 98n) / (workOfTarget(FIRST) * 100n))
          assert.deepStrictEqual(yield* faults, [])
        })
      )
    })
  )

  it.effect("buys the shares so far at the difficulty before, when it changes", () =>
    asPool(fpps)(
      Effect.gen(function* () {
        yield* setBlock(FIRST)
        yield* append("alice", 1_000n, 30)
        yield* TestClock.adjust("11 seconds")
        yield* append("bob", 1_000n, 30)
        yield* setBlock(HARDER)
        yield* buyAll
        const [first, second] = yield* purchases
        assert.deepStrictEqual(
          [first!.basis.price!.networkWork, second!.basis.price!.networkWork],
          [workOfTarget(FIRST), workOfTarget(HARDER)]
        )
        const paid = yield* balances
        assert.strictEqual(paid.get("alice"), (30_000n * REWARD * 98n) / (workOfTarget(FIRST) * 100n))
        assert.strictEqual(paid.get("bob"), (30_000n * REWARD * 98n) / (workOfTarget(HARDER) * 100n))
      })
    )
  )

  it.effect("buys no share that another scheme has had, and no window has a share that was bought", () =>
    Effect.gen(function* () {
      const file = yield* freshFile
      const pplns: LedgerPayoutsOptions = { policy: { version: 1, scheme: "pplns", window: 2_000, fee: 0 }, pool }
      yield* asPool(pplns, file)(append("alice", 1_000n, 5))
      yield* asPool(
        fpps,
        file
      )(
        Effect.gen(function* () {
          yield* setBlock(FIRST)
          yield* append("bob", 1_000n, 5)
          yield* buyAll
          const paid = yield* balances
          assert.isUndefined(paid.get("alice"))
          assert.isAbove(Number(paid.get("bob")), 0)
          assert.deepStrictEqual(yield* faults, [])
        })
      )
      yield* asPool(
        pplns,
        file
      )(
        Effect.gen(function* () {
          const { window } = yield* LedgerPayouts
          assert.isFalse(window.weights.has("bob"))
          yield* append("carol", 1_000n, 5)
          assert.strictEqual(window.weights.get("carol"), 5_000n)
        })
      )
    })
  )

  it.effect("says once when the reserve runs low, and once when it is out", () => {
    logs.length = 0
    return asPool({ ...fpps, reserve: 5_000_000n })(
      Effect.gen(function* () {
        yield* setBlock(FIRST)
        for (const work of [1n, 14_500n, 1n, 10_000n, 1n]) {
          yield* append("alice", work)
          yield* buyAll
        }
        const lines = logs.filter((line) => line.includes("reserve"))
        assert.lengthOf(lines, 3)
        assert.match(lines[0]!, /^Info The reserve for fpps is 5000000 of 5000000 satoshis$/)
        assert.match(lines[1]!, /^Warn The reserve for fpps is 9\d{5} of 5000000 satoshis: it lasts for about 0 blocks/)
        assert.match(
          lines[2]!,
          /^Error The reserve for fpps is -1\d{6} of 5000000 satoshis: the pool owes its users more/
        )
      })
    )
  })
})
