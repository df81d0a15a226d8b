/**
 * One channel of the swarm: its work, and the next share of it, mined before it is due.
 *
 * A channel is a machine of constant speed. The speed follows from the first target and the shares a minute that were
 * asked for; what the server does to the target afterwards changes how often a share is found, as it would for a device.
 */
import { type ClientChannel, HASHES_PER_DIFFICULTY, latestNtime, type Work } from "@sluice/channels"
import { Target } from "@sluice/core"
import { type FoundShare, Search } from "@sluice/miner"
import type { AcknowledgedShare } from "./options.ts"

/** Nonces that one search may try before it goes on to the next version: each share begins in a range of its own. */
const RANGES = 65_536

/** A share and what it was found in. */
export interface Mined {
  readonly share: FoundShare
  readonly work: Work
}

export class SwarmChannel<Owner = unknown> {
  /** The member whose channel it is. */
  readonly member: Owner
  readonly client: ClientChannel
  work: Work | undefined = undefined
  /** Found, and not due yet. */
  ready: Mined | undefined = undefined
  /** Since when a share is due that was not found. */
  owedSince: number | undefined = undefined
  /** It waits in the line of those that a share is to be found for. */
  isInLine = false
  lastSent: FoundShare | undefined = undefined
  lastOfBlockBefore: FoundShare | undefined = undefined
  /** Honest shares without an answer. */
  honestPending = 0
  /** The same by sequence number, where somebody wants to know them. */
  readonly unacknowledged: Map<number, AcknowledgedShare> | undefined
  #hashesPerMs = 0
  #search: Search | undefined
  #range = 0

  constructor(member: Owner, client: ClientChannel, keepsShares: boolean) {
    this.member = member
    this.client = client
    this.unacknowledged = keepsShares ? new Map() : undefined
  }

  /** New work; with a new previous hash everything that was found before is worth nothing. */
  begin(work: Work, newPrevHash: boolean, sharesPerMinute: number): void {
    if (this.work === undefined) this.#hashesPerMs = (hashesFor(work) * sharesPerMinute) / 60_000
    this.work = work
    this.#search = undefined
    this.#range = 0
    if (!newPrevHash) return
    this.lastOfBlockBefore = this.lastSent ?? this.lastOfBlockBefore
    this.lastSent = undefined
    this.ready = undefined
  }

  /** How long until the next share; `random` is from 0 to 1. */
  waitMs(random: number): number {
    return this.work === undefined ? Infinity : (-Math.log(1 - random) * hashesFor(this.work)) / this.#hashesPerMs
  }

  /** Tries at most so many headers, and says how many it were; `ready` has the share if one was found. */
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

  /** An honest share went out. */
  sent(share: FoundShare): void {
    this.lastSent = share
    this.honestPending++
  }

  /** An honest share got its answer; gives it where shares are kept. */
  answered(sequenceNumber: number): AcknowledgedShare | undefined {
    this.honestPending--
    const share = this.unacknowledged?.get(sequenceNumber)
    this.unacknowledged?.delete(sequenceNumber)
    return share
  }
}

const hashesFor = ({ target }: Work): number =>
  Math.max(1, Target.targetToDifficulty(target, 0) * HASHES_PER_DIFFICULTY)
