/**
 * Shares that a miner may send in good faith and that its channel does not take. A miner is told a difficulty that is rounded
 * down, and some firmware is a job late to apply a higher one. Such a share is answered with true, and goes no further: a refusal
 * would make the miner's operator, or the firmware, think that something is wrong, and it is not worth the channel's difficulty.
 */
import { ShareCheck, Target } from "@sluice/core"
import { type Server, targetOfDifficulty } from "@sluice/stratum-v1"
import type { JobOrigin } from "./shared-jobs.ts"

/** Difficulties that differ by less are the same: a miner is told 53 bits. */
const ROUNDING = 2 ** -40

const check = new ShareCheck()

export class EasyShares {
  #held: Server.HeldJob<JobOrigin> | undefined
  /** The target that the miner may go by where it is easier than the channel's; undefined where it is the same. */
  #easyTarget: Uint8Array | undefined

  /** Whether the share meets what the miner was told, but not the channel's target; a block never is. */
  has({ extranonce2, held, nonce, ntime, version }: Server.Submit<JobOrigin>): boolean {
    if (held !== this.#held) {
      this.#held = held
      this.#easyTarget = easyTargetOf(held)
    }
    if (this.#easyTarget === undefined || held.target === undefined) return false
    const { notify, work } = held.job
    const before = Buffer.concat([held.coinbaseInsert, held.extranonce1])
    const { coinbasePrefix, coinbaseSuffix, merklePath, nbits, prevHash } = notify
    check.merkleRoot(coinbasePrefix, before, extranonce2, coinbaseSuffix, work.path, merklePath.length)
    check.hash(version, prevHash, check.root, ntime, nbits, nonce)
    return !check.meets(held.target, 0) && !check.meets(work.networkTarget, 0) && check.meets(this.#easyTarget, 0)
  }
}

const easyTargetOf = ({ easiestDifficulty, target }: Server.HeldJob<JobOrigin>): Uint8Array | undefined =>
  target !== undefined && easiestDifficulty < Target.targetToDifficulty(target, 0) * (1 - ROUNDING)
    ? targetOfDifficulty(easiestDifficulty)
    : undefined
