/** `NodeWallet` over JSON-RPC: coins of an address whose key is elsewhere, and what became of a transaction. */
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
  address: string,
  run: (wallet: MemoryWallet, node: FakeNode) => Effect.Effect<A, E, Ledger | Wallet>
) =>
  Effect.gen(function* () {
    const wallet = new MemoryWallet([300_000_000n, 100_000_000n, 100_000_000n])
    wallet.mine(100)
    const node = yield* Effect.acquireRelease(
      Effect.promise(() => FakeNode.start(wallet)),
      (node) => Effect.sync(() => node.stop())
    )
    return yield* run(wallet, node).pipe(
      Effect.provide(Ledger.layer({ file: ":memory:", commitInterval: 0 })),
      Effect.provide(layerOf(node, address))
    )
  })

const layerOf = (node: FakeNode, address: string) =>
  NodeWallet.layerAddress({
    url: node.url,
    credentials: { _tag: "Password", user: "sluice", password: Redacted.make("secret") },
    address
  })

const owe = (satoshis: bigint) =>
  Effect.flatMap(Ledger, ({ books, transact }) => transact(books.adjust(ALICE, satoshis, 1, "owed")))

it.live(
  "pays from coins of an address with 100 confirmations, whose owner signs, and gives the change back to it",
  () =>
    withNode(MemoryWallet.address, (wallet) =>
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
  withNode(MemoryWallet.address, () =>
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
  withNode(ALICE, () =>
    Effect.gen(function* () {
      yield* owe(50_000_000n)
      assert.match((yield* Effect.flip(payOut(options))).message, /no address of a single key of segwit version 0/)
    })
  )
)

it.live("finds in the blocks that another transaction has spent the coins", () =>
  withNode(MemoryWallet.address, (wallet) =>
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
