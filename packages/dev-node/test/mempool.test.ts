import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Mempool, type MempoolEntry, type MempoolVerdict } from "../src/chain/mempool.ts"
import { parseTransaction } from "@sluice/bitcoin"
import { type Built, buildCoinbase, buildPayment, buildTransaction, display, sha256 } from "@sluice/testing/blocks"

const add = (mempool: Mempool, built: Built, fee = 1_000n): MempoolEntry | MempoolVerdict =>
  mempool.add(parseTransaction(built.bytes), fee, 0, 0)

/** A chain of transactions, each of which spends the one before. */
const chainOf = (length: number): ReadonlyArray<Built> => {
  const chain = [buildPayment({ seed: 0 })]
  while (chain.length < length) chain.push(buildPayment({ seed: chain.length, txid: chain.at(-1)!.txid.toReversed() }))
  return chain
}

const ids = (entries: Iterable<MempoolEntry>): ReadonlyArray<string> => [...entries].map(({ txid }) => txid)

describe("adding a transaction", () => {
  it("lets it wait, with the next sequence number", () => {
    const mempool = new Mempool({ maxTransactions: 10 })
    const [parent, child] = chainOf(2)
    assert.deepInclude(add(mempool, parent!), { txid: display(parent!.txid), fee: 1_000n, parents: [], sequence: 1n })
    assert.deepInclude(add(mempool, child!), { parents: [display(parent!.txid)], sequence: 2n })
    assert.deepStrictEqual([mempool.size, mempool.updates, mempool.sequence], [2, 2, 3n])
    assert.strictEqual(mempool.spender(display(parent!.txid), 0), display(child!.txid))
  })

  const script = new Uint8Array([0x51])
  it.each<[MempoolVerdict, string, (mempool: Mempool) => MempoolEntry | MempoolVerdict]>([
    [
      "txn-already-in-mempool",
      "waits already",
      (m) => (add(m, buildPayment({ seed: 1 })), add(m, buildPayment({ seed: 1 })))
    ],
    [
      "txn-already-known",
      "is in a block",
      (m) => {
        const built = buildPayment({ seed: 1 })
        add(m, built)
        m.mine([display(built.txid)])
        return add(m, built)
      }
    ],
    [
      "txn-mempool-conflict",
      "spends what another one spends",
      (m) => (add(m, buildPayment({ seed: 1, value: 1n })), add(m, buildPayment({ seed: 1, value: 2n })))
    ],
    [
      "bad-txns-inputs-missingorspent",
      "spends an output that its parent does not have",
      (m) => {
        const parent = buildPayment({ seed: 1 })
        add(m, parent)
        return add(m, buildPayment({ seed: 2, txid: parent.txid.toReversed(), index: 1 }))
      }
    ],
    [
      "too-long-mempool-chain",
      "has 25 ancestors",
      (m) =>
        chainOf(26)
          .map((built) => add(m, built))
          .at(-1)!
    ],
    ["coinbase", "is a coinbase", (m) => add(m, buildCoinbase({ height: 1, value: 1n }))],
    ["bad-txns-fee-outofrange", "pays a negative fee", (m) => add(m, buildPayment({ seed: 1 }), -1n)],
    [
      "tx-size",
      "weighs over 400,000 units",
      (m) =>
        add(
          m,
          buildTransaction({
            inputs: [{ txid: sha256(script), index: 0 }],
            outputs: [{ value: 1n, script }],
            witnesses: [[new Uint8Array(400_000)]]
          })
        )
    ],
    [
      "bad-txns-vout-empty",
      "breaks a rule of blocks",
      (m) => add(m, buildTransaction({ inputs: [{ txid: sha256(script), index: 0 }], outputs: [] }))
    ],
    [
      "mempool full",
      "comes when the mempool is full",
      (m) => [1, 2, 3, 4, 5].map((seed) => add(m, buildPayment({ seed }))).at(-1)!
    ]
  ])("is refused as %s if it %s", (verdict, _, attempt) => {
    assert.strictEqual(attempt(new Mempool({ maxTransactions: verdict === "mempool full" ? 4 : 100 })), verdict)
  })

  it("allows as many ancestors as Core does", () => {
    const mempool = new Mempool({ maxTransactions: 100 })
    const entries = chainOf(25).map((built) => add(mempool, built))
    assert.isTrue(entries.every((entry) => typeof entry === "object"))
    assert.strictEqual(mempool.ancestors(entries.at(-1) as MempoolEntry).length, 24)
  })
})

describe("blocks", () => {
  it("remove transactions, and return them to the front when disconnected", () => {
    const mempool = new Mempool({ maxTransactions: 10 })
    const [parent, child] = chainOf(2)
    const other = buildPayment({ seed: 9 })
    for (const built of [parent!, other, child!]) add(mempool, built)
    const txids = [parent!, child!].map(({ txid }) => display(txid))
    mempool.mine(txids)
    assert.deepStrictEqual(ids(mempool.entries()), [display(other.txid)])
    assert.isDefined(mempool.known(txids[0]!))

    const back = mempool.unmine(txids)
    assert.deepStrictEqual(ids(back), txids)
    assert.deepStrictEqual(
      back.map(({ sequence }) => sequence),
      [4n, 5n]
    )
    assert.deepStrictEqual(ids(mempool.entries()), [...txids, display(other.txid)])
  })

  it("are forgotten with the outputs that their transactions spent", () => {
    const mempool = new Mempool({ maxTransactions: 10 })
    const built = buildPayment({ seed: 1 })
    const txid = display(built.txid)
    add(mempool, built)
    mempool.mine([txid])
    mempool.forget([txid])
    assert.isUndefined(mempool.known(txid))
    assert.isObject(add(mempool, buildPayment({ seed: 1, value: 7n })))
  })

  it("with unknown transactions change nothing", () => {
    const mempool = new Mempool({ maxTransactions: 10 })
    mempool.mine(["ab"])
    mempool.unmine(["ab"])
    mempool.forget(["ab"])
    assert.deepStrictEqual([mempool.size, mempool.updates], [0, 0])
  })
})

describe("selecting for a block", () => {
  it("takes the best fee rate first, and parents before children", () => {
    const mempool = new Mempool({ maxTransactions: 10 })
    const [parent, child] = chainOf(2)
    const good = buildPayment({ seed: 8 })
    const poor = buildPayment({ seed: 9 })
    add(mempool, poor, 2n)
    add(mempool, parent!, 1n)
    add(mempool, good, 1_000n)
    add(mempool, child!, 5_000n)
    assert.deepStrictEqual(
      ids(mempool.select(4_000_000, 80_000)),
      [parent!, child!, good, poor].map(({ txid }) => display(txid))
    )
  })

  it("keeps equal fees in the order they came", () => {
    const mempool = new Mempool({ maxTransactions: 10 })
    const all = [3, 1, 2].map((seed) => buildPayment({ seed }))
    for (const built of all) add(mempool, built)
    assert.deepStrictEqual(
      ids(mempool.select(4_000_000, 80_000)),
      all.map(({ txid }) => display(txid))
    )
  })

  it("leaves out a transaction whose signature operations do not fit", () => {
    const mempool = new Mempool({ maxTransactions: 10 })
    const many = buildTransaction({
      inputs: [{ txid: sha256(new Uint8Array([1])), index: 0 }],
      outputs: [{ value: 1n, script: new Uint8Array([0xac, 0xac]) }]
    })
    const few = buildPayment({ seed: 2 })
    add(mempool, many, 100_000n)
    add(mempool, few)
    assert.deepStrictEqual(ids(mempool.select(4_000_000, 7)), [display(few.txid)])
    assert.deepStrictEqual(ids(mempool.select(4_000_000, 8)), [display(many.txid), display(few.txid)])
  })

  const Pick = Schema.Struct({
    parent: Schema.Int.check(Schema.isBetween({ minimum: -1, maximum: 30 })),
    fee: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))
  })
  it.prop(
    "never takes a child without its parent before it, nor more weight than it may",
    {
      picks: Schema.Array(Pick).check(Schema.isMaxLength(40)),
      limit: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20_000 }))
    },
    ({ limit, picks }) => {
      const mempool = new Mempool({ maxTransactions: 100 })
      const added: Array<Built> = []
      picks.forEach(({ fee, parent }, seed) => {
        const spent = added[parent]
        const built = buildPayment(spent === undefined ? { seed } : { seed, txid: spent.txid.toReversed() })
        if (typeof add(mempool, built, BigInt(fee)) === "object") added.push(built)
      })
      const chosen = mempool.select(limit, 80_000)
      const before = new Set<string>()
      for (const { parents, txid } of chosen) {
        assert.isTrue(parents.every((parent) => before.has(parent)))
        assert.isFalse(before.has(txid))
        before.add(txid)
      }
      assert.isAtMost(
        chosen.reduce((total, { transaction }) => total + transaction.weight, 0),
        limit
      )
      assert.strictEqual(mempool.select(4_000_000, 80_000).length, mempool.size)
    }
  )
})
