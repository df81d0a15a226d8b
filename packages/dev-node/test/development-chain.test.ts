import { assert, describe, it } from "@effect/vitest"
import { RawTx, Transaction } from "@scure/btc-signer"
import { BTCArray } from "@scure/btc-signer/script.js"
import { Schema } from "effect"
import { assembleTemplate } from "../src/chain/assemble-template.ts"
import { BlockDecodeError } from "@sluice/bitcoin"
import { BlockTemplate } from "@sluice/node"
import { DevelopmentChain, type DevelopmentChainOptions } from "../src/chain/development-chain.ts"
import { type DevNodeEvent, solveTemplate } from "../src/index.ts"
import { buildPayment, display, EASY_BITS, merkleRoot, NOW, sha256d } from "@sluice/testing/blocks"

const start = (options: Partial<DevelopmentChainOptions> = {}): DevelopmentChain =>
  new DevelopmentChain({
    bits: EASY_BITS,
    genesisTime: 1_700_000_000,
    halvingInterval: 210_000,
    keepBlocks: 100,
    maxSideBlocks: 100,
    maxInvalidBlocks: 100,
    maxTransactions: 1_000,
    ...options
  })

/** The same draws each time. */
const drawsFrom = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0
  return (seed >>> 0) / 2 ** 32
}

const fill = (node: DevelopmentChain, count: number, draw = drawsFrom(1)): void => {
  for (let i = 0; i < count; i++) assert.isDefined(node.addMadeUp(draw, NOW))
}

const solve = (node: DevelopmentChain, extranonce = 0n): Uint8Array =>
  solveTemplate(assembleTemplate(node, NOW), { extranonce })!

const tags = (events: ReadonlyArray<DevNodeEvent>): ReadonlyArray<string> => events.map(({ _tag }) => _tag)

describe("made-up transactions", () => {
  it("are segwit transactions that a library reads, and no two spend the same", () => {
    const node = start()
    fill(node, 300)
    const spent = new Set<string>()
    for (const { fee, transaction, txid } of node.mempool.entries()) {
      const read = Transaction.fromRaw(transaction.bytes, { allowUnknownInputs: true, allowUnknownOutputs: true })
      assert.strictEqual(read.id, txid)
      const input = read.getInput(0)
      const outpoint = `${Buffer.from(input.txid!).toString("hex")}:${input.index}`
      assert.isFalse(spent.has(outpoint))
      spent.add(outpoint)
      assert.isTrue(fee > 0n)
      assert.isNotEmpty(input.finalScriptWitness)
    }
    assert.strictEqual(spent.size, 300)
  })

  it("spend each other in chains of at most four", () => {
    const node = start()
    fill(node, 300)
    const depths = [...node.mempool.entries()].map((entry) => node.mempool.ancestors(entry).length)
    assert.isAbove(depths.filter((depth) => depth > 0).length, 50)
    assert.strictEqual(Math.max(...depths), 3)
  })

  it("pay the difference between inputs and outputs as fee", () => {
    const node = start()
    fill(node, 100)
    for (const { fee, parents, transaction } of node.mempool.entries()) {
      const parent = parents[0] === undefined ? undefined : node.mempool.get(parents[0])
      if (parent === undefined) continue
      const paid = transaction.outputs.reduce((total, { value }) => total + value, 0n)
      assert.strictEqual(parent.transaction.outputs[0]!.value - paid, fee)
    }
  })

  it("stop when the mempool is full", () => {
    const node = start({ maxTransactions: 3 })
    fill(node, 3)
    assert.isUndefined(node.addMadeUp(drawsFrom(2), NOW))
    assert.strictEqual(node.mempool.size, 3)
  })
})

describe("templates", () => {
  it("have a form that clients decode, and contain the whole mempool", () => {
    const node = start()
    fill(node, 50)
    const template = assembleTemplate(node, NOW)
    const decoded = Schema.decodeUnknownSync(BlockTemplate)(JSON.parse(JSON.stringify(template)))
    assert.strictEqual(decoded.transactions.length, 50)
    assert.strictEqual(decoded.height, 1)
    assert.strictEqual(decoded.previousblockhash, node.chain.genesis.id)
    assert.deepInclude(decoded, { bits: "207fffff", target: `7fffff${"00".repeat(29)}`, curtime: NOW })
    assert.strictEqual(decoded.mintime, node.chain.genesis.header.time + 1)
    assert.isTrue(decoded.transactions.some(({ depends }) => depends.length > 0))
    assert.isTrue(decoded.transactions.some(({ sigops }) => sigops > 0))
    const fees = decoded.transactions.reduce((total, { fee }) => total + fee, 0)
    assert.strictEqual(decoded.coinbasevalue, 5_000_000_000 + fees)
    decoded.transactions.forEach(({ depends }, index) => {
      for (const position of depends) assert.isTrue(position >= 1 && position <= index)
    })
  })

  it("name the parents of their transactions by position", () => {
    const node = start()
    const parent = buildPayment({ seed: 1 })
    const child = buildPayment({ seed: 2, txid: parent.txid.toReversed() })
    node.add(parent.bytes, 10n, NOW)
    node.add(child.bytes, 99_999n, NOW)
    const { transactions } = assembleTemplate(node, NOW)
    assert.deepStrictEqual(
      transactions.map(({ depends, hash, txid, weight }) => ({ depends, hash, txid, weight })),
      [parent, child].map(({ txid, weight, wtxid }, index) => ({
        depends: index === 0 ? [] : [1],
        hash: display(wtxid),
        txid: display(txid),
        weight
      }))
    )
  })

  it("never have a time that a block must not have", () => {
    const node = start()
    assert.strictEqual(assembleTemplate(node, 0).curtime, node.chain.genesis.header.time + 1)
    assert.isNull(node.submit(solveTemplate(assembleTemplate(node, 0))!, 0).verdict)
  })

  it("become blocks that the chain accepts, one after another", () => {
    const node = start()
    const draw = drawsFrom(3)
    for (let height = 1; height <= 20; height++) {
      fill(node, 5, draw)
      const block = solve(node)
      assert.isNull(node.propose(block, NOW))
      const { events, verdict } = node.submit(block, NOW)
      assert.isNull(verdict)
      assert.deepStrictEqual(tags(events), ["BlockAccepted", "BlockConnected", "TipChanged"])
      assert.deepInclude(events[0], { height, txCount: 6, verdict: null })
    }
    assert.strictEqual(node.mempool.size, 0)
  })

  it("make no block if no tried nonce meets the target", () => {
    assert.isUndefined(solveTemplate(assembleTemplate(start({ bits: 0x1d00ffff }), NOW), { maxHashes: 1_000 }))
  })
})

describe("an accepted block", () => {
  const node = start({ bits: 0x1f00ffff })
  fill(node, 3)
  const block = solve(node)

  it("commits to its transactions and witnesses, as computed by a library and a second merkle tree", () => {
    const transactions = BTCArray(RawTx).decode(block.subarray(80))
    const serialized = transactions.map((each) => RawTx.encode(each))
    const txids = serialized.map((raw) =>
      Buffer.from(
        Transaction.fromRaw(raw, { allowUnknownInputs: true, allowUnknownOutputs: true, disableScriptCheck: true }).id,
        "hex"
      ).toReversed()
    )
    assert.strictEqual(transactions.length, 4)
    assert.deepStrictEqual(Buffer.from(block.subarray(36, 68)), Buffer.from(merkleRoot(txids)))
    const witnessRoot = merkleRoot([new Uint8Array(32), ...serialized.slice(1).map(sha256d)])
    const commitment = sha256d(Buffer.concat([witnessRoot, new Uint8Array(32)]))
    const script = Buffer.from(transactions[0]!.outputs.at(-1)!.script).toString("hex")
    assert.strictEqual(script, `6a24aa21a9ed${Buffer.from(commitment).toString("hex")}`)
    assert.deepStrictEqual([...transactions[0]!.witnesses![0]![0]!], [...new Uint8Array(32)])
  })

  it("is refused with any single bit changed, and accepted unchanged afterwards", () => {
    const verdicts = new Map<string, number>()
    for (let bit = 0; bit < block.length * 8; bit++) {
      const changed = block.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      let verdict: string
      try {
        const outcome = node.submit(changed, NOW)
        if (outcome.verdict === null) throw new Error(`bit ${bit} of ${block.length * 8} changes nothing`)
        verdict = outcome.verdict
      } catch (error) {
        if (!(error instanceof BlockDecodeError)) throw error
        verdict = "cannot be decoded"
      }
      if (bit < 640) assert.strictEqual(verdict, "high-hash", `bit ${bit}`)
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
    }
    assert.deepStrictEqual([...verdicts.keys()].toSorted(), [
      "bad-txnmrklroot",
      "bad-witness-merkle-match",
      "cannot be decoded",
      "high-hash"
    ])
    // The bits of the reserved value and of all other witnesses.
    assert.isAbove(verdicts.get("bad-witness-merkle-match")!, 256)
    assert.isNull(node.submit(block, NOW).verdict)
  })
})

describe("a reorganization", () => {
  it("returns transactions of disconnected blocks to the mempool, except those in the new branch", () => {
    const node = start()
    const [first, second] = [buildPayment({ seed: 1 }), buildPayment({ seed: 2 })]
    const empty = solve(node, 7n)
    node.add(first.bytes, 500n, NOW)
    const onlyFirst = solve(node, 8n)
    node.add(second.bytes, 400n, NOW)
    const a1 = solve(node)
    assert.isNull(node.submit(a1, NOW).verdict)
    assert.strictEqual(node.mempool.size, 0)

    const beside = node.submit(onlyFirst, NOW)
    assert.strictEqual(beside.verdict, "inconclusive")
    assert.deepStrictEqual(tags(beside.events), ["BlockAccepted"])
    // A second branch with nothing on it shows what a template on it would be.
    const other = start()
    other.add(first.bytes, 500n, NOW)
    assert.isNull(other.submit(onlyFirst, NOW).verdict)
    const { events, verdict } = node.submit(solve(other, 9n), NOW)
    assert.isNull(verdict)
    assert.deepStrictEqual(tags(events), [
      "BlockAccepted",
      "BlockDisconnected",
      "TransactionAdded",
      "BlockConnected",
      "BlockConnected",
      "TipChanged"
    ])
    assert.deepInclude(events[2], { txid: display(second.txid), fee: 400n })
    assert.deepStrictEqual(
      [...node.mempool.entries()].map(({ txid }) => txid),
      [display(second.txid)]
    )
    assert.strictEqual(node.submit(empty, NOW).verdict, "inconclusive")
    assert.isNull(node.submit(solve(node), NOW).verdict)
    assert.strictEqual(node.mempool.size, 0)
  })
})

describe("refused blocks", () => {
  it("are events too", () => {
    const node = start()
    const block = solve(node)
    node.submit(block, NOW)
    assert.deepStrictEqual(node.submit(block, NOW).events, [
      { _tag: "BlockRejected", hash: display(sha256d(block.subarray(0, 80))), verdict: "duplicate" }
    ])
  })
})

describe("depth", () => {
  it("drops transactions with their blocks", () => {
    const node = start({ keepBlocks: 2 })
    fill(node, 1)
    const { txid } = [...node.mempool.entries()][0]!
    for (let i = 0; i < 3; i++) assert.isNull(node.submit(solve(node), NOW).verdict)
    assert.isDefined(node.mempool.known(txid))
    assert.isNull(node.submit(solve(node), NOW).verdict)
    assert.isUndefined(node.mempool.known(txid))
  })
})
