/**
 * The development chain: a pure tree of blocks. It takes blocks and the time, and gives verdicts. The best branch is the one with
 * the most work; of equal branches, the one seen first. Without retargeting, that is the longest branch.
 * It checks rules in Bitcoin Core's order: those of the header and of the block's place before the block enters the tree, and
 * those of the spent outputs when the block's branch becomes the best.
 *
 * A block may contain transactions that the node knows (`KnownTransactions`), and others if they spend only a faucet's coins and
 * outputs of known ones, by scripts that `coins.ts` can check. The chain has no set of coins, so it can check nothing else.
 */
import {
  type Block,
  type BlockHeader,
  parseBlock,
  parseHeader,
  serializeBlock,
  addWitness,
  hashToDisplay,
  isWitnessCommitment,
  type Output,
  type Transaction
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
import { faucetCoin, feeOf, type SpendingVerdict } from "./coins.ts"
import { genesisBlock } from "./genesis.ts"
import { nextBits, type Retargeting, workOf } from "./retarget.ts"

/** A block of the tree. Ids are hex in display order. */
export interface TreeBlock {
  readonly id: string
  /** Internal order. */
  readonly hash: Uint8Array
  readonly header: BlockHeader
  readonly headerBytes: Uint8Array
  readonly height: number
  /** `undefined` for the first block. */
  readonly parent: TreeBlock | undefined
  /** Of this block and the ten before it. */
  readonly medianTimePast: number
  /** Expected number of hashes of the branch up to this block. */
  readonly chainWork: bigint
  readonly transactionCount: number
  /** `undefined` once the block is deeper than `keepBlocks`. */
  block: Block | undefined
  /** Its transactions but the coinbase, by txid, once their spending was checked and while the block is kept. */
  spending: Spending | undefined
}

/** Transactions by txid (display order). */
export type Spending = ReadonlyMap<string, KnownTransaction>

/** The data that the chain needs about a transaction in a block. */
export interface KnownTransaction {
  readonly transaction: Transaction
  /** Display order. */
  readonly wtxid: string
  /** Satoshis. */
  readonly fee: bigint
  /** Txids (display order) of known transactions whose outputs it spends. */
  readonly parents: ReadonlyArray<string>
}

/** All announced transactions, and those in blocks of the best branch, that are not deeper than `keepBlocks`. */
export interface KnownTransactions {
  /** Looks up a transaction by txid (display order). */
  readonly known: (txid: string) => KnownTransaction | undefined
  /** The known transaction that spends an output (txid in display order). No two spend the same. */
  readonly spender: (txid: string, index: number) => string | undefined
}

export interface BlockTreeOptions {
  /** The compact target of the first blocks, and the easiest of any block. The genesis block does not meet it. */
  readonly bits: number
  /** The difficulty adjustment, if any. */
  readonly retargeting?: Retargeting | undefined
  /** Seconds since 1970. The chain's clock never shows less. */
  readonly genesisTime: number
  /** Blocks after which the subsidy halves. */
  readonly halvingInterval: number
  /** Blocks deeper than this keep only their header; side branches that deep are dropped. */
  readonly keepBlocks: number
  /** The most blocks on side branches. Further blocks replace the lowest. */
  readonly maxSideBlocks: number
  /** The most hashes of refused blocks to remember, to refuse them and their descendants at once. */
  readonly maxInvalidBlocks: number
}

/** The result of a submitted block. */
export interface Submission {
  /** `null` if the block is the new tip. */
  readonly verdict: BlockVerdict | null
  /** Blocks that left the best branch, highest first, and blocks that joined it, lowest first. */
  readonly disconnected: ReadonlyArray<TreeBlock>
  readonly connected: ReadonlyArray<TreeBlock>
  /** Txids (display order) of transactions that are now deeper than `keepBlocks`. */
  readonly buried: ReadonlyArray<string>
}

/** The subsidy of the first blocks, in satoshis. */
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
  /** Blocks of the best branch below this height have only their header. */
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

  /** The height of the lowest block of the best branch that still has its transactions. */
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

  /** Adds a block to the tree, or gives the reason to refuse it. `now` in seconds. */
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
      // Not remembered as invalid: a block with the same hash and the right witness may follow.
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
   * The verdict of `submit` for a block on the tip as if its hash met the target (BIP23's proposal): `null` if accepted.
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
      this.proposedSpending(block, place.height)
    )
  }

  private proposedSpending(block: Block, height: number): BlockVerdict | null {
    const branch: Branch = { transactions: new Map(), spent: new Set() }
    const spending = this.checkSpending(
      block,
      { height, spending: undefined },
      (txid) => this.isConfirmed(txid),
      branch
    )
    return typeof spending === "string" ? spending : null
  }

  private placeAfter(parent: TreeBlock, now: number): BlockPlace {
    const { medianTimePast } = parent
    return { height: parent.height + 1, bits: this.bitsAfter(parent), medianTimePast, now: this.clock(now) }
  }

  /** Makes the branch that ends in `entry` the best, if its blocks keep the rules about spending. It has the most work. */
  private activate(entry: TreeBlock): Submission {
    const joining: Array<TreeBlock> = []
    let fork: TreeBlock | undefined = entry
    while (fork !== undefined && !this.isBest(fork)) {
      joining.unshift(fork)
      fork = fork.parent
    }
    const forkHeight = fork?.height ?? 0
    const joined: Branch = { transactions: new Map(), spent: new Set() }
    const confirmed = (txid: string): boolean =>
      joined.transactions.has(txid) || (this.confirmed.get(txid)?.height ?? Number.POSITIVE_INFINITY) <= forkHeight
    for (const candidate of joining) {
      if (candidate.block === undefined) continue
      const spending = this.checkSpending(candidate.block, candidate, confirmed, joined)
      if (typeof spending === "string") {
        this.forgetBranch(candidate, spending)
        if (candidate !== entry) this.remember(entry.id, "bad-prevblk")
        return refused(candidate === entry ? spending : "inconclusive")
      }
      candidate.spending = spending
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

  /**
   * Checks that all transactions can be checked, are unspent and after the ones they spend, and the value of the coinbase. Gives
   * the transactions but the coinbase, which it also adds to the branch.
   */
  private checkSpending(
    block: Block,
    { height, spending }: Pick<TreeBlock, "height" | "spending">,
    isConfirmed: (txid: string) => boolean,
    branch: Branch
  ): Spending | BlockVerdict {
    let fees = 0n
    const inBlock = new Map<string, KnownTransaction>()
    for (const transaction of block.transactions.slice(1)) {
      const txid = hashToDisplay(transaction.txid)
      if (isConfirmed(txid) || inBlock.has(txid)) return "bad-txns-inputs-missingorspent"
      for (const { previousIndex, previousTxid } of transaction.inputs) {
        const parent = hashToDisplay(previousTxid)
        const spender = this.known.spender(parent, previousIndex)
        const isSpent =
          branch.spent.has(`${parent}:${previousIndex}`) || (spender !== undefined && isConfirmed(spender))
        if (isSpent) return "bad-txns-inputs-missingorspent"
        branch.spent.add(`${parent}:${previousIndex}`)
      }
      const known =
        spending?.get(txid) ?? this.known.known(txid) ?? this.learn(transaction, [inBlock, branch.transactions])
      if (typeof known === "string") return known
      // A parent that the node no longer knows is deeper than `keepBlocks`.
      const parentMissing = known.parents.some(
        (parent) => !inBlock.has(parent) && !isConfirmed(parent) && this.known.known(parent) !== undefined
      )
      if (parentMissing) return "bad-txns-inputs-missingorspent"
      // Without a script engine, only the announced witness is known to be valid.
      if (known.wtxid !== hashToDisplay(transaction.wtxid)) return "mandatory-script-verify-flag-failed"
      inBlock.set(txid, known)
      fees += known.fee
    }
    for (const [txid, known] of inBlock) branch.transactions.set(txid, known)
    const paid = (block.transactions[0]?.outputs ?? []).reduce((total, { value }) => total + value, 0n)
    return paid > this.subsidy(height) + fees ? "bad-cb-amount" : inBlock
  }

  /** Checks a transaction that was not announced. `added` are transactions that the node does not know yet. */
  private learn(transaction: Transaction, added: ReadonlyArray<Spending>): KnownTransaction | SpendingVerdict {
    const spent: Array<Output> = []
    const parents = new Set<string>()
    for (const { previousIndex, previousTxid } of transaction.inputs) {
      const txid = hashToDisplay(previousTxid)
      const parent = added.map((each) => each.get(txid)).find((each) => each !== undefined) ?? this.known.known(txid)
      const output = parent?.transaction.outputs[previousIndex] ?? faucetCoin(txid, previousIndex)
      if (output === undefined) return "bad-txns-inputs-missingorspent"
      if (parent !== undefined) parents.add(txid)
      spent.push(output)
    }
    const fee = feeOf(transaction, spent)
    if (typeof fee === "string") return fee
    return { transaction, wtxid: hashToDisplay(transaction.wtxid), fee, parents: [...parents] }
  }

  private addSide(block: TreeBlock): void {
    this.side.add(block)
    if (this.side.size <= this.options.maxSideBlocks) return
    const lowest = [...this.side].reduce((a, b) => (b.height < a.height ? b : a))
    this.removeBranch(lowest)
  }

  /** Removes an invalid block and its descendants from the tree. */
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

  /** Drops data deeper than `keepBlocks`. Gives the transactions that this affects. */
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
      pruned.spending = undefined
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

/** The blocks that are about to join the best branch: their transactions, and the outpoints they spend. */
interface Branch {
  readonly transactions: Map<string, KnownTransaction>
  readonly spent: Set<string>
}

/** Faults of bytes that the block's hash does not cover, such as witnesses. */
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
    block,
    spending: undefined
  }
}

/** The txids (display order) of all transactions but the coinbase. */
const spendingTxids = (block: Block): ReadonlyArray<string> =>
  block.transactions.slice(1).map(({ txid }) => hashToDisplay(txid))

/**
 * Adds a reserved value of zeros to the coinbase if it commits to witnesses and has no witness itself. Bitcoin Core does this for
 * submitters that only have the stripped coinbase.
 */
const withReservedValue = (block: Block): Block => {
  const [coinbase, ...others] = block.transactions
  if (coinbase === undefined || coinbase.witnesses.length > 0) return block
  if (!coinbase.outputs.some(({ script }) => isWitnessCommitment(script))) return block
  return parseBlock(
    serializeBlock(block.headerBytes, [addWitness(coinbase.bytes), ...others.map(({ bytes }) => bytes)])
  )
}
