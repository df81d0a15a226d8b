/**
 * Blocks that wait for one node, oldest first, bounded by their count and their bytes. Above the limit the newest block goes
 * of the peer that has most of them there, so that nobody who floods it makes the block of another one go.
 */

export interface WaitingBlock {
  /** Who found it: an address, or where it was kept. */
  readonly from: string
  /** Bytes in memory. */
  readonly size: number
}

export class BlockQueue<Block extends WaitingBlock> {
  #waiting: Array<Block> = []
  #bytes = 0

  get first(): Block | undefined {
    return this.#waiting[0]
  }

  get all(): ReadonlyArray<Block> {
    return this.#waiting
  }

  /** Puts a block behind the others. Returns those that have to go for it, which may be the block itself. */
  push(block: Block): ReadonlyArray<Block> {
    this.#waiting.push(block)
    this.#bytes += block.size
    const gone: Array<Block> = []
    while (this.#waiting.length > 1 && (this.#waiting.length > MAX_BLOCKS || this.#bytes > MAX_BYTES)) {
      const from = largest(this.#waiting)
      const last = this.#waiting.findLast((waiting) => waiting.from === from)!
      this.remove(last)
      gone.push(last)
    }
    return gone
  }

  remove(block: Block): void {
    const at = this.#waiting.indexOf(block)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    this.#bytes -= block.size
  }

  /** Puts a block of the queue behind the others, so that one that the node cannot cope with does not hold them up. */
  putLast(block: Block): void {
    const at = this.#waiting.indexOf(block)
    if (at >= 0) this.#waiting.push(...this.#waiting.splice(at, 1))
  }
}

/** Who has most bytes there; of several the one who came last. */
const largest = (waiting: ReadonlyArray<WaitingBlock>): string => {
  const bytes = new Map<string, number>()
  let most: string | undefined
  for (const { from, size } of waiting) bytes.set(from, (bytes.get(from) ?? 0) + size)
  for (const [from, sum] of bytes) if (most === undefined || sum >= bytes.get(most)!) most = from
  return most!
}

/** Siblings of one height, as templates do not change while the node is away: outside of test networks there is seldom one. */
const MAX_BLOCKS = 100
/** A block has up to 4 MB, twice that in hex. */
const MAX_BYTES = 128 * 1024 * 1024
