/**
 * The pure part of the development node: chain and mempool. Takes time and randomness, gives events.
 */
import { parseBlock, hashToDisplay, parseTransaction } from "@sluice/bitcoin"
import type { BlockVerdict } from "./block-rules.ts"
import { BlockTree, type TreeBlock, type BlockTreeOptions } from "./block-tree.ts"
import { Mempool, type MempoolEntry, type MempoolOptions, type MempoolVerdict } from "./mempool.ts"
import { type Draw, makeTestTransaction } from "./test-transaction.ts"

/** Events of a development chain. Hashes and txids are hex in display order. */
export type DevNodeEvent =
  /** A submitted block is valid. It is the new tip, or on a side branch if `verdict` is `"inconclusive"`. */
  | {
      readonly _tag: "BlockAccepted"
      readonly hash: string
      readonly height: number
      /** Number of transactions, including the coinbase. */
      readonly txCount: number
      readonly verdict: null | "inconclusive"
    }
  | { readonly _tag: "BlockRejected"; readonly hash: string; readonly verdict: BlockVerdict }
  /** A block left the best branch. The highest block first. */
  | { readonly _tag: "BlockDisconnected"; readonly hash: string; readonly height: number }
  /** A block joined the best branch. The lowest block first. */
  | { readonly _tag: "BlockConnected"; readonly hash: string; readonly height: number }
  /** The best branch has a new tip. Comes after all its blocks were connected. */
  | { readonly _tag: "TipChanged"; readonly hash: string; readonly height: number }
  /** A transaction entered the mempool, or returned to it after a reorganization. */
  | {
      readonly _tag: "TransactionAdded"
      readonly txid: string
      /** Satoshis. */
      readonly fee: bigint
      readonly mempoolSequence: bigint
    }
  /** A transaction left the mempool because a block spends the same output, or one of a transaction that it descends from. */
  | { readonly _tag: "TransactionRemoved"; readonly txid: string; readonly mempoolSequence: bigint }

/** The verdict on a submitted block (`null` if it is the new tip) and the events. */
export interface SubmitOutcome {
  readonly verdict: BlockVerdict | null
  readonly events: ReadonlyArray<DevNodeEvent>
}

/** A simulated state of the node towards a network, for tests. */
export interface NodeCondition {
  /** Whether the node has peers. Without, it gives no templates (error -9). Default true. */
  readonly isConnected: boolean
  /** Whether the node is in initial block download. Then it gives no templates (-10) and announces no tips. Default false. */
  readonly isDownloading: boolean
  /** How many more headers than blocks the node has. */
  readonly headersAhead: number
}

const WELL: NodeCondition = { isConnected: true, isDownloading: false, headersAhead: 0 }

export type DevelopmentChainOptions = BlockTreeOptions & MempoolOptions

export class DevelopmentChain {
  readonly chain: BlockTree
  readonly mempool: Mempool
  condition = WELL
  /** The last template: its weight, including reserved weight, and its number of transactions without the coinbase. */
  lastTemplate: { readonly weight: number; readonly transactions: number } | undefined
  private coins = 0

  constructor(options: DevelopmentChainOptions) {
    this.mempool = new Mempool(options)
    this.chain = new BlockTree(options, this.mempool)
  }

  /**
   * Submits a serialized block. Ignores bytes after it, as Core does. `now` in seconds. Throws `BlockDecodeError` if the bytes
   * are not a block.
   */
  submit(bytes: Uint8Array, now: number): SubmitOutcome {
    const block = parseBlock(bytes, { mayGoOn: true })
    const hash = hashToDisplay(block.hash)
    const { buried, connected, disconnected, verdict } = this.chain.submit(block, now)
    const txCount = block.transactions.length
    if (verdict === "inconclusive") {
      // On a side branch only if the tree kept it: a block with an invalid ancestor is dropped.
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
    const dropped: Array<MempoolEntry> = []
    for (const joined of connected) {
      if (joined.spending !== undefined) {
        dropped.push(...this.mempool.learn(joined.spending, this.chain.clock(now), joined.height))
      }
      this.mempool.mine(txidsOf(joined))
    }
    this.mempool.forget(buried)
    // Before the new blocks, as Core announces them. Transactions that return to be dropped at once are not announced.
    const returned = new Set(back.map(({ txid }) => txid))
    for (const entry of back) if (this.mempool.get(entry.txid) !== undefined) events.push(added(entry))
    for (const { sequence, txid } of dropped) {
      if (!returned.has(txid)) events.push({ _tag: "TransactionRemoved", txid, mempoolSequence: sequence })
    }
    for (const joined of connected) events.push({ _tag: "BlockConnected", hash: joined.id, height: joined.height })
    events.push({ _tag: "TipChanged", hash, height })
    return { verdict, events }
  }

  /** Sets the node's condition. Omitted fields get their defaults. */
  setCondition(condition: Partial<NodeCondition>): void {
    this.condition = { ...WELL, ...condition }
  }

  /** The verdict of `submit` without the check of the hash (BIP23). Throws `BlockDecodeError`. */
  propose(bytes: Uint8Array, now: number): BlockVerdict | null {
    return this.chain.propose(parseBlock(bytes, { mayGoOn: true }), now)
  }

  /**
   * Adds a serialized transaction with a declared fee in satoshis, or gives the reason to refuse it. Checks neither the fee nor
   * scripts. Throws `BlockDecodeError`.
   */
  add(bytes: Uint8Array, fee: bigint, now: number): DevNodeEvent | MempoolVerdict {
    const entry = this.mempool.add(parseTransaction(bytes), fee, this.chain.clock(now), this.chain.tip.height)
    return typeof entry === "string" ? entry : added(entry)
  }

  /** Adds a made-up transaction, unless the mempool is full. */
  addMadeUp(draw: Draw, now: number, witness = true): DevNodeEvent | undefined {
    if (this.mempool.isFull) return undefined
    const { fee, transaction } = makeTestTransaction(this.mempool, this.coins++, draw, witness)
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
