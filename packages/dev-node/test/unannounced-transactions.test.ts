import { assert, describe, it } from "@effect/vitest"
import { parseTransaction } from "@sluice/bitcoin"
import {
  type Built,
  buildBlock,
  buildCoinbase,
  buildPayment,
  buildTransaction,
  display,
  EASY_BITS,
  NOW
} from "@sluice/testing/blocks"
import type { BlockVerdict } from "../src/chain/block-rules.ts"
import { faucetTxid, OPEN_WITH_WITNESS, OPEN_WITHOUT_WITNESS, REDEEM_SCRIPT } from "../src/chain/coins.ts"
import { DevelopmentChain, type DevNodeEvent } from "../src/chain/development-chain.ts"

const SUBSIDY = 5_000_000_000n
const COIN = 1_000_000n

const start = (): DevelopmentChain =>
  new DevelopmentChain({
    bits: EASY_BITS,
    genesisTime: 1_700_000_000,
    halvingInterval: 210_000,
    keepBlocks: 100,
    maxSideBlocks: 100,
    maxInvalidBlocks: 100,
    maxTransactions: 100
  })

/** Spends a faucet coin, or an output, with a fee of 1,000 unless told. */
const spend = (parts: {
  readonly coin?: number
  readonly of?: Built
  readonly index?: number
  readonly fee?: bigint
  readonly witness?: ReadonlyArray<Uint8Array> | null
  readonly script?: Uint8Array
  readonly note?: number
}): Built => {
  const isOpen = parts.witness === null
  const txid =
    parts.of?.txid.toReversed() ??
    faucetTxid({ value: COIN, witness: !isOpen, serial: new Uint8Array(12).fill(parts.coin ?? 1) })
  const value = parts.of === undefined ? COIN : parseTransaction(parts.of.bytes).outputs[parts.index ?? 0]?.value
  return buildTransaction({
    inputs: [{ txid, index: parts.index ?? 0, script: parts.script ?? new Uint8Array(0) }],
    outputs: [{ value: (value ?? COIN) - (parts.fee ?? 1_000n), script: OPEN_WITH_WITNESS }],
    // Makes transactions differ that spend the same. The input is final, so the time may be any.
    lockTime: parts.note ?? 0,
    ...(isOpen ? {} : { witnesses: [parts.witness ?? [new Uint8Array(1), REDEEM_SCRIPT]] })
  })
}

/** A block on this parent (default the tip) whose coinbase takes the subsidy and these fees. */
const block = (
  { chain }: DevelopmentChain,
  transactions: ReadonlyArray<Built>,
  { fees = 1_000n * BigInt(transactions.length), on = chain.tip, note = 0 } = {}
): Uint8Array =>
  buildBlock({
    previousHash: on.hash,
    time: on.header.time + 1,
    transactions: [
      buildCoinbase({ height: on.height + 1, value: SUBSIDY + fees, others: transactions, note }),
      ...transactions
    ]
  })

const tags = (events: ReadonlyArray<DevNodeEvent>): ReadonlyArray<string> => events.map(({ _tag }) => _tag)
const waiting = ({ mempool }: DevelopmentChain): ReadonlyArray<string> => [...mempool.entries()].map(({ txid }) => txid)

describe("a block with transactions that the node does not have", () => {
  it("is accepted if they spend faucet coins, known outputs and each other's, and pays their fees", () => {
    const node = start()
    const known = spend({ coin: 1 })
    node.add(known.bytes, 1_000n, NOW)
    const child = spend({ of: known })
    const open = spend({ coin: 2, witness: null })
    const grandchild = spend({ of: child })
    const transactions = [known, child, open, grandchild]
    assert.isNull(node.propose(block(node, transactions), NOW))
    assert.strictEqual(node.propose(block(node, transactions, { fees: 4_001n }), NOW), "bad-cb-amount")
    assert.isNull(node.submit(block(node, transactions), NOW).verdict)
    assert.deepStrictEqual(waiting(node), [])
    assert.isTrue(node.chain.isConfirmed(display(grandchild.txid)))
    // A later transaction may spend theirs.
    assert.isNull(node.submit(block(node, [spend({ of: grandchild })]), NOW).verdict)
  })

  const first = spend({ coin: 1 })
  it.each<[BlockVerdict, string, ReadonlyArray<Built>]>([
    ["bad-txns-inputs-missingorspent", "an outpoint that nobody knows", [buildPayment({ seed: 1 })]],
    [
      "bad-txns-inputs-missingorspent",
      "an output that its parent does not have",
      [first, spend({ of: first, index: 1 })]
    ],
    ["bad-txns-inputs-missingorspent", "a second output of the faucet", [spend({ coin: 1, index: 1 })]],
    ["bad-txns-inputs-missingorspent", "its parent's output before it", [spend({ of: first }), first]],
    ["bad-txns-inputs-missingorspent", "the same coin twice", [first, spend({ coin: 1, note: 1 })]],
    ["bad-txns-in-belowout", "less than it pays", [spend({ fee: -1n })]],
    [
      "mandatory-script-verify-flag-failed",
      "with another script",
      [spend({ witness: [new Uint8Array(1), new Uint8Array([0x51])] })]
    ],
    [
      "mandatory-script-verify-flag-failed",
      "with an item too many",
      [spend({ witness: [new Uint8Array(1), new Uint8Array(1), REDEEM_SCRIPT] })]
    ],
    ["mandatory-script-verify-flag-failed", "with a scriptSig", [spend({ script: new Uint8Array([0x51]) })]]
  ])("is refused as %s if one spends %s", (verdict, _, transactions) => {
    const node = start()
    const refused = block(node, transactions, { fees: 0n })
    assert.strictEqual(node.propose(refused, NOW), verdict)
    assert.strictEqual(node.submit(refused, NOW).verdict, verdict)
  })

  it("is refused if a block before it spends the same coin, in any branch", () => {
    const node = start()
    assert.isNull(node.submit(block(node, [first]), NOW).verdict)
    const genesis = { on: node.chain.genesis, note: 1 }
    const again = block(node, [spend({ coin: 1, note: 2 })])
    assert.strictEqual(node.submit(again, NOW).verdict, "bad-txns-inputs-missingorspent")
    assert.strictEqual(node.submit(block(node, [spend({ coin: 1, note: 1 })], genesis), NOW).verdict, "inconclusive")
    const rival = node.chain.tips()[1]!
    const bad = block(node, [spend({ coin: 1, note: 3 })], { on: rival })
    assert.strictEqual(node.submit(bad, NOW).verdict, "bad-txns-inputs-missingorspent")
    assert.isNull(node.submit(block(node, [spend({ coin: 2 })], { on: rival }), NOW).verdict)
    assert.strictEqual(node.chain.tip.parent, rival)
  })
})

describe("a block that spends what a waiting transaction spends", () => {
  const mine = spend({ coin: 1, note: 1 })
  const child = spend({ of: mine })
  const other = spend({ coin: 2 })
  const rival = spend({ coin: 1, note: 2 })

  it("drops that transaction with its descendants, each with a number and an event before the block's", () => {
    const node = start()
    for (const built of [mine, child, other]) node.add(built.bytes, 1_000n, NOW)
    const { events, verdict } = node.submit(block(node, [rival]), NOW)
    assert.isNull(verdict)
    assert.deepStrictEqual(waiting(node), [display(other.txid)])
    assert.deepStrictEqual(events.slice(1, 3), [
      { _tag: "TransactionRemoved", txid: display(mine.txid), mempoolSequence: 4n },
      { _tag: "TransactionRemoved", txid: display(child.txid), mempoolSequence: 5n }
    ])
    assert.deepStrictEqual(tags(events), [
      "BlockAccepted",
      "TransactionRemoved",
      "TransactionRemoved",
      "BlockConnected",
      "TipChanged"
    ])
    assert.strictEqual(node.add(mine.bytes, 1_000n, NOW), "txn-mempool-conflict")
  })

  it("may leave the best branch and join it again", () => {
    const node = start()
    const { genesis } = node.chain
    // The declared fee is not what the transaction pays: only the node itself can check this block.
    const declared = buildPayment({ seed: 7 })
    const mineBlock = block(node, [mine, declared])
    for (const built of [mine, declared]) node.add(built.bytes, 1_000n, NOW)
    assert.isNull(node.submit(mineBlock, NOW).verdict)
    const left = node.chain.tip
    node.submit(block(node, [rival], { on: genesis }), NOW)
    const beside = node.chain.tips()[1]!
    const over = node.submit(block(node, [], { on: beside }), NOW)
    assert.isNull(over.verdict)
    // It returned only to be dropped at once, so nobody is told of it.
    assert.deepStrictEqual(tags(over.events), [
      "BlockAccepted",
      "BlockDisconnected",
      "TransactionAdded",
      "BlockConnected",
      "BlockConnected",
      "TipChanged"
    ])
    assert.deepStrictEqual(waiting(node), [display(declared.txid)])

    node.submit(block(node, [], { on: left, note: 1 }), NOW)
    const back = node.chain.tips().find(({ parent }) => parent === left)!
    assert.isNull(node.submit(block(node, [], { on: back }), NOW).verdict)
    assert.isTrue(node.chain.isConfirmed(display(mine.txid)))
    assert.deepStrictEqual(waiting(node), [])
    assert.strictEqual(node.add(rival.bytes, 1_000n, NOW), "txn-mempool-conflict")
  })
})

it("a coin without a witness pays to a script that is always true", () => {
  assert.deepStrictEqual([...OPEN_WITHOUT_WITNESS], [0x51])
})
