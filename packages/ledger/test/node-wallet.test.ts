/**
 * `NodeWallet` over JSON-RPC: the node's own wallet and its refusals, coins of an address whose key is elsewhere, and what became of a
 * transaction.
 */
import { assert, it } from "@effect/vitest"
import { minerScript } from "@sluice/mining-server"
import { Effect, Redacted } from "effect"
import {
  audit,
  Ledger,
  NodeWallet,
  payOut,
  readWalletPayments,
  sendSigned,
  takeBack,
  type Wallet
} from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { MemoryWallet } from "./memory-wallet.ts"

const ALICE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
const options = { minimum: 1_000n, fee: { _tag: "rate", satoshis: 2 } } as const

const withNode = <A, E>(
  paysFrom: { readonly address: string } | { readonly wallet: string },
  run: (wallet: MemoryWallet, node: FakeNode) => Effect.Effect<A, E, Ledger | Wallet>
) =>
  Effect.gen(function* () {
    const wallet = new MemoryWallet([300_000_000n, 100_000_000n, 100_000_000n])
    wallet.mine(100)
    const node = yield* Effect.acquireRelease(
      Effect.promise(() => FakeNode.start(wallet)),
      (node) => Effect.sync(() => node.stop())
    )
    const place = {
      url: node.url,
      credentials: { _tag: "Password", user: "sluice", password: Redacted.make("secret") }
    } as const
    return yield* run(wallet, node).pipe(
      Effect.provide(Ledger.layer({ file: ":memory:", commitInterval: 0 })),
      Effect.provide(
        "wallet" in paysFrom
          ? NodeWallet.layer({ ...place, ...paysFrom })
          : NodeWallet.layerAddress({ ...place, ...paysFrom })
      )
    )
  })

const owe = (satoshis: bigint, user = ALICE) =>
  Effect.flatMap(Ledger, ({ books, transact }) => transact(books.adjust(user, satoshis, 1, "owed")))

it.live(
  "pays from coins of an address with 100 confirmations, whose owner signs, and gives the change back to it",
  () =>
    withNode({ address: MemoryWallet.address }, (wallet) =>
      Effect.gen(function* () {
        const { sql } = yield* Ledger
        yield* owe(150_000_000n)
        const { payment } = (yield* payOut(options))[0]!
        assert.strictEqual(payment.state, "planned")
        const sent = yield* sendSigned(Buffer.from(MemoryWallet.sign(payment.psbt)).toString("hex"))
        wallet.mine(6)
        yield* payOut(options)
        assert.deepStrictEqual(
          (yield* readWalletPayments(sql)).map(({ state }) => state),
          ["confirmed"]
        )
        assert.strictEqual(wallet.received(ALICE), 150_000_000n)
        assert.strictEqual(wallet.received(MemoryWallet.address), 200_000_000n - 150_000_000n - sent.fee)
        assert.isAbove(Number(sent.fee), 200)
        assert.deepStrictEqual((yield* audit(sql, () => Effect.void)).faults, [])
      })
    )
)

it.live("says how much is there if that is too little", () =>
  withNode({ address: MemoryWallet.address }, () =>
    Effect.gen(function* () {
      yield* owe(250_000_000n)
      const { message } = yield* Effect.flip(payOut(options))
      assert.match(
        message,
        /has 200000000 satoshis with 100 confirmations, in 2 coins; 250000000 and a fee are to be paid/
      )
    })
  )
)

it.live("takes no address whose transactions it cannot make", () =>
  withNode({ address: ALICE }, () =>
    Effect.gen(function* () {
      yield* owe(50_000_000n)
      assert.match((yield* Effect.flip(payOut(options))).message, /no address of a single key of segwit version 0/)
    })
  )
)

it.live("finds in the blocks that another transaction has spent the coins", () =>
  withNode({ address: MemoryWallet.address }, (wallet) =>
    Effect.gen(function* () {
      yield* owe(50_000_000n)
      const { payment } = (yield* payOut(options))[0]!
      wallet.replace(payment.psbt, [{ script: minerScript(MemoryWallet.address)!, value: 99_000_000n }])
      wallet.mine(6)
      const [followed] = yield* payOut(options)
      assert.strictEqual(followed!.where._tag, "replaced")
      assert.strictEqual((yield* takeBack(payment.id)).state, "cancelled")
    })
  )
)

const ofTarget = { minimum: 1_000n, fee: { _tag: "target", blocks: 6 } } as const

/** A user who is owed, and a refusal of the wallet: the message, and that nothing is written. */
const refusals: ReadonlyArray<{
  readonly name: string
  readonly wallet?: string
  readonly set: (node: FakeNode) => void
  readonly owed?: bigint
  readonly says: RegExp
}> = [
  {
    name: "that the node has not loaded the wallet, and which it has",
    wallet: "poool",
    set: (node) => (node.wallets = ["pool", "savings"]),
    says: /has not loaded a wallet "poool" \(it has "pool", "savings"\): load it with bitcoin-cli loadwallet "poool"/
  },
  {
    name: "that the node has no wallets",
    set: (node) => (node.wallets = undefined),
    says: /has no wallets: start it without disablewallet, or give from/
  },
  {
    name: "how to unlock the wallet",
    set: (node) => (node.unlockedUntil = 0),
    says: /the wallet "pool" is locked: unlock it with bitcoin-cli -rpcwallet="pool" walletpassphrase/
  },
  {
    name: "to give a rate if the node knows no fee",
    set: (node) => (node.knowsFees = false),
    says: /the node does not know what fee is usual: give fee-rate/
  },
  {
    name: "how much the wallet has",
    set: () => {},
    owed: 600_000_000n,
    says: /"pool" has 500000000 satoshis to spend, and 5000000000 of blocks with too few confirmations; 600000000 and a fee/
  }
]

for (const { name, owed = 50_000_000n, says, set, wallet = "pool" } of refusals) {
  it.live(`says ${name}, and writes no payment`, () =>
    withNode({ wallet }, (_, node) =>
      Effect.gen(function* () {
        set(node)
        yield* owe(owed)
        assert.match((yield* Effect.flip(payOut(ofTarget))).message, says)
        assert.deepStrictEqual(yield* readWalletPayments((yield* Ledger).sql), [])
      })
    )
  )
}

it.live("sends a payment that was written when the wallet was locked in between", () =>
  withNode({ wallet: "pool" }, (wallet, node) =>
    Effect.gen(function* () {
      yield* owe(50_000_000n)
      node.after = (call) => {
        if (node.calls[call - 1] === "walletcreatefundedpsbt") node.unlockedUntil = 0
      }
      assert.match((yield* Effect.flip(payOut(ofTarget))).message, /"pool" is locked/)
      assert.deepStrictEqual(
        (yield* readWalletPayments((yield* Ledger).sql)).map(({ state }) => state),
        ["planned"]
      )
      node.unlockedUntil = 2_000_000_000
      const [followed] = yield* payOut(ofTarget)
      assert.strictEqual(followed!.payment.state, "sent")
      wallet.mine(1)
      assert.strictEqual(wallet.received(ALICE), 50_000_000n)
    })
  )
)

it.live("pays two spellings of one address, with a rate of many decimals", () =>
  withNode({ wallet: "pool" }, (wallet) =>
    Effect.gen(function* () {
      yield* owe(20_000_000n)
      yield* owe(30_000_000n, ALICE.toUpperCase())
      const [followed] = yield* payOut({ ...options, fee: { _tag: "rate", satoshis: 2.123456 } })
      assert.strictEqual(followed!.payment.outputs.length, 2)
      wallet.mine(1)
      assert.strictEqual(wallet.received(ALICE), 50_000_000n)
      assert.deepStrictEqual((yield* audit((yield* Ledger).sql, () => Effect.void)).faults, [])
    })
  )
)

it.live("gives the change to an address of segwit, which later payments can spend, whatever the users have", () =>
  withNode({ wallet: "pool" }, (_, node) =>
    Effect.gen(function* () {
      yield* owe(20_000_000n, "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc")
      yield* payOut(options)
      assert.deepStrictEqual(node.changeTypes, ["bech32"])
      node.addressTypes = ["bech32m"]
      yield* owe(20_000_000n)
      yield* payOut(options)
      assert.deepStrictEqual(node.changeTypes, ["bech32", "bech32", "bech32m"])
    })
  )
)
