/**
 * The development node without its shell: chain and mempool together, pure. Time and randomness come in, events go out.
 */
import { parseBlock, hashToDisplay, parseTransaction } from "@sluice/bitcoin"
import type { BlockVerdict } from "./block-rules.ts"
import { BlockTree, type TreeBlock, type BlockTreeOptions } from "./block-tree.ts"
import { Mempool, type MempoolEntry, type MempoolOptions, type MempoolVerdict } from "./mempool.ts"
import { type Draw, makeTestTransaction } from "./test-transaction.ts"

/** What happens on a development chain. Hashes and txids are hex in display order. */
export type DevNodeEvent =
  /** A submitted block is good. It is the new tip unless `verdict` is `"inconclusive"`: then it is on a side branch. */
  | {
      readonly _tag: "BlockAccepted"
      readonly hash: string
      readonly height: number
      /** With the coinbase. */
      readonly txCount: number
      readonly verdict: null | "inconclusive"
    }
  | { readonly _tag: "BlockRejected"; readonly hash: string; readonly verdict: BlockVerdict }
  /** A block left the best branch; the highest first. */
  | { readonly _tag: "BlockDisconnected"; readonly hash: string; readonly height: number }
  /** A block joined the best branch; the lowest first. */
  | { readonly _tag: "BlockConnected"; readonly hash: string; readonly height: number }
  /** The best branch has another end, after all its blocks were connected. */
  | { readonly _tag: "TipChanged"; readonly hash: string; readonly height: number }
  /** New in the mempool, or there again after a reorganization. */
  | {
      readonly _tag: "TransactionAdded"
      readonly txid: string
      /** Satoshis. */
      readonly fee: bigint
      readonly mempoolSequence: bigint
    }

/** What became of a submitted block, `null` being acceptance as the new tip, and what happened. */
export interface SubmitOutcome {
  readonly verdict: BlockVerdict | null
  readonly events: ReadonlyArray<DevNodeEvent>
}

/** How the node stands to a network, which it does not have: as a node of the main network would, for tests. */
export interface NodeCondition {
  /** Without peers a node gives no templates (error -9); true unless told. */
  readonly isConnected: boolean
  /** In initial block download it gives none either (-10) and announces no tips; false unless told. */
  readonly isDownloading: boolean
  /** Headers that it knows of more than it has blocks. */
  readonly headersAhead: number
}

const WELL: NodeCondition = { isConnected: true, isDownloading: false, headersAhead: 0 }

export type DevelopmentChainOptions = BlockTreeOptions & MempoolOptions

export class DevelopmentChain {
  readonly chain: BlockTree
  readonly mempool: Mempool
  condition = WELL
  /** Of the last template that was made: its weight, with what is kept free, and its transactions without the coinbase. */
  lastTemplate: { readonly weight: number; readonly transactions: number } | undefined
  private coins = 0

  constructor(options: DevelopmentChainOptions) {
    this.mempool = new Mempool(options)
    this.chain = new BlockTree(options, (txid) => this.mempool.known(txid))
  }

  /**
   * Submits a serialized block; Core does not mind bytes after it. `now` in seconds. Throws `BlockDecodeError` for bytes
   * that are no block.
   */
  submit(bytes: Uint8Array, now: number): SubmitOutcome {
    const block = parseBlock(bytes, { mayGoOn: true })
    const hash = hashToDisplay(block.hash)
    const { buried, connected, disconnected, verdict } = this.chain.submit(block, now)
    const txCount = block.transactions.length
    if (verdict === "inconclusive") {
      // On a side branch if it was kept: a block whose own ancestor turned out bad is not.
      const height = this.chain.get(hash)?.height
      return height === undefined
        ? { verdict, events: [{ _tag: "BlockRejected", hash, verdict }] }
        : { verdict, events: [{ _tag: "BlockAccepted", hash, height, txCount, verdict }] }
    }
    if (verdict !== null) return { verdict, events: [{ _tag: "BlockRejected", hash, verdict }] }

    const { height } = this.chain.tip
    const events: Array<DevNodeEvent> = [{ _tag: "BlockAccepted", hash, height, txCount, verdict }]
    for (const left of disconnected) events.push({ _tag: "BlockDisconnected", hash: left.id, height: left.height })
    const back = disconnected.length > 0 ? this.mempool.unmine(disconnected.toReversed().flatMap(txidsOf)) : []
    for (const joined of connected) this.mempool.mine(txidsOf(joined))
    this.mempool.forget(buried)
    // Before the new blocks, as Core announces them.
    for (const entry of back) if (this.mempool.get(entry.txid) !== undefined) events.push(added(entry))
    for (const joined of connected) events.push({ _tag: "BlockConnected", hash: joined.id, height: joined.height })
    events.push({ _tag: "TipChanged", hash, height })
    return { verdict, events }
  }

  /** The node behaves as one in this condition from now on; what is not said is well. */
  setCondition(condition: Partial<NodeCondition>): void {
    this.condition = { ...WELL, ...condition }
  }

  /** What `submit` would say of a block whose hash need not meet the target (BIP23). Throws `BlockDecodeError`. */
  propose(bytes: Uint8Array, now: number): BlockVerdict | null {
    return this.chain.propose(parseBlock(bytes, { mayGoOn: true }), now)
  }

  /**
   * Adds a serialized transaction that pays `fee` satoshis, or says why not. Nothing checks that fee or the scripts.
   * Throws `BlockDecodeError`.
   */
  add(bytes: Uint8Array, fee: bigint, now: number): DevNodeEvent | MempoolVerdict {
    const entry = this.mempool.add(parseTransaction(bytes), fee, this.chain.clock(now), this.chain.tip.height)
    return typeof entry === "string" ? entry : added(entry)
  }

  /** Makes up a transaction and adds it, unless the mempool is full. */
  addMadeUp(draw: Draw, now: number): DevNodeEvent | undefined {
    if (this.mempool.isFull) return undefined
    const { fee, transaction } = makeTestTransaction(this.mempool, this.coins++, draw)
    const entry = this.mempool.add(transaction, fee, this.chain.clock(now), this.chain.tip.height)
    return typeof entry === "string" ? undefined : added(entry)
  }
}

const added = ({ fee, sequence, txid }: MempoolEntry): DevNodeEvent => ({
  _tag: "TransactionAdded",
  txid,
  fee,
  mempoolSequence: sequence
})

const txidsOf = ({ block }: TreeBlock): ReadonlyArray<string> =>
  block?.transactions.slice(1).map(({ txid }) => hashToDisplay(txid)) ?? []
