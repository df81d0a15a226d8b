/**
 * A job for channels (specification, sections 5.3.15 and 5.3.16). Its source may be a template, an upstream server or a
 * declared job. The coinbase is cut around the extranonce.
 */
import type { Mining } from "@sluice/protocol"

/** A job is the same for all channels. Its bytes are copies, not views on a read buffer. */
export interface Job {
  /** `job_id`, the same on every channel. */
  readonly id: number
  /** Height of the block that miners look for. */
  readonly height: number
  readonly version: number
  /** Whether miners may change the version bits of BIP323. */
  readonly versionRollingAllowed: boolean
  /** The coinbase's bytes before the extranonce, without BIP141 fields, as NewExtendedMiningJob carries them. */
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseSuffix: Uint8Array
  /** Hashes to fold into the coinbase's txid, deepest first, 32 bytes each, internal byte order. */
  readonly merklePath: ReadonlyArray<Uint8Array>
  /** The same hashes one after the other. */
  readonly merklePathBytes: Uint8Array
  /** The merkle root, if it is all that the source knows of a standard channel's job: there is no coinbase then. */
  readonly merkleRoot?: Uint8Array
  /** Data that the source attached to the job, to handle its shares. Only the source reads it. */
  readonly origin: object
}

/** Makes NewExtendedMiningJob for a channel or a group; without `minNtime` a future job. */
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

/** Makes NewMiningJob for a standard channel, with its merkle root; without `minNtime` a future job. */
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
