import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { MempoolFollower } from "../../src/server/mempool/mempool-follower.ts"
import { type StoredTransaction, TransactionStore } from "../../src/server/mempool/transaction-store.ts"
import { randomTransaction } from "./transactions.ts"

const RUNS = Number(process.env["SLUICE_SEQUENCES"] ?? 1_000)

/** Transactions with ids of a few bits, so that they collide, and bytes of up to a few slabs. */
const transaction = (id: number, size: number): StoredTransaction => ({
  bytes: new Uint8Array(size).fill(id),
  txid: new Uint8Array(32).fill(id, 0, 2),
  wtxid: new Uint8Array(32).fill(id, 1, 3),
  strippedSize: size >> 1,
  sigopsCost: 4 * id
})

const operation = fc.record({
  kind: fc.constantFrom("enter", "leave", "hold", "release"),
  id: fc.nat(60),
  size: fc.oneof(fc.nat(300), fc.nat(20_000))
})

describe("TransactionStore", () => {
  it("keeps a transaction that declarations name very often until the last of them lets it go", () => {
    const store = new TransactionStore(1)
    const holds = 4 * 16_666
    const slot = store.enterMempool(transaction(1, 100))
    for (let i = 0; i < holds; i++) store.hold(slot)
    store.leaveMempool(slot)
    for (let i = 1; i < holds; i++) {
      store.release(slot)
      if (store.count !== 1) assert.fail(`it is gone after ${i} of ${holds} releases`)
    }
    store.release(slot)
    assert.strictEqual(store.count, 0)
  })

  it("has each transaction for as long as the mempool or a job holds it, with its own bytes", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), fc.integer(), (operations, seed) => {
        const store = new TransactionStore(seed)
        const model = new Map<number, { bytes: Uint8Array; mempool: boolean; jobs: number; slot: number }>()
        for (const { id, kind, size } of operations) {
          const known = model.get(id)
          if (kind === "enter") {
            const given = transaction(id, size + 1)
            const slot = store.enterMempool(given)
            model.set(id, { bytes: given.bytes, jobs: 0, slot, ...known, mempool: true })
          } else if (kind === "hold") {
            const given = transaction(id, size + 1)
            const slot = store.holdNew(given)
            model.set(id, { bytes: given.bytes, mempool: false, ...known, slot, jobs: (known?.jobs ?? 0) + 1 })
          } else if (known !== undefined) {
            if (kind === "leave" && known.mempool) {
              store.leaveMempool(known.slot)
              known.mempool = false
            } else if (kind === "release" && known.jobs > 0) {
              store.release(known.slot)
              known.jobs--
            }
            if (!known.mempool && known.jobs === 0) model.delete(id)
          }
        }
        assert.strictEqual(store.count, model.size)
        let bytes = 0
        let mempoolBytes = 0
        for (let id = 0; id <= 60; id++) {
          const slot = store.find(transaction(id, 1).wtxid)
          const expected = model.get(id)
          assert.strictEqual(slot >= 0, expected !== undefined)
          assert.strictEqual(store.findTxid(transaction(id, 1).txid), slot)
          if (expected === undefined) continue
          bytes += expected.bytes.length
          if (expected.mempool) mempoolBytes += expected.bytes.length
          assert.strictEqual(Buffer.compare(store.bytesOf(slot), expected.bytes), 0)
          assert.strictEqual(store.isInMempool(slot), expected.mempool)
          assert.strictEqual(store.strippedSizeOf(slot), expected.bytes.length >> 1)
          assert.strictEqual(store.weightOf(slot), 3 * (expected.bytes.length >> 1) + expected.bytes.length)
          assert.strictEqual(store.sigopsCostOf(slot), 4 * id)
        }
        assert.strictEqual(store.transactionBytes, bytes)
        assert.strictEqual(store.mempoolBytes, mempoolBytes)
      }),
      { numRuns: Math.ceil(RUNS / 5) }
    )
  })

  it("takes at most 1.3 times the bytes of a mempool's transactions, also after most of them were replaced", () => {
    const store = new TransactionStore(7)
    const draw = generator(1)
    const add = () => {
      // Half of a block's transactions have 140 to 250 bytes, the others up to some thousands.
      const size = draw() < 0.6 ? 140 + draw() * 110 : 250 + draw() ** 3 * 4_000
      const bytes = new Uint8Array(Math.floor(size))
      const ids = Uint8Array.from({ length: 64 }, () => Math.floor(draw() * 256))
      return store.enterMempool({
        bytes,
        wtxid: ids.slice(0, 32),
        txid: ids.slice(32),
        strippedSize: 100,
        sigopsCost: 4
      })
    }
    const slots = Array.from({ length: 20_000 }, add)
    assert.isAtMost(store.memoryBytes, 1.3 * store.transactionBytes)
    for (let i = 0; i < 40_000; i++) {
      const at = Math.floor(draw() * slots.length)
      store.leaveMempool(slots[at]!)
      slots[at] = add()
    }
    assert.strictEqual(store.count, 20_000)
    assert.isAtMost(store.memoryBytes, 1.3 * store.transactionBytes)
    for (const slot of slots) store.leaveMempool(slot)
    assert.strictEqual(store.transactionBytes, 0)
  })
})

describe("MempoolFollower", () => {
  const transactions = Array.from({ length: 30 }, (_, index) => randomTransaction(index))
  const txids = transactions.map(({ txid }) => Buffer.from(txid.toReversed()).toString("hex"))

  const settle = (follower: MempoolFollower, node: ReadonlySet<number>) => {
    if (follower.isListDue) follower.onList([...node].map((index) => txids[index]!))
    while (follower.isBusy) follower.step()
    for (;;) {
      const wanted = follower.next(7)
      if (wanted.length === 0) return
      for (const txid of wanted) {
        const index = txids.indexOf(txid)
        if (node.has(index)) follower.onTransaction(transactions[index]!.bytes)
      }
    }
  }

  it("has the node's mempool after each list, whatever announcements were lost", () => {
    const step = fc.record({ index: fc.nat(29), isAdded: fc.boolean(), isHeard: fc.boolean(), isBlock: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = new TransactionStore(3)
        const follower = new MempoolFollower(store, { maxTransactions: 1_000, maxBytes: 1_000_000 })
        const node = new Set<number>()
        for (const { index, isAdded, isBlock, isHeard } of steps) {
          if (isAdded) node.add(index)
          else node.delete(index)
          const txid = transactions[index]!.txid
          if (isHeard && isAdded) follower.onNotification({ _tag: "TransactionAdded", txid, mempoolSequence: 1n })
          if (isHeard && !isAdded) follower.onNotification({ _tag: "TransactionRemoved", txid, mempoolSequence: 1n })
          if (isBlock) {
            follower.onNotification({ _tag: "BlockConnected", hash: new Uint8Array(32) })
            settle(follower, node)
          }
        }
        follower.onNotification({ _tag: "Missed", topic: "sequence", count: 1 })
        settle(follower, node)
        assert.strictEqual(store.mempoolCount, node.size)
        transactions.forEach(({ wtxid }, index) => assert.strictEqual(store.find(wtxid) >= 0, node.has(index)))
      }),
      { numRuns: Math.ceil(RUNS / 10) }
    )
  })

  it("keeps no more transactions and bytes than its limits, and says how many it left out", () => {
    const all = new Set(transactions.keys())
    const few = new TransactionStore(3)
    const follower = new MempoolFollower(few, { maxTransactions: 10, maxBytes: 1_000_000 })
    settle(follower, all)
    assert.strictEqual(few.mempoolCount, 10)
    assert.strictEqual(follower.leftOut, 20)
    const small = new TransactionStore(3)
    settle(new MempoolFollower(small, { maxTransactions: 100, maxBytes: 1_000 }), all)
    assert.isAtMost(small.mempoolBytes, 1_000)
  })

  it("ignores what is no transaction and no txid", () => {
    const store = new TransactionStore(3)
    const follower = new MempoolFollower(store, { maxTransactions: 10, maxBytes: 1_000 })
    follower.onList(["zz", ""])
    follower.step()
    follower.onTransaction(new Uint8Array(10))
    assert.strictEqual(store.count, 0)
    assert.strictEqual(follower.leftOut, 1)
  })
})

/** Numbers from 0 to 1 that are the same in each run. */
const generator = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
