/**
 * A job as channels know it (specification, sections 5.3.15 and 5.3.16), wherever it comes from: a template, an upstream
 * server or a declared job. The coinbase is cut around the extranonce.
 */
import type { Mining } from "@sluice/protocol"

/** Everything in it is the same for all channels; bytes are copies, not views on a read buffer. */
export interface Job {
  /** `job_id`, the same on every channel. */
  readonly id: number
  /** Height of the block to be found. */
  readonly height: number
  readonly version: number
  /** Whether miners may change the version bits of BIP323. */
  readonly versionRollingAllowed: boolean
  /** Stripped of BIP141 fields, as NewExtendedMiningJob carries it. */
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseSuffix: Uint8Array
  /** Deepest first, 32 bytes each, internal byte order. */
  readonly merklePath: ReadonlyArray<Uint8Array>
  /** The same hashes one after the other. */
  readonly merklePathBytes: Uint8Array
  /** What the source of the job needs to know when a share of it is found. Only the source reads it. */
  readonly origin: object
}

/** NewExtendedMiningJob for a channel or a group; without `minNtime` a future job. */
export const extendedJobMessage = (
  job: Job,
  channelId: number,
  minNtime: number | undefined
): Mining.NewExtendedMiningJob => ({
  _tag: "NewExtendedMiningJob",
  channelId,
  jobId: job.id,
  minNtime,
  version: job.version,
  versionRollingAllowed: job.versionRollingAllowed,
  merklePath: job.merklePath,
  coinbaseTxPrefix: job.coinbasePrefix,
  coinbaseTxSuffix: job.coinbaseSuffix
})

/** NewMiningJob for a standard channel, whose merkle root this is; without `minNtime` a future job. */
export const standardJobMessage = (
  job: Job,
  channelId: number,
  minNtime: number | undefined,
  merkleRoot: Uint8Array
): Mining.NewMiningJob => ({
  _tag: "NewMiningJob",
  channelId,
  jobId: job.id,
  minNtime,
  version: job.version,
  merkleRoot
})
