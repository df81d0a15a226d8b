/**
 * One channel of the swarm: its work and its next share, which is mined before it is due.
 *
 * A channel mines at a constant hash rate, computed from its first target and the requested shares a minute. If the server
 * changes the target later, the channel finds shares more or less often, as a device would.
 */
import { type ClientChannel, HASHES_PER_DIFFICULTY, latestNtime, type ChannelWork } from "@sluice/channels"
import { Target } from "@sluice/core"
import { type FoundShare, Search } from "@sluice/miner"
import type { AcknowledgedShare } from "./options.ts"

/** Number of equal nonce ranges. Each search starts in another range, so that shares differ. */
const RANGES = 65_536

/** A share and the work that it belongs to. */
export interface Mined {
  readonly share: FoundShare
  readonly work: ChannelWork
}

export class SwarmChannel<Owner = unknown> {
  /** The member whose channel it is. */
  readonly member: Owner
  readonly client: ClientChannel
  work: ChannelWork | undefined = undefined
  /** The share that was found and is not due yet. */
  ready: Mined | undefined = undefined
  /** When the next share was due, if it has not been found yet. */
  owedSince: number | undefined = undefined
  /** The channel waits in the crowd's line for a search. */
  isInLine = false
  lastSent: FoundShare | undefined = undefined
  lastOfBlockBefore: FoundShare | undefined = undefined
  /** Number of honest shares without an answer. */
  honestPending = 0
  /** Honest shares without an answer by sequence number; kept only if `onAcknowledged` is set. */
  readonly unacknowledged: Map<number, AcknowledgedShare> | undefined
  #hashesPerMs = 0
  #search: Search | undefined
  #range = 0

  constructor(member: Owner, client: ClientChannel, keepsShares: boolean) {
    this.member = member
    this.client = client
    this.unacknowledged = keepsShares ? new Map() : undefined
  }

  /** Starts new work. A new previous hash invalidates the share that was found. */
  begin(work: ChannelWork, newPrevHash: boolean, sharesPerMinute: number): void {
    if (this.work === undefined) this.#hashesPerMs = (hashesFor(work) * sharesPerMinute) / 60_000
    this.work = work
    this.#search = undefined
    this.#range = 0
    if (!newPrevHash) return
    this.lastOfBlockBefore = this.lastSent ?? this.lastOfBlockBefore
    this.lastSent = undefined
    this.ready = undefined
  }

  /** Milliseconds until the next share, exponentially distributed; `random` is from 0 to 1. */
  waitMs(random: number): number {
    return this.work === undefined ? Infinity : (-Math.log(1 - random) * hashesFor(this.work)) / this.#hashesPerMs
  }

  /** Tries at most `count` headers and returns how many it tried. Sets `ready` if it found a share. */
  mine(count: number, now: number): number {
    if (this.work === undefined) return 0
    this.#search ??= new Search(this.work, { index: this.#range++ % RANGES, count: RANGES })
    const share = this.#search.run(count, latestNtime(this.work, now))
    const { tried } = this.#search
    if (share === undefined) return tried
    this.#search = undefined
    this.ready = { share, work: this.work }
    return tried
  }

  /** Records that an honest share was sent. */
  sent(share: FoundShare): void {
    this.lastSent = share
    this.honestPending++
  }

  /** Records the answer to an honest share. Gives the share if shares are kept. */
  answered(sequenceNumber: number): AcknowledgedShare | undefined {
    this.honestPending--
    const share = this.unacknowledged?.get(sequenceNumber)
    this.unacknowledged?.delete(sequenceNumber)
    return share
  }
}

const hashesFor = ({ target }: ChannelWork): number =>
  Math.max(1, Target.targetToDifficulty(target, 0) * HASHES_PER_DIFFICULTY)
