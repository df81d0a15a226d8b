/** A share that the source of its job wants: everything to put its coinbase and header together. */
import type { Job } from "./job.ts"

export interface SourceShare {
  readonly job: Job
  readonly version: number
  readonly ntime: number
  readonly nonce: number
  /** The whole extranonce: the channel's prefix, then the bytes that the miner rolled. */
  readonly extranonce: Uint8Array
  /** Of the header, 32 bytes in internal byte order. */
  readonly hash: Uint8Array
  /** Whether it meets the network's target, too. */
  readonly isBlock: boolean
}
