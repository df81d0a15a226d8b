/** The shares of one channel that wait for the verdict of its source. */
import type { SourceChannel } from "../jobs/source-channel.ts"
import type { ShareAccepted } from "./event.ts"

/** The most shares of one channel that wait for a verdict. The server refuses more, except blocks. */
const MAX_WAITING = 1024

export class WaitingShares {
  readonly channel: SourceChannel
  readonly #shares = new Map<number, ShareAccepted>()
  #lastKey = 0

  constructor(channel: SourceChannel) {
    this.channel = channel
  }

  get size(): number {
    return this.#shares.size
  }

  get hasRoom(): boolean {
    return this.#shares.size < MAX_WAITING
  }

  /** Keeps the event to emit when the source accepts the share. Returns the share's key. */
  add(share: ShareAccepted): number {
    this.#shares.set(++this.#lastKey, share)
    return this.#lastKey
  }

  /** Removes a share. `undefined` if it has its answer. */
  take(key: number): ShareAccepted | undefined {
    const share = this.#shares.get(key)
    this.#shares.delete(key)
    return share
  }

  /** Removes all shares, in the order in which they came. */
  takeAll(): ReadonlyArray<ShareAccepted> {
    const shares = [...this.#shares.values()]
    this.#shares.clear()
    return shares
  }
}
