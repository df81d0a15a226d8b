/**
 * The answers of Bitcoin Core's read-only calls for a development chain, with Core's field names, units and formats. The chain's
 * name is always "regtest".
 */
import { Target } from "@sluice/core"
import { targetHex } from "../chain/assemble-template.ts"
import { coinCount, transactionReport } from "./transaction-report.ts"
import { bitsHex, type Block, hashToDisplay } from "@sluice/bitcoin"
import type { TreeBlock } from "../chain/block-tree.ts"
import type { DevelopmentChain } from "../chain/development-chain.ts"
import type { Mempool, MempoolEntry } from "../chain/mempool.ts"
import { type BlockchainInfo, type BlockHeaderInfo, type BlockInfo, type MiningInfo } from "@sluice/node"

/** The only network that a development chain claims to be. */
export const CHAIN_NAME = "regtest"

/** `getblockchaininfo`. */
export const blockchainInfo = ({ chain, condition }: DevelopmentChain) => {
  const { tip } = chain
  const { bits } = tip.header
  const headers = Math.max(...chain.tips().map(({ height }) => height)) + condition.headersAhead
  const pruned = chain.firstKeptHeight > 0
  return {
    chain: CHAIN_NAME,
    blocks: tip.height,
    headers,
    bestblockhash: tip.id,
    bits: bitsHex(bits),
    target: targetHex(bits),
    difficulty: difficulty(bits),
    time: tip.header.time,
    mediantime: tip.medianTimePast,
    verificationprogress: condition.isDownloading ? (tip.height + 1) / (headers + 1) : 1,
    initialblockdownload: condition.isDownloading,
    chainwork: chainWork(tip),
    size_on_disk: 0,
    pruned,
    ...(pruned ? { pruneheight: chain.firstKeptHeight, automatic_pruning: false } : {}),
    warnings: ["this is a development chain: its coins are worth nothing"]
  } satisfies BlockchainInfo & Record<string, unknown>
}

/** `getblockheader`, verbose. */
export const blockHeaderInfo = ({ chain }: DevelopmentChain, block: TreeBlock) => {
  const { header, height, parent } = block
  const best = chain.isBest(block)
  const next = best ? chain.at(height + 1) : undefined
  return {
    hash: block.id,
    confirmations: best ? chain.tip.height - height + 1 : -1,
    height,
    version: header.version,
    versionHex: bitsHex(header.version),
    merkleroot: hashToDisplay(header.merkleRoot),
    time: header.time,
    mediantime: block.medianTimePast,
    nonce: header.nonce,
    bits: bitsHex(header.bits),
    target: targetHex(header.bits),
    difficulty: difficulty(header.bits),
    chainwork: chainWork(block),
    nTx: block.transactionCount,
    ...(parent === undefined ? {} : { previousblockhash: parent.id }),
    ...(next === undefined ? {} : { nextblockhash: next.id })
  } satisfies BlockHeaderInfo & Record<string, unknown>
}

/** `getblock` with verbosity 1. */
export const blockInfo = (node: DevelopmentChain, entry: TreeBlock, block: Block) =>
  ({
    ...blockHeaderInfo(node, entry),
    strippedsize: block.strippedSize,
    size: block.bytes.length,
    weight: block.weight,
    tx: block.transactions.map(({ txid }) => hashToDisplay(txid))
  }) satisfies BlockInfo & Record<string, unknown>

/** `getblock` with verbosity 2: as Core's, but without disassembled scripts, addresses and descriptors. */
export const blockDetails = (node: DevelopmentChain, entry: TreeBlock, block: Block) => ({
  ...blockInfo(node, entry, block),
  tx: block.transactions.map((transaction) =>
    transactionReport(transaction, node.mempool.known(hashToDisplay(transaction.txid))?.fee)
  )
})

/** `getmininginfo`. */
export const miningInfo = ({ chain, lastTemplate, mempool }: DevelopmentChain) => {
  const of = (bits: number) => ({ bits: bitsHex(bits), difficulty: difficulty(bits), target: targetHex(bits) })
  return {
    blocks: chain.tip.height,
    ...(lastTemplate === undefined
      ? {}
      : { currentblockweight: lastTemplate.weight, currentblocktx: lastTemplate.transactions }),
    ...of(chain.tip.header.bits),
    networkhashps: hashesPerSecond(chain.tip),
    pooledtx: mempool.size,
    blockmintxfee: 0,
    chain: CHAIN_NAME,
    next: { height: chain.tip.height + 1, ...of(chain.bitsAfter(chain.tip)) },
    warnings: []
  } satisfies MiningInfo & Record<string, unknown>
}

/** `getrawmempool`, verbose, one entry. */
export const mempoolEntryInfo = (mempool: Mempool, entry: MempoolEntry) => {
  const entries = [...mempool.entries()]
  const ancestors = [...mempool.ancestors(entry), entry]
  const descendants = entries.filter((each) => each === entry || mempool.ancestors(each).includes(entry))
  const fees = (of: ReadonlyArray<MempoolEntry>): number => coinCount(of.reduce((total, { fee }) => total + fee, 0n))
  const size = (of: ReadonlyArray<MempoolEntry>): number => of.reduce((total, each) => total + virtualSize(each), 0)
  return {
    vsize: virtualSize(entry),
    weight: entry.transaction.weight,
    time: entry.time,
    height: entry.height,
    descendantcount: descendants.length,
    descendantsize: size(descendants),
    ancestorcount: ancestors.length,
    ancestorsize: size(ancestors),
    wtxid: entry.wtxid,
    fees: { base: fees([entry]), modified: fees([entry]), ancestor: fees(ancestors), descendant: fees(descendants) },
    depends: entry.parents.filter((parent) => mempool.get(parent) !== undefined),
    spentby: entries.filter(({ parents }) => parents.includes(entry.txid)).map(({ txid }) => txid),
    "bip125-replaceable": false,
    unbroadcast: false
  }
}

/** `getchaintips`. */
export const chainTips = ({ chain }: DevelopmentChain) =>
  chain.tips().map((tip) => {
    let length = 0
    for (let at: TreeBlock | undefined = tip; at !== undefined && !chain.isBest(at); at = at.parent) length += 1
    return { height: tip.height, hash: tip.id, branchlen: length, status: length === 0 ? "active" : "valid-headers" }
  })

/** The difficulty of a compact target. */
export const difficulty = (bits: number): number => {
  const target = new Uint8Array(32)
  Target.nBitsToTarget(bits | 0, target, 0)
  return Target.targetToDifficulty(target, 0)
}

const chainWork = ({ chainWork }: TreeBlock): string => chainWork.toString(16).padStart(64, "0")

/** Hashes a second over at most the last 120 blocks, as Core computes it. */
const hashesPerSecond = (tip: TreeBlock): number => {
  let first = tip
  let earliest = tip.header.time
  let latest = tip.header.time
  for (let blocks = 0; blocks < 120 && first.parent !== undefined && first.parent.height > 0; blocks++) {
    first = first.parent
    earliest = Math.min(earliest, first.header.time)
    latest = Math.max(latest, first.header.time)
  }
  return latest === earliest ? 0 : Number(tip.chainWork - first.chainWork) / (latest - earliest)
}

const virtualSize = ({ transaction }: MempoolEntry): number => Math.ceil(transaction.weight / 4)
