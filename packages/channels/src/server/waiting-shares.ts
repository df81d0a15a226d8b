/**
 * The shares of one channel that wait for the verdict of its source, or for the verdicts on older ones: a client takes its oldest shares
 * without an answer for those that an acknowledgement counts (5.3.13), and sources may decide in another order.
 */
import type { SourceChannel } from "../jobs/source-channel.ts"
import type { ShareAccepted } from "./event.ts"

/** The most shares of one channel that wait. The server refuses more, except blocks. */
const MAX_WAITING = 1024

interface WaitingShare {
  readonly share: ShareAccepted
  /** Whether the source has accepted it, so that it waits for verdicts on older shares only. */
  isAccepted: boolean
}

export class WaitingShares {
  readonly channel: SourceChannel
  /** The oldest first. */
  readonly #shares = new Map<number, WaitingShare>()
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
    this.#shares.set(++this.#lastKey, { share, isAccepted: false })
    return this.#lastKey
  }

  /** The source accepts a share, whose acknowledgement waits for `takeAccepted`. */
  accept(key: number): void {
    const waiting = this.#shares.get(key)
    if (waiting !== undefined) waiting.isAccepted = true
  }

  /** Removes a share that the source refuses. `undefined` if it has its verdict. */
  refuse(key: number): ShareAccepted | undefined {
    const waiting = this.#shares.get(key)
    if (waiting === undefined || waiting.isAccepted) return undefined
    this.#shares.delete(key)
    return waiting.share
  }

  /** Removes the accepted shares that are older than all without a verdict, in the order in which they came. */
  takeAccepted(): ReadonlyArray<ShareAccepted> {
    const shares: Array<ShareAccepted> = []
    for (const [key, { isAccepted, share }] of this.#shares) {
      if (!isAccepted) break
      this.#shares.delete(key)
      shares.push(share)
    }
    return shares
  }

  /** Removes the shares without a verdict, in the order in which they came. */
  refuseAll(): ReadonlyArray<ShareAccepted> {
    const shares: Array<ShareAccepted> = []
    for (const [key, { isAccepted, share }] of this.#shares) {
      if (isAccepted) continue
      this.#shares.delete(key)
      shares.push(share)
    }
    return shares
  }
}
