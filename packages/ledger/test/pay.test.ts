/** Payments from a wallet: each balance is paid once, whenever the program ends, and never before its block is final. */
import { assert, describe, it } from "@effect/vitest"
import { minerScript } from "@sluice/mining-server"
import { Address, TEST_NETWORK } from "@scure/btc-signer"
import { Cause, Effect, Exit, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  addressesAt,
  audit,
  changeAddress,
  divideReward,
  followPayments,
  Ledger,
  type LedgerCalls,
  payOut,
  POOL,
  readAddressChanges,
  readBalances,
  readDue,
  readWalletPayments,
  sendSigned,
  settlementOf,
  sum,
  takeBack
} from "../src/index.ts"
import { planPayment } from "../src/store/payments.ts"
import { type Kill, MemoryWallet } from "./memory-wallet.ts"

const ALICE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
const BOB = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const OTHER = Address({ ...TEST_NETWORK, bech32: "bcrt" }).encode({ type: "wpkh", hash: new Uint8Array(20).fill(9) })
const options = { minimum: 10_000n, fee: { _tag: "rate", satoshis: 1 } } as const
const COIN = 100_000_000n

const freshFile = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-ledger-pay-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
).pipe(Effect.map((directory) => join(directory, "ledger.sqlite")))

/** Runs with the ledger in a file, as one program does. */
const inLedger =
  (file: string, wallet: MemoryWallet) =>
  <A, E>(run: Effect.Effect<A, E, Ledger | Layer.Success<MemoryWallet["layer"]>>) =>
    run.pipe(
      Effect.provide(Ledger.layer({ file, commitInterval: 0 })),
      Effect.provide(wallet.layer),
      Effect.provide(Logger.layer([]))
    )

const owe = (amounts: Readonly<Record<string, bigint>>) =>
  Effect.gen(function* () {
    const { books, transact } = yield* Ledger
    for (const [user, amount] of Object.entries(amounts)) yield* transact(books.adjust(user, amount, 1, "owed"))
  })

const noProgress = () => Effect.void
const audited = Effect.flatMap(Ledger, ({ sql }) => Effect.map(audit(sql, noProgress), ({ faults }) => faults))
const balances = Effect.flatMap(Ledger, ({ sql }) => readBalances(sql))

/** Pays until nothing is left to do. */
const finish = (wallet: MemoryWallet) =>
  Effect.gen(function* () {
    yield* payOut(options)
    wallet.mine(6)
    yield* payOut(options)
  })

describe("a program that ends in the middle of a payment", () => {
  /** More than the calls of the longest payment; those after the last change nothing. */
  const kills = Array.from({ length: 6 }, (_, index) => index + 1).flatMap((at): ReadonlyArray<Kill> => [
    { at, when: "before" },
    { at, when: "after" }
  ])

  for (const kill of kills) {
    it.live(`pays each user once if it ends ${kill.when} call ${kill.at} of the wallet`, () =>
      Effect.gen(function* () {
        const file = yield* freshFile
        const wallet = new MemoryWallet([COIN, COIN])
        const run = inLedger(file, wallet)
        yield* run(owe({ [ALICE]: 60_000_000n, [BOB]: 50_000_000n }))
        wallet.kill = kill
        const ended = yield* Effect.exit(run(payOut(options)))
        const wasKilled = wallet.calls >= kill.at
        assert.strictEqual(Exit.isFailure(ended) && Cause.hasDies(ended.cause), wasKilled)
        wallet.kill = undefined
        yield* run(finish(wallet))
        assert.deepStrictEqual([wallet.received(ALICE), wallet.received(BOB)], [60_000_000n, 50_000_000n])
        const [payments, left, faults] = yield* run(
          Effect.gen(function* () {
            const { sql } = yield* Ledger
            return [yield* readWalletPayments(sql), yield* balances, yield* audited] as const
          })
        )
        assert.deepStrictEqual(
          payments.map(({ state }) => state),
          ["confirmed"]
        )
        assert.strictEqual(left.size, 0)
        assert.deepStrictEqual(faults, [])
      })
    )
  }

  it.live("the kills above reach every call of a payment", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN])
      const run = inLedger(":memory:", wallet)
      yield* run(Effect.andThen(owe({ [ALICE]: 50_000_000n }), payOut(options)))
      assert.isAtMost(wallet.calls, 6)
      assert.isAtLeast(wallet.calls, 5)
    })
  )
})

describe("payments", () => {
  it.live("two programs at once pay once", () =>
    Effect.gen(function* () {
      const file = yield* freshFile
      const wallet = new MemoryWallet([COIN, COIN, COIN, COIN])
      const run = inLedger(file, wallet)
      yield* run(owe({ [ALICE]: 50_000_000n }))
      yield* Effect.all([Effect.exit(run(payOut(options))), Effect.exit(run(payOut(options)))], {
        concurrency: "unbounded"
      })
      yield* run(finish(wallet))
      assert.strictEqual(wallet.received(ALICE), 50_000_000n)
    })
  )

  it.live("wait for a signature that is made elsewhere, and take no other transaction", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN, COIN])
      wallet.hasKeys = false
      yield* inLedger(
        ":memory:",
        wallet
      )(
        Effect.gen(function* () {
          const { sql } = yield* Ledger
          yield* owe({ [ALICE]: 50_000_000n })
          const [waiting] = yield* payOut(options)
          assert.strictEqual(waiting!.payment.state, "planned")
          yield* owe({ [BOB]: 50_000_000n })
          // Another payment could take the same coins.
          yield* payOut(options)
          assert.lengthOf(yield* readWalletPayments(sql), 1)
          const { books, transact } = yield* Ledger
          const outputs = [{ user: BOB, address: BOB, amount: 50_000_000n }]
          const another = planPayment(sql, books, { txid: "00", psbt: "", fee: 0n, height: 0, outputs }, 1)
          assert.match((yield* Effect.flip(transact(another))).message, /payment 1 is not sent yet/)
          const { psbt } = waiting!.payment
          const other = "02".padEnd(8, "0") + "00".repeat(6)
          assert.match((yield* Effect.flip(sendSigned(other))).message, /the transaction of the payment cannot be read/)
          const sent = yield* sendSigned(Buffer.from(MemoryWallet.sign(psbt)).toString("hex"))
          assert.strictEqual(sent.state, "sent")
          assert.strictEqual(wallet.mempoolSize, 1)
          yield* payOut(options)
          const states = (yield* readWalletPayments(sql)).map(({ state }) => state)
          assert.deepStrictEqual(states, ["sent", "planned"])
        })
      )
    })
  )

  it.live("are cancelled only when another transaction that pays no user has spent their coins for good", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN])
      wallet.hasKeys = false
      yield* inLedger(
        ":memory:",
        wallet
      )(
        Effect.gen(function* () {
          yield* owe({ [ALICE]: 50_000_000n })
          const { payment } = (yield* payOut(options))[0]!
          assert.match((yield* Effect.flip(takeBack(payment.id))).message, /may still be made/)
          wallet.replace(payment.psbt, [{ script: minerScript(OTHER)!, value: 40_000_000n }])
          wallet.mine(5)
          assert.match((yield* Effect.flip(takeBack(payment.id))).message, /may still be made/)
          wallet.mine(1)
          yield* takeBack(payment.id)
          assert.strictEqual((yield* balances).get(ALICE), 50_000_000n)
          assert.deepStrictEqual(yield* audited, [])
        })
      )
    })
  )

  it.live("are made by a replacement with a higher fee too", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN])
      yield* inLedger(
        ":memory:",
        wallet
      )(
        Effect.gen(function* () {
          yield* owe({ [ALICE]: 50_000_000n })
          const { payment } = (yield* payOut(options))[0]!
          wallet.replace(payment.psbt, [{ script: minerScript(ALICE)!, value: 50_000_000n }])
          wallet.mine(6)
          assert.match((yield* Effect.flip(takeBack(payment.id))).message, /pays users of it/)
          const [followed] = yield* followPayments
          assert.strictEqual(followed!.payment.state, "confirmed")
          assert.strictEqual((yield* balances).get(ALICE), undefined)
        })
      )
    })
  )

  it.live("pay what blocks earned when these are final, and an orphan after that is owed", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN])
      yield* inLedger(
        ":memory:",
        wallet
      )(
        Effect.gen(function* () {
          const ledger = yield* Ledger
          const { sql } = ledger
          const first = yield* findBlock(ledger, 1)
          assert.deepStrictEqual(yield* readDue(sql, 0, options), [])
          yield* ledger.transact(ledger.books.setState(first, "confirmed", 2))
          assert.deepStrictEqual(yield* readDue(sql, 0, options), [{ user: ALICE, amount: 99_000n, address: ALICE }])
          // A block that is not final adds nothing.
          yield* findBlock(ledger, 2)
          assert.strictEqual((yield* readDue(sql, 0, options))[0]!.amount, 99_000n)
          yield* finish(wallet)
          assert.strictEqual(wallet.received(ALICE), 99_000n)
          assert.strictEqual((yield* balances).get(ALICE), 99_000n)
          // Not even a final block is safe from a correction by hand.
          yield* ledger.transact(ledger.books.reverse(first, 3, "left after all"))
          assert.strictEqual((yield* balances).get(ALICE), undefined)
          yield* ledger.transact(ledger.books.reverse(2, 3, "left"))
          assert.strictEqual((yield* balances).get(ALICE), -99_000n)
          assert.deepStrictEqual(yield* readDue(sql, 0, options), [])
          assert.strictEqual(sum((yield* balances).values()), 0n)
        })
      )
    })
  )

  it.live("pay two users of one address by one output, each its own amount", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN])
      yield* inLedger(
        ":memory:",
        wallet
      )(
        Effect.gen(function* () {
          const { books, sql, transact } = yield* Ledger
          yield* owe({ bob: 20_000n, [ALICE]: 30_000n })
          const change = { user: "bob", address: ALICE, at: 0, reason: "" }
          yield* transact(changeAddress(sql, books, change, { delayMs: 0, named: undefined }))
          yield* finish(wallet)
          assert.strictEqual(wallet.received(ALICE), 50_000n)
          assert.strictEqual((yield* balances).size, 0)
          assert.deepStrictEqual(yield* audited, [])
        })
      )
    })
  )

  it.live("refuse a fee out of proportion before anything is written", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN])
      yield* inLedger(
        ":memory:",
        wallet
      )(
        Effect.gen(function* () {
          yield* owe({ [ALICE]: 5_000n })
          const refused = yield* Effect.flip(payOut({ ...options, minimum: 1n }))
          assert.match(refused.message, /a fee of 1000 satoshis for 5000 paid, more than a tenth/)
          assert.deepStrictEqual(yield* readWalletPayments((yield* Ledger).sql), [])
        })
      )
    })
  )
})

/** A block that earns alice 99,000 satoshis, which its coinbase does not pay. Returns its id. */
const findBlock = ({ books, transact }: LedgerCalls, number: number) =>
  transact(
    Effect.gen(function* () {
      const reward = 100_000n
      const id = yield* books.addBlock({
        hash: new Uint8Array(32).fill(number),
        height: number,
        at: 1,
        user: ALICE,
        worker: "",
        reward,
        networkWork: 1n,
        outputs: [{ script: minerScript(BOB)!, value: reward }]
      })
      const policy = { version: 1, scheme: "prop", fee: 10_000 } as const
      const earned = divideReward(reward, policy, new Map([[ALICE, 1n]]))
      const basis = { lastSeq: 0, lastEntry: 0, minimum: 0n, bytes: 0 }
      yield* books.settle(id!, settlementOf(earned, []), { policy, basis, windowWork: 1n, at: 1 })
      return id!
    })
  )

describe("addresses", () => {
  const delayMs = 1_000
  const change = (user: string, address: string, at: number) =>
    Effect.gen(function* () {
      const { books, sql, transact } = yield* Ledger
      const named = minerScript(user) === undefined ? undefined : user
      return yield* transact(changeAddress(sql, books, { user, address, at, reason: "asked" }, { delayMs, named }))
    })
  const at = (user: string, now: number) =>
    Effect.flatMap(Ledger, ({ sql }) =>
      Effect.map(readAddressChanges(sql), (changes) => addressesAt(changes, now).get(user))
    )

  it.live("take effect after a delay, the first one of a name at once", () =>
    inLedger(
      ":memory:",
      new MemoryWallet([])
    )(
      Effect.gen(function* () {
        yield* change("bob", BOB, 100)
        assert.strictEqual((yield* at("bob", 100))!.current, BOB)
        const asked = yield* change("bob", ALICE, 200)
        assert.strictEqual(asked.effectiveAt, 1_200)
        assert.strictEqual((yield* at("bob", 1_199))!.current, BOB)
        assert.strictEqual((yield* at("bob", 1_199))!.pending!.address, ALICE)
        assert.deepStrictEqual(yield* at("bob", 1_200), { current: ALICE, pending: undefined })
        // The name itself is the first address of this one.
        yield* change(ALICE, OTHER, 100)
        assert.strictEqual((yield* at(ALICE, 1_099))!.current, undefined)
        assert.strictEqual((yield* at(ALICE, 1_100))!.current, OTHER)
      })
    )
  )

  it.live("a change that is not in effect is taken back at once by the address in effect, and by another change", () =>
    inLedger(
      ":memory:",
      new MemoryWallet([])
    )(
      Effect.gen(function* () {
        yield* change("bob", BOB, 0)
        yield* change("bob", ALICE, 100)
        yield* change("bob", BOB, 200)
        assert.deepStrictEqual(yield* at("bob", 5_000), { current: BOB, pending: undefined })
        yield* change("bob", ALICE, 6_000)
        yield* change("bob", OTHER, 6_500)
        assert.strictEqual((yield* at("bob", 7_200))!.current, BOB)
        assert.strictEqual((yield* at("bob", 7_500))!.current, OTHER)
      })
    )
  )

  it.effect("a user is paid at the address that is in effect", () =>
    Effect.gen(function* () {
      const wallet = new MemoryWallet([COIN])
      yield* TestClock.setTime(500)
      yield* inLedger(
        ":memory:",
        wallet
      )(
        Effect.gen(function* () {
          const { sql } = yield* Ledger
          yield* Effect.forkChild(TestClock.adjust("100 millis").pipe(Effect.repeat({ times: 40 })))
          yield* owe({ bob: 50_000n, [ALICE]: 60_000n })
          const due = yield* readDue(sql, 500, options)
          assert.deepStrictEqual(
            due.map(({ address }) => address),
            [ALICE, undefined]
          )
          yield* change("bob", BOB, 500)
          yield* payOut(options)
          wallet.mine(1)
          assert.deepStrictEqual([wallet.received(BOB), wallet.received(ALICE)], [50_000n, 60_000n])
          assert.strictEqual((yield* balances).get(POOL), undefined)
        })
      )
    })
  )
})
