/**
 * The development chain: a tree of blocks, pure. It takes blocks and the time, and says what became of them. The branch with
 * the most work is the best, and of two equal ones the first seen; unless the difficulty is adjusted, that is the longest.
 * The header rules, the rules of a block at its place and what a block may spend are checked as Bitcoin Core does, in its
 * order: the first two before a block enters the tree, the last when its branch becomes the best.
 *
 * Only transactions that the node knows are spendable money here (`KnownTransactions`): there is no script engine and no
 * set of coins behind this chain, so a transaction from elsewhere has no inputs to pay for it.
 */
import {
  type Block,
  type BlockHeader,
  parseBlock,
  parseHeader,
  serializeBlock,
  addWitness,
  hashToDisplay,
  isWitnessCommitment
} from "@sluice/bitcoin"
import {
  type BlockPlace,
  type BlockVerdict,
  checkBlock,
  checkBlockAt,
  checkHeaderAt,
  MEDIAN_TIME_SPAN,
  medianTime
} from "./block-rules.ts"
import { genesisBlock } from "./genesis.ts"
import { nextBits, type Retargeting, workOf } from "./retarget.ts"

/** A block of the tree. Ids are hex in display order: this chain is read by people. */
export interface TreeBlock {
  readonly id: string
  /** Internal order. */
  readonly hash: Uint8Array
  readonly header: BlockHeader
  readonly headerBytes: Uint8Array
  readonly height: number
  /** `undefined` for the first block. */
  readonly parent: TreeBlock | undefined
  /** Over this block and the ten before it. */
  readonly medianTimePast: number
  /** Hashes that the branch up to here took on average. */
  readonly chainWork: bigint
  readonly transactionCount: number
  /** `undefined` once it lies deeper than `keepBlocks`. */
  block: Block | undefined
}

/** What the chain has to know of a transaction to let a block spend it. */
export interface KnownTransaction {
  /** Display order. */
  readonly wtxid: string
  /** Satoshis. */
  readonly fee: bigint
  /** Txids (display order) of known transactions whose outputs it spends. */
  readonly parents: ReadonlyArray<string>
}

/** Looks a transaction up by txid (display order): every one that was announced and is not buried below `keepBlocks`. */
export type KnownTransactions = (txid: string) => KnownTransaction | undefined

export interface BlockTreeOptions {
  /** The compact target of the first blocks, and the easiest of any. The very first one does not meet it. */
  readonly bits: number
  /** How the difficulty is adjusted, if it is. */
  readonly retargeting?: Retargeting | undefined
  /** Seconds since 1970. Also the least time that the chain's clock shows. */
  readonly genesisTime: number
  /** Blocks after which the subsidy halves. */
  readonly halvingInterval: number
  /** Blocks deeper than this below the tip keep their header only, side branches that deep are forgotten. */
  readonly keepBlocks: number
  /** Most blocks on side branches; more push out the lowest. */
  readonly maxSideBlocks: number
  /** Most hashes of refused blocks that are remembered, to refuse them and what builds on them at once. */
  readonly maxInvalidBlocks: number
}

/** What became of a submitted block. */
export interface Submission {
  /** `null`: it is the new tip. */
  readonly verdict: BlockVerdict | null
  /** Blocks that left the best branch, highest first, and blocks that joined it, lowest first. */
  readonly disconnected: ReadonlyArray<TreeBlock>
  readonly connected: ReadonlyArray<TreeBlock>
  /** Txids (display order) of transactions that are now buried for good. */
  readonly buried: ReadonlyArray<string>
}

/** Satoshis of the first blocks. */
const FIRST_SUBSIDY = 5_000_000_000n

export class BlockTree {
  readonly genesis: TreeBlock
  private readonly options: BlockTreeOptions
  private readonly known: KnownTransactions
  private readonly tree = new Map<string, TreeBlock>()
  /** The best branch by height. */
  private readonly best: Array<TreeBlock> = []
  /** Every block that is not on the best branch, oldest arrival first. */
  private readonly side = new Set<TreeBlock>()
  private readonly invalid = new Map<string, BlockVerdict>()
  /** Transactions but coinbases in kept blocks of the best branch, by txid. */
  private readonly confirmed = new Map<string, TreeBlock>()
  /** All blocks of the best branch below this height have only their header left. */
  private keptFrom = 0

  constructor(options: BlockTreeOptions, known: KnownTransactions) {
    this.options = options
    this.known = known
    this.genesis = treeBlock(genesisBlock(options.bits, options.genesisTime), undefined)
    this.tree.set(this.genesis.id, this.genesis)
    this.best.push(this.genesis)
  }

  get tip(): TreeBlock {
    return this.best.at(-1) ?? this.genesis
  }

  /** The height of the lowest block of the best branch whose transactions are still there. */
  get firstKeptHeight(): number {
    return this.keptFrom
  }

  /** The compact target of the block behind this one. */
  bitsAfter(parent: TreeBlock): number {
    const { bits: limit, retargeting } = this.options
    const { bits, time } = parent.header
    if (retargeting === undefined || (parent.height + 1) % retargeting.interval !== 0) return bits
    let first = parent
    for (let back = 1; back < retargeting.interval; back++) first = first.parent!
    return nextBits({ bits, firstTime: first.header.time, lastTime: time }, retargeting, limit)
  }

  get(id: string): TreeBlock | undefined {
    return this.tree.get(id)
  }

  at(height: number): TreeBlock | undefined {
    return this.best[height]
  }

  isBest(block: TreeBlock): boolean {
    return this.best[block.height] === block
  }

  /** The ends of all branches, the best first. */
  tips(): ReadonlyArray<TreeBlock> {
    const inner = new Set([...this.side].map(({ parent }) => parent))
    return [this.tip, ...[...this.side].filter((block) => !inner.has(block))]
  }

  /** The chain's clock: the given time in seconds, but not before the first block's. */
  clock(now: number): number {
    return Math.max(now, this.options.genesisTime)
  }

  /** Satoshis that a block of this height creates. */
  subsidy(height: number): bigint {
    const halvings = Math.floor(height / this.options.halvingInterval)
    return halvings >= 64 ? 0n : FIRST_SUBSIDY >> BigInt(halvings)
  }

  /** Whether a transaction is in a kept block of the best branch. */
  isConfirmed(txid: string): boolean {
    return this.confirmed.has(txid)
  }

  /** Takes a block into the tree, or says why not. `now` in seconds. */
  submit(submitted: Block, now: number): Submission {
    const block = withReservedValue(submitted)
    const refusal = checkBlock(block)
    if (refusal !== undefined) return refused(refusal)
    const id = hashToDisplay(block.hash)
    if (this.tree.has(id)) return refused("duplicate")
    if (this.invalid.has(id)) return refused("duplicate-invalid")
    const parentId = hashToDisplay(block.header.previousHash)
    if (this.invalid.has(parentId)) return refused("bad-prevblk")
    const parent = this.tree.get(parentId)
    if (parent === undefined) return refused("prev-blk-not-found")
    if (parent.height < this.tip.height - this.options.keepBlocks) return refused("stale-prevblk")
    const place = this.placeAfter(parent, now)
    const badHeader = checkHeaderAt(block.header, place)
    if (badHeader !== undefined) return refused(badHeader)
    const badBlock = checkBlockAt(block, place)
    if (badBlock !== undefined) {
      // A wrong witness says nothing about the block with this hash: another one with the right witness may follow.
      if (!MUTABLE_FAULTS.has(badBlock)) this.remember(id, badBlock)
      return refused(badBlock)
    }
    const entry = treeBlock(block, parent)
    if (entry.chainWork <= this.tip.chainWork) {
      this.tree.set(id, entry)
      this.addSide(entry)
      return refused("inconclusive")
    }
    return this.activate(entry)
  }

  /**
   * What `submit` would say of a block on the tip if its hash met the target (BIP23's proposal): `null` is acceptance.
   */
  propose(block: Block, now: number): BlockVerdict | null {
    const id = hashToDisplay(block.hash)
    const entry = this.tree.get(id)
    if (entry !== undefined) return this.isBest(entry) ? "duplicate" : "duplicate-inconclusive"
    if (this.invalid.has(id)) return "duplicate-invalid"
    if (hashToDisplay(block.header.previousHash) !== this.tip.id) return "inconclusive-not-best-prevblk"
    const place = this.placeAfter(this.tip, now)
    return (
      checkHeaderAt(block.header, place) ??
      checkBlock(block, { proofOfWork: false }) ??
      checkBlockAt(block, place) ??
      this.checkSpending(block, place.height, (txid) => this.confirmed.has(txid)) ??
      null
    )
  }

  private placeAfter(parent: TreeBlock, now: number): BlockPlace {
    const { medianTimePast } = parent
    return { height: parent.height + 1, bits: this.bitsAfter(parent), medianTimePast, now: this.clock(now) }
  }

  /** Makes the branch that ends in `entry`, which has more work than the best, the best, if all of it may be spent. */
  private activate(entry: TreeBlock): Submission {
    const joining: Array<TreeBlock> = []
    let fork: TreeBlock | undefined = entry
    while (fork !== undefined && !this.isBest(fork)) {
      joining.unshift(fork)
      fork = fork.parent
    }
    const forkHeight = fork?.height ?? 0
    const joined = new Set<string>()
    const confirmed = (txid: string): boolean =>
      joined.has(txid) || (this.confirmed.get(txid)?.height ?? Number.POSITIVE_INFINITY) <= forkHeight
    for (const candidate of joining) {
      if (candidate.block === undefined) continue
      const verdict = this.checkSpending(candidate.block, candidate.height, confirmed)
      if (verdict !== undefined) {
        this.forgetBranch(candidate, verdict)
        if (candidate !== entry) this.remember(entry.id, "bad-prevblk")
        return refused(candidate === entry ? verdict : "inconclusive")
      }
      for (const txid of spendingTxids(candidate.block)) joined.add(txid)
    }

    const disconnected = this.best.splice(forkHeight + 1).toReversed()
    for (const block of disconnected) {
      if (block.block !== undefined) for (const txid of spendingTxids(block.block)) this.confirmed.delete(txid)
    }
    this.tree.set(entry.id, entry)
    for (const block of joining) {
      this.side.delete(block)
      this.best.push(block)
      if (block.block !== undefined) for (const txid of spendingTxids(block.block)) this.confirmed.set(txid, block)
    }
    for (const block of disconnected) this.addSide(block)
    return { verdict: null, disconnected, connected: joining, buried: this.prune() }
  }

  /** Every transaction is known and not yet spent, after those it spends; the coinbase takes no more than it may. */
  private checkSpending(
    block: Block,
    height: number,
    isConfirmed: (txid: string) => boolean
  ): BlockVerdict | undefined {
    let fees = 0n
    const inBlock = new Set<string>()
    for (const transaction of block.transactions.slice(1)) {
      const txid = hashToDisplay(transaction.txid)
      const known = this.known(txid)
      if (known === undefined || isConfirmed(txid)) return "bad-txns-inputs-missingorspent"
      // A parent that the node does not know any more is buried under `keepBlocks` blocks.
      const parentMissing = known.parents.some(
        (parent) => !inBlock.has(parent) && !isConfirmed(parent) && this.known(parent) !== undefined
      )
      if (parentMissing) return "bad-txns-inputs-missingorspent"
      // The witness is what a script would be run on: only the one that was announced is known to be right.
      if (known.wtxid !== hashToDisplay(transaction.wtxid)) return "mandatory-script-verify-flag-failed"
      inBlock.add(txid)
      fees += known.fee
    }
    const paid = (block.transactions[0]?.outputs ?? []).reduce((total, { value }) => total + value, 0n)
    return paid > this.subsidy(height) + fees ? "bad-cb-amount" : undefined
  }

  private addSide(block: TreeBlock): void {
    this.side.add(block)
    if (this.side.size <= this.options.maxSideBlocks) return
    const lowest = [...this.side].reduce((a, b) => (b.height < a.height ? b : a))
    this.removeBranch(lowest)
  }

  /** Takes a block that cannot be on any branch, and all that builds on it, out of the tree. */
  private forgetBranch(block: TreeBlock, verdict: BlockVerdict): void {
    this.remember(block.id, verdict)
    for (const removed of this.removeBranch(block)) if (removed !== block) this.remember(removed.id, "bad-prevblk")
  }

  /** Removes a side block and its descendants, which are side blocks too. */
  private removeBranch(block: TreeBlock): ReadonlySet<TreeBlock> {
    const removed = new Set([block])
    for (const other of [...this.side].toSorted((a, b) => a.height - b.height)) {
      if (other.parent !== undefined && removed.has(other.parent)) removed.add(other)
    }
    for (const each of removed) {
      this.side.delete(each)
      this.tree.delete(each.id)
    }
    return removed
  }

  private remember(id: string, verdict: BlockVerdict): void {
    this.invalid.set(id, verdict)
    for (const oldest of this.invalid.keys()) {
      if (this.invalid.size <= this.options.maxInvalidBlocks) break
      this.invalid.delete(oldest)
    }
  }

  /** Drops what lies deeper than `keepBlocks`; gives the transactions buried by that. */
  private prune(): ReadonlyArray<string> {
    const buried: Array<string> = []
    const limit = this.tip.height - this.options.keepBlocks
    for (; this.keptFrom < limit; this.keptFrom++) {
      const pruned = this.best[this.keptFrom]
      if (pruned?.block === undefined) continue
      for (const txid of spendingTxids(pruned.block)) {
        this.confirmed.delete(txid)
        buried.push(txid)
      }
      pruned.block = undefined
    }
    for (const block of this.side) {
      if (block.height < limit) {
        this.side.delete(block)
        this.tree.delete(block.id)
      }
    }
    return buried
  }
}

/** Faults of the bytes beside the header and the txids: not of the block that the hash stands for. */
const MUTABLE_FAULTS: ReadonlySet<BlockVerdict> = new Set([
  "bad-witness-nonce-size",
  "bad-witness-merkle-match",
  "unexpected-witness"
])

const refused = (verdict: BlockVerdict): Submission => ({ verdict, disconnected: [], connected: [], buried: [] })

const treeBlock = (block: Block, parent: TreeBlock | undefined): TreeBlock => {
  const times = [block.header.time]
  for (let at = parent; at !== undefined && times.length < MEDIAN_TIME_SPAN; at = at.parent) times.push(at.header.time)
  // A copy, because a view would keep the whole block alive after it is pruned.
  const headerBytes = block.headerBytes.slice()
  return {
    id: hashToDisplay(block.hash),
    hash: block.hash,
    header: parseHeader(headerBytes),
    headerBytes,
    height: parent === undefined ? 0 : parent.height + 1,
    parent,
    medianTimePast: medianTime(times),
    chainWork: (parent?.chainWork ?? 0n) + workOf(block.header.bits),
    transactionCount: block.transactions.length,
    block
  }
}

/** The txids (display order) of all transactions but the coinbase. */
const spendingTxids = (block: Block): ReadonlyArray<string> =>
  block.transactions.slice(1).map(({ txid }) => hashToDisplay(txid))

/**
 * A submitted block whose coinbase commits to witnesses and has none itself gets the reserved value of zeros put in, as
 * Bitcoin Core does for submitters that only know the stripped coinbase.
 */
const withReservedValue = (block: Block): Block => {
  const [coinbase, ...others] = block.transactions
  if (coinbase === undefined || coinbase.witnesses.length > 0) return block
  if (!coinbase.outputs.some(({ script }) => isWitnessCommitment(script))) return block
  return parseBlock(
    serializeBlock(block.headerBytes, [addWitness(coinbase.bytes), ...others.map(({ bytes }) => bytes)])
  )
}
