/** A job of a pool, with everything that holds for its shares: it does not change when the pool says something new. */
import type { Notify } from "../message/to-client.ts"

export interface ClientJob {
  readonly notify: Notify
  /** What a share has to meet: 32 bytes, little-endian. */
  readonly target: Uint8Array
  readonly extranonce1: Uint8Array
  readonly extranonce2Size: number
  /** The version bits that may be rolled, 0 for none. */
  readonly versionMask: number
  /** Whether earlier jobs are stale: the pool said so, or the previous hash is another. */
  readonly clean: boolean
}
