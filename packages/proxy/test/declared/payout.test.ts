/** What blocks of declared jobs pay, read from the chain by another library. */
import { assert, describe, it } from "@effect/vitest"
import { Address, OutScript, RawTx } from "@scure/btc-signer"
import { BTCArray } from "@scure/btc-signer/script.js"
import type { PayoutShare } from "@sluice/mining-server"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { address, makeWorld, POOL_ADDRESSES } from "./world.ts"

const REGTEST = { bech32: "bcrt", pubKeyHash: 0x6f, scriptHash: 0xc4, wif: 0xef }
const SUBSIDY = 5_000_000_000n
const [POOL, SECOND] = POOL_ADDRESSES as [string, string]
const THIRD = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"

/** Lets servers answer one another. */
const settled = Effect.repeat(TestClock.adjust(20), { times: 30 })

interface Found {
  readonly others?: ReadonlyArray<PayoutShare>
  readonly ownOutputs?: ReadonlyArray<PayoutShare>
  readonly minPayoutPercent?: number
  readonly declareTransactions: boolean
}

/** Finds a block with 20 transactions of the miner's node, and reads it: its reward, and what each address gets, in order. */
const paidBy = Effect.fnUntraced(function* ({ declareTransactions, ownOutputs = [], ...terms }: Found) {
  const world = yield* makeWorld()
  const txids = yield* world.miners.addMadeUpTransactions(20)
  const fees = txids.reduce((sum, txid) => sum + world.miners.state.mempool.known(txid)!.fee, 0n)
  yield* world.startPool(1, terms)
  yield* world.startProxy({
    upstreams: [{ server: address(1), declarator: address(2) }],
    declareTransactions,
    ownOutputs
  })
  yield* settled
  const client = yield* world.connect()
  yield* client.open("extended")
  yield* settled
  const [channel] = client.machine.channels.values()
  for (let tries = 0; tries < 50 && world.pools.state.chain.tip.height === 0; tries++) {
    yield* client.submit(channel!.work!)
    yield* settled
  }
  const { block, height } = world.pools.state.chain.tip
  assert.strictEqual(height, 1)
  const [coinbase, ...others] = BTCArray(RawTx).decode(block!.bytes.subarray(80))
  assert.strictEqual(others.length, 20)
  const paid = coinbase!.outputs.flatMap(({ amount, script }) => {
    // The commitment to the witnesses has no address.
    if (script[0] === 0x6a) return []
    return [[Address(REGTEST).encode(OutScript.decode(script)), amount] as const]
  })
  const total = coinbase!.outputs.reduce((sum, { amount }) => sum + amount, 0n)
  assert.strictEqual(total, SUBSIDY + fees, "the coinbase takes all there is")
  return { paid, reward: SUBSIDY + fees }
})

describe("the coinbase of a declared job", () => {
  for (const declareTransactions of [true, false]) {
    const mode = declareTransactions ? "full-template" : "coinbase-only"
    it.effect(`pays a pool with one output the whole reward, to the satoshi, in ${mode} mode`, () =>
      Effect.gen(function* () {
        const { paid, reward } = yield* paidBy({ declareTransactions })
        assert.deepStrictEqual(paid, [[POOL, reward]])
      })
    )

    it.effect(`pays a pool with three outputs the whole reward on the first one, in ${mode} mode`, () =>
      Effect.gen(function* () {
        const others = [
          { to: SECOND, percent: 10 },
          { to: THIRD, percent: 2.5 }
        ]
        const { paid, reward } = yield* paidBy({ declareTransactions, others })
        assert.deepStrictEqual(paid, [
          [POOL, reward],
          [SECOND, 0n],
          [THIRD, 0n]
        ])
      })
    )
  }

  it.effect("pays the miner its part where the pool allows it, and the pool the rest, to the satoshi", () =>
    Effect.gen(function* () {
      const { paid, reward } = yield* paidBy({
        declareTransactions: true,
        others: [{ to: THIRD, percent: 1 }],
        ownOutputs: [{ to: SECOND, percent: 1.25 }],
        minPayoutPercent: 98.75
      })
      const own = (reward * 125n) / 10_000n
      assert.deepStrictEqual(paid, [
        [POOL, reward - own],
        [THIRD, 0n],
        [SECOND, own]
      ])
    })
  )
})
