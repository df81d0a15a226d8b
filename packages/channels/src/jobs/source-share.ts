/** A share for the source of its job: all parts of its coinbase and header. */
import type { Via } from "./source-channel.ts"
import type { Job } from "./job.ts"

export interface SourceShare {
  readonly job: Job
  /** The user of the channel. */
  readonly userIdentity: string
  /** The worker that found it, if the client names one (extension 0x0002). */
  readonly worker: string | undefined
  readonly version: number
  readonly ntime: number
  readonly nonce: number
  /** The full extranonce: the channel's prefix, then the bytes that the miner rolled. */
  readonly extranonce: Uint8Array
  /** Hash of the header, 32 bytes in internal byte order. */
  readonly hash: Uint8Array
  /** Whether the hash meets the network's target, too. */
  readonly isBlock: boolean
  /** The channel at the source, if the server's channels have such. */
  readonly via?: Via
}
