/** A job of a V1 pool as messages of the Mining Protocol (specification, sections 5.3.15 to 5.3.17). */
import { ShareCheck, Target } from "@sluice/core"
import type { Mining } from "@sluice/protocol"
import { BIP320_MASK, type Client } from "@sluice/stratum-v1"

export interface PoolJob {
  /** The id of the job in V2. */
  readonly id: number
  readonly job: Client.Job
  readonly versionRollingAllowed: boolean
  /** What the pool credits for a share. */
  readonly difficulty: number
  /** The number of the previous hash. */
  readonly epoch: number
}

/** 2^53 times difficulty 1: sums of such difficulties fit the U64 of an acknowledgement. */
const MAX_DIFFICULTY = 2 ** 53

/** The difficulty of a pool's target. A pool can claim any difficulty, so it is bounded. */
export const creditOf = (target: Uint8Array): number => Math.min(MAX_DIFFICULTY, Target.targetToDifficulty(target, 0))

/**
 * Whether miners may roll the version. V2 has no mask: its miners may then set the bits of BIP323 (5.3.16). Nearly all pools grant
 * BIP320's, which is what hardware rolls, so those are enough; the translator refuses a share that sets others.
 */
export const allowsVersionRolling = (mask: number): boolean => (mask & BIP320_MASK) === BIP320_MASK

/** NewExtendedMiningJob for a channel or a group; a future job without `minNtime`. */
export const extendedJob = (
  { id, job: { notify }, versionRollingAllowed }: PoolJob,
  channelId: number,
  minNtime: number | undefined
): Mining.NewExtendedMiningJob => ({
  _tag: "NewExtendedMiningJob",
  channelId,
  jobId: id,
  minNtime,
  version: notify.version,
  versionRollingAllowed,
  merklePath: notify.merklePath,
  coinbaseTxPrefix: notify.coinbasePrefix,
  coinbaseTxSuffix: notify.coinbaseSuffix
})

/** NewMiningJob for a standard channel with this part of extranonce2. */
export const standardJob = (
  { id, job: { extranonce1, notify } }: PoolJob,
  channelId: number,
  minNtime: number | undefined,
  extranonce2: Uint8Array
): Mining.NewMiningJob => {
  const { coinbasePrefix, coinbaseSuffix, merklePath, version } = notify
  const path = merklePath.length === 0 ? NO_PATH : Buffer.concat(merklePath)
  check.merkleRoot(coinbasePrefix, extranonce1, extranonce2, coinbaseSuffix, path, merklePath.length)
  return { _tag: "NewMiningJob", channelId, jobId: id, minNtime, version, merkleRoot: check.root.slice() }
}

/** SetNewPrevHash for a channel or a group that got the job as a future job. */
export const newPrevHash = ({ id, job: { notify } }: PoolJob, channelId: number): Mining.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  channelId,
  jobId: id,
  prevHash: notify.prevHash,
  minNtime: notify.ntime,
  nbits: notify.nbits
})

const NO_PATH = new Uint8Array(0)
const check = new ShareCheck()
