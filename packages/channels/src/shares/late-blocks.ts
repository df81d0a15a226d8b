/**
 * Blocks among shares that are refused. A share is refused by the server's rules; whether its header is a block is decided by
 * the target of its own previous hash, and whether that block is of use by the node. So a refused share is hashed once more
 * with the job that it names, be it a job of one of the previous hashes before, or of a channel that is closed by now.
 *
 * That is work which a peer can cause for nothing, so it has a limit: a tenth of the shares that may be accepted, which is
 * about ten times as many as are wanted.
 */
import type { Mining } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import type { Job } from "../jobs/job.ts"
import type { Channel } from "../server/channel.ts"
import type { ChannelInfo } from "../server/event.ts"
import type { Jobs } from "../jobs/jobs.ts"
import type { ShareValidator } from "./share-validator.ts"
import { ShareAllowance } from "./share-allowance.ts"

/** What it takes to make the coinbases of a channel. */
type Miner = Pick<Channel, "info" | "leasesOfBlocks">

export interface LateBlock {
  readonly channel: ChannelInfo
  readonly job: Job
  /** Where the share's coinbase has its prefix from. */
  readonly lease: ExtranonceLease
}

/** How long channels are known after they were closed, and how many at least. */
const CLOSED_MS = 60_000
const MIN_CLOSED = 16
/** Blocks that are remembered, so that none is found twice. More of one connection are those of a development chain. */
const MAX_FOUND = 64

/** Those of one connection. */
export class LateBlocks {
  /** By id, those closed first in front. */
  readonly #closed = new Map<number, Miner & { readonly closedAt: number }>()
  #room = MIN_CLOSED
  readonly #allowance: ShareAllowance
  /** The hashes of the last blocks in hex, oldest first. */
  readonly #found = new Set<string>()

  constructor(maxSharesPerSecond: number) {
    this.#allowance = new ShareAllowance(maxSharesPerSecond / 10)
  }

  /** A channel is about to be closed, one of `open`: as many are kept at most as were open at once. */
  close({ info, leasesOfBlocks }: Miner, open: number, now: number): void {
    this.#room = Math.max(this.#room, open)
    this.#closed.set(info.channelId, { info, leasesOfBlocks, closedAt: now })
    if (this.#closed.size > this.#room) this.#closed.delete(this.#closed.keys().next().value!)
  }

  /** Forgets channels that were closed a minute ago. To be called every few seconds. */
  tick(now: number): void {
    for (const [channelId, { closedAt }] of this.#closed) {
      if (now - closedAt < CLOSED_MS) return
      this.#closed.delete(channelId)
    }
  }

  /** Remembers a block by its hash, and says whether it is new. */
  note(hash: Uint8Array): boolean {
    const hex = Buffer.from(hash).toString("hex")
    if (this.#found.has(hex)) return false
    this.#found.add(hex)
    if (this.#found.size > MAX_FOUND) this.#found.delete(this.#found.keys().next().value!)
    return true
  }

  /** The block that a refused share is, if it is one that was not found before; the validator has its hash then. */
  find(
    share: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended,
    channel: Channel | undefined,
    { jobs, validator }: { readonly jobs: Jobs; readonly validator: ShareValidator },
    open: number,
    now: number
  ): LateBlock | undefined {
    const miner = channel ?? this.#closed.get(share.channelId)
    const placed = jobs.placed(share.jobId)
    if (miner === undefined || placed === undefined) return undefined
    // One more than are open: it may have closed the last.
    if (!this.#allowance.hasRoom(open + 1, now)) return undefined
    this.#allowance.take()
    // Which prefix the job had may be forgotten: mostly there is one.
    const lease = miner.leasesOfBlocks.find((lease) => validator.isBlockOf(placed, lease, share))
    if (lease === undefined || !this.note(validator.hash)) return undefined
    return { channel: miner.info, job: placed.job, lease }
  }
}
