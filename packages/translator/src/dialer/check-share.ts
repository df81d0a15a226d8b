/** Why a share cannot be said in a submit of V1. Everything else is for the pool to decide. */
import { ErrorCode, type Mining } from "@sluice/protocol"
import type { PoolChannel } from "./pool-channel.ts"
import type { PoolJobs } from "./pool-jobs.ts"

export type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

const codes = ErrorCode.submitShares

/** The error code, or `undefined`. */
export const refusalOfShare = (share: Share, channel: PoolChannel | undefined, jobs: PoolJobs): string | undefined => {
  const kind = share._tag === "SubmitSharesStandard" ? "standard" : "extended"
  if (channel?.kind !== kind) return codes.invalidChannelId
  if (!jobs.hasMade(share.jobId, channel.firstJobId)) return codes.invalidJobId
  const poolJob = jobs.get(share.jobId)
  if (poolJob === undefined) return codes.staleShare
  if (share._tag === "SubmitSharesExtended" && share.extranonce.length !== channel.lease.rollableSize) {
    return codes.badExtranonceSize
  }
  const { notify, versionMask } = poolJob.job
  const changed = share.version ^ notify.version
  if (changed === 0) return undefined
  if (!poolJob.versionRollingAllowed) return codes.versionRollingNotAllowed
  return (changed & ~versionMask) === 0 ? undefined : codes.invalidNonRollableVersionBit
}
