/**
 * Blocks that wait for one node, oldest first, limited in count and bytes. Above the limit the queue drops the newest block of
 * the peer that has most there, so that a peer that floods it loses only its own blocks.
 */

export interface WaitingBlock {
  /** The address of the client that found it, or the directory that it was kept in. */
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

  /** Puts a block behind the others. Returns the blocks that were dropped for it, which may include the block itself. */
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

  /** Moves a block behind the others, so that a block that the node cannot handle does not hold them up. */
  putLast(block: Block): void {
    const at = this.#waiting.indexOf(block)
    if (at >= 0) this.#waiting.push(...this.#waiting.splice(at, 1))
  }
}

/** The peer with most bytes; among equals the one that came last. */
const largest = (waiting: ReadonlyArray<WaitingBlock>): string => {
  const bytes = new Map<string, number>()
  let most: string | undefined
  for (const { from, size } of waiting) bytes.set(from, (bytes.get(from) ?? 0) + size)
  for (const [from, sum] of bytes) if (most === undefined || sum >= bytes.get(most)!) most = from
  return most!
}

/** All are of one height, as templates do not change while the node is away. Outside of test networks there is seldom one. */
const MAX_BLOCKS = 100
/** A block has up to 4 MB, twice that in hex. */
const MAX_BYTES = 128 * 1024 * 1024
