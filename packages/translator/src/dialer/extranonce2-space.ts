/**
 * Divides the extranonce2 of one V1 connection among its channels. An extended channel gets the bytes that it asks for, or more:
 *
 *     extranonce1 | channel index, 0 to 2 bytes | zeros | bytes that an extended channel rolls
 *
 * V1 pools often give 4 bytes, which is what many clients ask for. So the first channel decides how many bytes the index has, and
 * if it needs all of extranonce2, no other channel can be opened beside it.
 */
import { type ExtranonceLease, ExtranonceSpace } from "@sluice/channels"

/** 65,536 channels; a translator has far fewer. */
const MAX_INDEX_SIZE = 2

export class Extranonce2Space {
  readonly #size: number
  #space: ExtranonceSpace | undefined

  constructor(extranonce2Size: number) {
    this.#size = extranonce2Size
  }

  /** Whether a channel holds a part. */
  get #isHeld(): boolean {
    return (this.#space?.held ?? 0) > 0
  }

  /** The most bytes that the next extended channel can roll. */
  get maxRollableSize(): number {
    return this.#isHeld ? this.#space!.maxRollableSize : this.#size
  }

  /**
   * Takes the part of a channel that rolls at least `minRollableSize` bytes, or that rolls none if this is `undefined`. The
   * lease's prefix is the beginning of extranonce2. `undefined` if there is no room.
   */
  take(minRollableSize: number | undefined, epoch: number): ExtranonceLease | undefined {
    if (!this.#isHeld) this.#divide(minRollableSize === undefined ? 0 : Math.max(minRollableSize, 1))
    return minRollableSize === undefined
      ? this.#space?.takeStandard(epoch)
      : this.#space?.takeExtended(minRollableSize, epoch)
  }

  /** As `ExtranonceSpace.giveBack`. */
  giveBack(lease: ExtranonceLease, usedIn: number | undefined): void {
    this.#space?.giveBack(lease, usedIn)
  }

  /** Keeps a division that still has room, so that prefixes in use a moment ago are not given out at once. */
  #divide(minRollableSize: number): void {
    if (this.#space !== undefined && this.#space.capacity > 1 && minRollableSize <= this.#space.maxRollableSize) return
    const indexSize = Math.max(0, Math.min(MAX_INDEX_SIZE, this.#size - minRollableSize))
    this.#space = new ExtranonceSpace({
      upstreamPrefix: NONE,
      serverId: NONE,
      indexSize,
      fullSize: this.#size,
      rollableSize: this.#size - indexSize
    })
  }
}

const NONE = new Uint8Array(0)
