import { assert, describe, it } from "@effect/vitest"
import {
  BlockTree,
  type BlockTreeOptions,
  type KnownTransaction,
  type Submission,
  type TreeBlock
} from "../src/chain/block-tree.ts"
import { type BlockVerdict } from "../src/chain/block-rules.ts"
import { parseBlock, parseTransaction } from "@sluice/bitcoin"
import {
  type BlockParts,
  type Built,
  buildBlock,
  buildCoinbase,
  buildPayment,
  buildTransaction,
  type CoinbaseParts,
  commitmentScript,
  display,
  EASY_BITS,
  merkleRoot,
  NOW,
  sha256
} from "@sluice/testing/blocks"

const SUBSIDY = 5_000_000_000n
const FEE = 1_000n

interface Fixture {
  readonly tree: BlockTree
  /** Tells the tree of a transaction that pays `FEE`. */
  readonly know: (built: Built, parents?: ReadonlyArray<Built>) => Built
  readonly forget: (txids: ReadonlyArray<string>) => void
}

const fixture = (options: Partial<BlockTreeOptions> = {}): Fixture => {
  const known = new Map<string, KnownTransaction>()
  const tree = new BlockTree(
    {
      bits: EASY_BITS,
      genesisTime: 1_700_000_000,
      halvingInterval: 210_000,
      keepBlocks: 100,
      maxSideBlocks: 100,
      maxInvalidBlocks: 100,
      ...options
    },
    { known: (txid) => known.get(txid), spender: () => undefined }
  )
  return {
    tree,
    know: (built, parents = []) => {
      const wtxid = display(built.wtxid)
      known.set(display(built.txid), {
        transaction: parseTransaction(built.bytes),
        wtxid,
        fee: FEE,
        parents: parents.map(({ txid }) => display(txid))
      })
      return built
    },
    forget: (txids) => {
      for (const txid of txids) known.delete(txid)
    }
  }
}

interface Parts {
  readonly on?: TreeBlock
  readonly payments?: ReadonlyArray<Built>
  readonly coinbase?: Partial<CoinbaseParts>
  readonly block?: Partial<BlockParts>
}

/** A good block on the tip, but for what is said. */
const block = ({ tree }: Fixture, { block = {}, coinbase = {}, on = tree.tip, payments = [] }: Parts = {}) => {
  const height = on.height + 1
  const value = SUBSIDY + FEE * BigInt(payments.length)
  const first = buildCoinbase({ height, value, others: payments, ...coinbase })
  const time = Math.max(on.medianTimePast + 1, NOW)
  return buildBlock({ previousHash: on.hash, transactions: [first, ...payments], time, ...block })
}

const submit = ({ tree }: Fixture, bytes: Uint8Array, now = NOW): Submission => tree.submit(parseBlock(bytes), now)

/** Puts a block on top of another, which must be fine with the tree, and gives its place. */
const extend = (f: Fixture, parts: Parts, expected: BlockVerdict | null = null): TreeBlock => {
  const bytes = block(f, parts)
  assert.strictEqual(submit(f, bytes).verdict, expected)
  return f.tree.get(display(parseBlock(bytes).hash))!
}

describe("the first block", () => {
  it("depends only on the target and the time", () => {
    const id = fixture().tree.genesis.id
    assert.strictEqual(fixture().tree.genesis.id, id)
    assert.notStrictEqual(fixture({ bits: 0x1e0fffff }).tree.genesis.id, id)
    assert.notStrictEqual(fixture({ genesisTime: 1_700_000_001 }).tree.genesis.id, id)
    // Other programs and notes may name it; a change here is a change of the chain.
    assert.strictEqual(id, GENESIS_ID)
  })
})

describe("a block that keeps all rules", () => {
  it("becomes the tip", () => {
    const f = fixture()
    const bytes = block(f, { payments: [f.know(buildPayment({ seed: 1 })), f.know(buildPayment({ seed: 2 }))] })
    const { buried, connected, disconnected, verdict } = submit(f, bytes)
    assert.isNull(verdict)
    assert.deepStrictEqual([connected.map(({ id }) => id), disconnected, buried], [[f.tree.tip.id], [], []])
    assert.strictEqual(f.tree.tip.height, 1)
    assert.strictEqual(f.tree.tip.id, display(parseBlock(bytes).hash))
    assert.strictEqual(f.tree.tip.transactionCount, 3)
  })

  it("may have a version with rolled bits, a lock time below its height, and no commitment without witnesses", () => {
    const f = fixture()
    extend(f, { block: { version: 0x3fffffe0 } })
    extend(f, { coinbase: { lockTime: f.tree.tip.height, sequence: 0xfffffffe } })
    extend(f, { coinbase: { outputs: [], witness: [] } })
  })

  it("may have a coinbase without its witness, which the node adds", () => {
    const f = fixture()
    const payments = [f.know(buildPayment({ seed: 1 }))]
    const tip = extend(f, { payments, coinbase: { witness: [] } })
    assert.strictEqual(tip.block?.transactions[0]?.witnesses[0]?.[0]?.length, 32)
  })

  it("may be of any height, though the form of a height changes at 17", () => {
    const f = fixture()
    for (let height = 1; height <= 20; height++) extend(f, {})
    assert.strictEqual(f.tree.tip.height, 20)
  })

  it("may pay less than it could, and halves its subsidy in time", () => {
    const f = fixture({ halvingInterval: 2 })
    extend(f, { coinbase: { value: 1n } })
    assert.deepStrictEqual(
      [1, 2, 3, 4, 128, 1000].map((height) => f.tree.subsidy(height)),
      [SUBSIDY, SUBSIDY / 2n, SUBSIDY / 2n, SUBSIDY / 4n, 0n, 0n]
    )
    assert.strictEqual(submit(f, block(f, {})).verdict, "bad-cb-amount")
    extend(f, { coinbase: { value: SUBSIDY / 2n } })
  })
})

describe("a block that breaks a rule", () => {
  const pushed = (size: number): Uint8Array => new Uint8Array([0x51, ...new Uint8Array(size - 1)])
  const payment = buildPayment({ seed: 7 })
  const legacy = buildTransaction({
    inputs: [{ txid: sha256(new Uint8Array([9])), index: 0, script: new Uint8Array([0x51]) }],
    outputs: [{ value: 1n, script: new Uint8Array([0x51]) }]
  })
  const odd = (parts: Partial<Parameters<typeof buildTransaction>[0]>): Built =>
    buildTransaction({
      inputs: [{ txid: sha256(new Uint8Array([8])), index: 0 }],
      outputs: [{ value: 1n, script: new Uint8Array([0x51]) }],
      ...parts
    })
  const known = (built: Built) => (f: Fixture) => ({ payments: [f.know(built)] })

  it.each<[BlockVerdict, string, (f: Fixture) => Parts, number?]>([
    ["high-hash", "a hash above the target", () => ({ block: { meetsTarget: false } })],
    ["high-hash", "a target that is none", () => ({ block: { bits: 0x207fffff | 0x00800000 } })],
    ["bad-diffbits", "another target that it meets", () => ({ block: { bits: 0x2100ffff } })],
    ["prev-blk-not-found", "an unknown block before it", () => ({ block: { previousHash: sha256(pushed(2)) } })],
    ["time-too-old", "the median time past", (f) => ({ block: { time: f.tree.tip.medianTimePast } })],
    ["time-too-new", "a time over two hours ahead", () => ({ block: { time: NOW + 7201 } })],
    ["bad-version(0x00000003)", "version 3", () => ({ block: { version: 3 } })],
    ["bad-version(0x80000000)", "a negative version", () => ({ block: { version: -0x80000000 } })],
    ["bad-txnmrklroot", "another merkle root", () => ({ block: { merkleRoot: sha256(pushed(2)) } })],
    ["bad-txns-duplicate", "the last transaction once more", (f) => duplicated(f, f.know(payment))],
    ["bad-blk-length", "no transactions", () => ({ block: { transactions: [], merkleRoot: new Uint8Array(32) } })],
    ["bad-cb-missing", "no coinbase", (f) => ({ block: { transactions: [f.know(payment)] } })],
    ["bad-cb-multiple", "two coinbases", () => ({ payments: [buildCoinbase({ height: 1, value: 0n, note: 5 })] })],
    ["bad-cb-length", "a coinbase script of 1 byte", () => ({ coinbase: { script: pushed(1) } })],
    ["bad-cb-length", "a coinbase script of 101 bytes", () => ({ coinbase: { script: pushed(101) } })],
    ["bad-txns-vout-empty", "a transaction without outputs", known(odd({ outputs: [] }))],
    ["bad-txns-vout-negative", "a negative amount", known(odd({ outputs: [out(1n << 63n)] }))],
    ["bad-txns-vout-toolarge", "more coins than exist", known(odd({ outputs: [out(2_100_000_000_000_001n)] }))],
    [
      "bad-txns-txouttotal-toolarge",
      "more coins in all than exist",
      known(odd({ outputs: [out(2_100_000_000_000_000n), out(1n)] }))
    ],
    ["bad-txns-inputs-duplicate", "an output spent twice in one transaction", known(odd({ inputs: [same, same] }))],
    ["bad-txns-prevout-null", "a null input beside others", known(odd({ inputs: [same, nothing] }))],
    ["bad-blk-sigops", "20,001 signature operations", known(odd({ outputs: [{ value: 1n, script: sigops(20_001) }] }))],
    ["bad-txns-nonfinal", "a lock time of its own height", () => ({ coinbase: { lockTime: 1, sequence: 0 } })],
    [
      "bad-txns-nonfinal",
      "a lock time of the median time past",
      (f) => ({ coinbase: { lockTime: f.tree.tip.medianTimePast, sequence: 0 } })
    ],
    ["bad-cb-height", "the next height", () => ({ coinbase: { script: new Uint8Array([0x52, 0]) } })],
    ["bad-cb-height", "its height in a longer form", () => ({ coinbase: { script: new Uint8Array([1, 1]) } })],
    ["bad-witness-merkle-match", "another commitment", () => ({ coinbase: { outputs: [commitTo([payment])] } })],
    [
      "bad-witness-merkle-match",
      "the right commitment before a wrong one",
      () => ({ coinbase: { outputs: [commitTo([]), commitTo([payment])] } })
    ],
    ["bad-witness-nonce-size", "a reserved value of 31 bytes", () => ({ coinbase: { witness: [new Uint8Array(31)] } })],
    [
      "bad-witness-nonce-size",
      "two reserved values",
      () => ({ coinbase: { witness: [new Uint8Array(32), new Uint8Array(32)] } })
    ],
    ["unexpected-witness", "a witness and no commitment", () => ({ coinbase: { outputs: [] } })],
    ["bad-blk-weight", "4,000,001 weight units", (f) => weighing(f, 4_000_001)],
    [
      "bad-blk-length",
      "stripped bytes over a million",
      known(odd({ outputs: [{ value: 1n, script: pushed(1_000_000) }] }))
    ],
    ["bad-txns-inputs-missingorspent", "a transaction that the node does not know", () => ({ payments: [legacy] })],
    ["bad-cb-amount", "a satoshi too much", () => ({ coinbase: { value: SUBSIDY + 1n } })],
    [
      "bad-cb-amount",
      "fees of transactions that are not in it",
      (f) => (f.know(payment), { coinbase: { value: SUBSIDY + FEE } })
    ]
  ])("%s: %s", (verdict, _, parts) => {
    const f = fixture()
    const bytes = block(f, parts(f))
    assert.strictEqual(submit(f, bytes).verdict, verdict)
    assert.strictEqual(f.tree.tip, f.tree.genesis)
    // Its fault is its own: a good block still gets there.
    extend(f, {})
  })

  it("is judged by the node's clock", () => {
    const f = fixture()
    const bytes = block(f, { block: { time: NOW + 7200 } })
    assert.strictEqual(submit(f, bytes, NOW - 1).verdict, "time-too-new")
    assert.isNull(submit(f, bytes, NOW).verdict)
  })

  it("is not judged by a clock that shows a time before the first block", () => {
    const f = fixture()
    const time = f.tree.genesis.header.time + 7200
    assert.isNull(submit(f, block(f, { block: { time } }), 0).verdict)
  })

  it("may weigh 4,000,000 units", () => {
    const f = fixture()
    assert.isNull(submit(f, block(f, weighing(f, 4_000_000))).verdict)
  })

  it("takes the median over eleven blocks", () => {
    const f = fixture()
    // The first block is far behind, and each of these is older than the one before it.
    for (let i = 0; i < 11; i++) extend(f, { block: { time: NOW + (i % 2 === 0 ? 100 + i : 200 - i) } })
    const times = Array.from({ length: 11 }, (_, i) => f.tree.at(i + 1)!.header.time).toSorted((a, b) => a - b)
    assert.strictEqual(f.tree.tip.medianTimePast, times[5])
    assert.strictEqual(submit(f, block(f, { block: { time: times[5]! } })).verdict, "time-too-old")
    extend(f, { block: { time: times[5]! + 1 } })
  })
})

describe("spending", () => {
  const parent = buildPayment({ seed: 1 })
  const child = buildPayment({ seed: 2, txid: parent.txid.toReversed() })

  it("accepts a child after its parent, in one block or in two", () => {
    const one = fixture()
    extend(one, { payments: [one.know(parent), one.know(child, [parent])] })
    const two = fixture()
    extend(two, { payments: [two.know(parent)] })
    extend(two, { payments: [two.know(child, [parent])] })
  })

  it.each([
    ["before its parent", [child, parent]],
    ["without its parent", [child]]
  ])("refuses a child %s", (_, payments) => {
    const f = fixture()
    f.know(parent)
    f.know(child, [parent])
    assert.strictEqual(submit(f, block(f, { payments })).verdict, "bad-txns-inputs-missingorspent")
  })

  it("refuses a transaction that is in the chain already", () => {
    const f = fixture()
    extend(f, { payments: [f.know(parent)] })
    assert.strictEqual(submit(f, block(f, { payments: [parent] })).verdict, "bad-txns-inputs-missingorspent")
  })

  it("refuses a known transaction with another witness", () => {
    const f = fixture()
    const parts = { inputs: [{ txid: sha256(new Uint8Array([1])), index: 0 }], outputs: [out(5n)] }
    f.know(buildTransaction({ ...parts, witnesses: [[new Uint8Array([1])]] }))
    const payments = [buildTransaction({ ...parts, witnesses: [[new Uint8Array([2])]] })]
    assert.strictEqual(submit(f, block(f, { payments })).verdict, "mandatory-script-verify-flag-failed")
  })
})

describe("a block that was seen before", () => {
  it("is a duplicate on the best branch and on a side branch", () => {
    const f = fixture()
    const first = block(f)
    const second = block(f, { coinbase: { note: 1 } })
    assert.isNull(submit(f, first).verdict)
    assert.strictEqual(submit(f, second).verdict, "inconclusive")
    assert.strictEqual(submit(f, first).verdict, "duplicate")
    assert.strictEqual(submit(f, second).verdict, "duplicate")
  })

  it("is remembered as invalid, together with its descendants", () => {
    const f = fixture()
    const bad = block(f, { coinbase: { value: SUBSIDY + 1n } })
    assert.strictEqual(submit(f, bad).verdict, "bad-cb-amount")
    assert.strictEqual(submit(f, bad).verdict, "duplicate-invalid")
    const previousHash = parseBlock(bad).hash
    assert.strictEqual(submit(f, block(f, { block: { previousHash } })).verdict, "bad-prevblk")
  })

  it("is not remembered as invalid because of a changed witness", () => {
    const f = fixture()
    const good = block(f)
    const witnessAt = good.length - 4 - 32
    const changed = good.slice()
    changed[witnessAt + 5]! ^= 1
    assert.strictEqual(submit(f, changed).verdict, "bad-witness-merkle-match")
    assert.isNull(submit(f, good).verdict)
  })

  it("is forgotten after too many other invalid blocks", () => {
    const f = fixture({ maxInvalidBlocks: 2 })
    const bad = [1, 2, 3].map((note) => block(f, { coinbase: { value: SUBSIDY + 1n, note } }))
    for (const each of bad) assert.strictEqual(submit(f, each).verdict, "bad-cb-amount")
    assert.strictEqual(submit(f, bad[2]!).verdict, "duplicate-invalid")
    assert.strictEqual(submit(f, bad[0]!).verdict, "bad-cb-amount")
  })
})

describe("forks", () => {
  it("keep the first seen branch until another is longer", () => {
    const f = fixture()
    const fork = extend(f, {})
    const a1 = extend(f, { on: fork })
    const b1 = extend(f, { on: fork, coinbase: { note: 1 } }, "inconclusive")
    assert.strictEqual(f.tree.tip, a1)
    assert.deepStrictEqual(
      f.tree.tips().map(({ id }) => id),
      [a1.id, b1.id]
    )
    const bytes = block(f, { on: b1 })
    const { connected, disconnected, verdict } = submit(f, bytes)
    const b2 = f.tree.tip
    assert.isNull(verdict)
    assert.deepStrictEqual([disconnected, connected], [[a1], [b1, b2]])
    assert.deepStrictEqual(
      [1, 2, 3].map((height) => f.tree.at(height)),
      [fork, b1, b2]
    )
    assert.deepStrictEqual(f.tree.tips(), [b2, a1])
    assert.isFalse(f.tree.isBest(a1))

    const a2 = extend(f, { on: a1 }, "inconclusive")
    const a3 = extend(f, { on: a2 })
    assert.deepStrictEqual(
      [2, 3, 4].map((height) => f.tree.at(height)),
      [a1, a2, a3]
    )
  })

  it("may each contain the same transactions", () => {
    const f = fixture()
    const payment = f.know(buildPayment({ seed: 1 }))
    const other = f.know(buildPayment({ seed: 2 }))
    extend(f, { payments: [payment, other] })
    const b1 = extend(f, { on: f.tree.genesis, payments: [payment] }, "inconclusive")
    extend(f, { on: b1 })
    assert.isTrue(f.tree.isConfirmed(display(payment.txid)))
    assert.isFalse(f.tree.isConfirmed(display(other.txid)))
    assert.strictEqual(submit(f, block(f, { payments: [payment] })).verdict, "bad-txns-inputs-missingorspent")
    extend(f, { payments: [other] })
  })

  it("do not become the best branch with a block that spends wrongly", () => {
    const f = fixture()
    const a1 = extend(f, {})
    const b1 = extend(f, { on: f.tree.genesis, coinbase: { value: SUBSIDY + 1n } }, "inconclusive")
    const b2 = block(f, { on: b1 })
    assert.strictEqual(submit(f, b2).verdict, "inconclusive")
    assert.strictEqual(submit(f, b2).verdict, "duplicate-invalid")
    assert.strictEqual(f.tree.tip, a1)
    assert.isUndefined(f.tree.get(b1.id))
    assert.strictEqual(submit(f, block(f, { on: b1, coinbase: { note: 3 } })).verdict, "bad-prevblk")
    assert.deepStrictEqual(f.tree.tips(), [a1])
  })

  it("are kept up to a number of blocks, and the lowest are dropped first with their descendants", () => {
    const f = fixture({ maxSideBlocks: 2 })
    for (let i = 0; i < 3; i++) extend(f, {})
    const low = extend(f, { on: f.tree.genesis, coinbase: { note: 1 } }, "inconclusive")
    const above = extend(f, { on: low, coinbase: { note: 1 } }, "inconclusive")
    const other = extend(f, { on: f.tree.at(1)!, coinbase: { note: 2 } }, "inconclusive")
    assert.deepStrictEqual(
      [low, above].map(({ id }) => f.tree.get(id)),
      [undefined, undefined]
    )
    assert.strictEqual(f.tree.get(other.id), other)
  })
})

describe("depth", () => {
  it("makes the chain drop a block's transactions, and whole side branches", () => {
    const f = fixture({ keepBlocks: 2 })
    const payment = f.know(buildPayment({ seed: 1 }))
    extend(f, { payments: [payment] })
    const side = extend(f, { on: f.tree.genesis, coinbase: { note: 1 } }, "inconclusive")
    extend(f, {})
    assert.isDefined(f.tree.at(0)?.block)
    extend(f, {})
    assert.deepStrictEqual([f.tree.firstKeptHeight, f.tree.at(0)?.block], [1, undefined])
    assert.isDefined(f.tree.at(1)?.block)
    const { buried, verdict } = submit(f, block(f, {}))
    assert.deepStrictEqual([verdict, buried], [null, [display(payment.txid)]])
    assert.isUndefined(f.tree.get(side.id))
    assert.isFalse(f.tree.isConfirmed(display(payment.txid)))
    f.forget(buried)

    assert.strictEqual(submit(f, block(f, { on: f.tree.at(1)!, coinbase: { note: 1 } })).verdict, "stale-prevblk")
    extend(f, { on: f.tree.at(2)!, coinbase: { note: 1 } }, "inconclusive")
    assert.strictEqual(submit(f, block(f, { payments: [payment] })).verdict, "bad-txns-inputs-missingorspent")
  })

  it("does not prevent a child of a buried parent", () => {
    const f = fixture({ keepBlocks: 1 })
    const parent = f.know(buildPayment({ seed: 1 }))
    const child = f.know(buildPayment({ seed: 2, txid: parent.txid.toReversed() }), [parent])
    extend(f, { payments: [parent] })
    extend(f, {})
    const { buried } = submit(f, block(f, {}))
    f.forget(buried)
    extend(f, { payments: [child] })
  })
})

describe("a proposal", () => {
  const propose = (f: Fixture, bytes: Uint8Array) => f.tree.propose(parseBlock(bytes), NOW)

  it("need not meet the target, and changes nothing", () => {
    const f = fixture()
    const payments = [f.know(buildPayment({ seed: 1 }))]
    assert.isNull(propose(f, block(f, { payments, block: { meetsTarget: false } })))
    assert.strictEqual(f.tree.tip, f.tree.genesis)
  })

  it.each<[BlockVerdict, (f: Fixture) => Parts]>([
    ["bad-diffbits", () => ({ block: { bits: 0x1e0fffff, meetsTarget: false } })],
    ["bad-txnmrklroot", () => ({ block: { merkleRoot: sha256(new Uint8Array(1)) } })],
    ["bad-cb-height", () => ({ coinbase: { script: new Uint8Array([0x52, 0]) } })],
    ["bad-cb-amount", () => ({ coinbase: { value: SUBSIDY + 1n } })],
    ["bad-txns-inputs-missingorspent", () => ({ payments: [buildPayment({ seed: 1 })] })]
  ])("is refused for %s", (verdict, parts) => {
    const f = fixture()
    assert.strictEqual(propose(f, block(f, parts(f))), verdict)
  })

  it("must build on the tip and be new", () => {
    const f = fixture()
    const first = block(f)
    submit(f, first)
    const side = block(f, { on: f.tree.genesis, coinbase: { note: 1 } })
    assert.strictEqual(propose(f, side), "inconclusive-not-best-prevblk")
    submit(f, side)
    const bad = block(f, { coinbase: { value: SUBSIDY + 1n } })
    submit(f, bad)
    assert.deepStrictEqual(
      [first, side, bad].map((each) => propose(f, each)),
      ["duplicate", "duplicate-inconclusive", "duplicate-invalid"]
    )
  })
})

const GENESIS_ID = "2a3d89aaa9be820df7b7af3b3480234ba960dafba148dd17f6edcf6438837573"

const out = (value: bigint) => ({ value, script: new Uint8Array([0x51]) })
const same = { txid: sha256(new Uint8Array([3])), index: 1 }
const nothing = { txid: new Uint8Array(32), index: 0xffffffff }
const sigops = (count: number): Uint8Array => new Uint8Array(count).fill(0xac)
const commitTo = (others: ReadonlyArray<Built>) => ({ value: 0n, script: commitmentScript(others) })

/** CVE-2012-2459: the root of three transactions is that of four of which the last two are the same. */
const duplicated = (f: Fixture, payment: Built): Parts => {
  const other = f.know(buildPayment({ seed: 20 }))
  const first = buildCoinbase({ height: 1, value: SUBSIDY, others: [other, payment] })
  const root = merkleRoot([first, other, payment].map(({ txid }) => txid))
  return { block: { transactions: [first, other, payment, payment], merkleRoot: root } }
}

/** A block that weighs exactly so much, by a witness of the right length. */
const weighing = (f: Fixture, weight: number): Parts => {
  const padded = (size: number): Built =>
    buildTransaction({
      inputs: [{ txid: sha256(new Uint8Array([4])), index: 0 }],
      outputs: [out(1n)],
      witnesses: [[new Uint8Array(size)]]
    })
  const base = parseBlock(block(f, { payments: [padded(3_000_000)] })).weight
  return { payments: [f.know(padded(3_000_000 + weight - base))] }
}
