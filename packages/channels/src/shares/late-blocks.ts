/**
 * Finds blocks among refused shares. A share that breaks a rule of the server may still have a header that meets the target of
 * its own previous hash. The node decides what such a block is worth. So this module hashes each refused share with the job
 * that it names, even if the job has an earlier previous hash or the channel is closed.
 *
 * A peer can cause this work for nothing, so it has a limit: a tenth of the shares that the server may accept, about ten times
 * as many as it asks for.
 */
import type { Mining } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import type { Job } from "../jobs/job.ts"
import type { Channel } from "../server/channel.ts"
import type { ChannelInfo } from "../server/event.ts"
import type { ChannelJobs } from "../jobs/jobs.ts"
import type { ShareValidator } from "./share-validator.ts"
import { ShareAllowance } from "./share-allowance.ts"

/** The part of a channel that is remembered after it is closed. */
type Miner = Pick<Channel, "info" | "leasesOfBlocks">

export interface LateBlock {
  readonly channel: ChannelInfo
  readonly job: Job
  /** The prefix in the share's coinbase. */
  readonly lease: ExtranonceLease
}

/** How long closed channels are remembered, and how many at least. */
const CLOSED_MS = 60_000
const MIN_CLOSED = 16
/** How many blocks are remembered to report none twice. Only a development chain has more on one connection. */
const MAX_FOUND = 64

/** Finds the late blocks of one connection. */
export class LateBlocks {
  /** Closed channels by id, oldest first. */
  readonly #closed = new Map<number, Miner & { readonly closedAt: number }>()
  #room = MIN_CLOSED
  readonly #allowance: ShareAllowance
  /** The hashes of the last blocks in hex, oldest first. */
  readonly #found = new Set<string>()

  constructor(maxSharesPerSecond: number) {
    this.#allowance = new ShareAllowance(maxSharesPerSecond / 10)
  }

  /** Remembers one of `open` channels before it is closed. Remembers at most as many as were open at once. */
  close({ info, leasesOfBlocks }: Miner, open: number, now: number): void {
    this.#room = Math.max(this.#room, open)
    this.#closed.set(info.channelId, { info, leasesOfBlocks, closedAt: now })
    if (this.#closed.size > this.#room) this.#closed.delete(this.#closed.keys().next().value!)
  }

  /** Forgets channels that were closed a minute ago. Call it every few seconds. */
  tick(now: number): void {
    for (const [channelId, { closedAt }] of this.#closed) {
      if (now - closedAt < CLOSED_MS) return
      this.#closed.delete(channelId)
    }
  }

  /** Remembers a block by its hash. Returns whether it is new. */
  note(hash: Uint8Array): boolean {
    const hex = Buffer.from(hash).toString("hex")
    if (this.#found.has(hex)) return false
    this.#found.add(hex)
    if (this.#found.size > MAX_FOUND) this.#found.delete(this.#found.keys().next().value!)
    return true
  }

  /** Returns the block if a refused share is a new one. The validator then has its hash. */
  find(
    share: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended,
    channel: Channel | undefined,
    { jobs, validator }: { readonly jobs: ChannelJobs; readonly validator: ShareValidator },
    open: number,
    now: number
  ): LateBlock | undefined {
    const miner = channel ?? this.#closed.get(share.channelId)
    const placed = jobs.placed(share.jobId)
    if (miner === undefined || placed === undefined) return undefined
    // One more than the open channels, because the client may have closed its last channel.
    if (!this.#allowance.hasRoom(open + 1, now)) return undefined
    this.#allowance.take()
    // Tries all prefixes, because the one that the job had may be unknown. Mostly there is only one.
    const lease = miner.leasesOfBlocks.find((lease) => validator.isBlockOf(placed, lease, share))
    if (lease === undefined || !this.note(validator.hash)) return undefined
    return { channel: miner.info, job: placed.job, lease }
  }
}
