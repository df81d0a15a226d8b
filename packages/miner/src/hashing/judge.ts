/**
 * Checks a share of a worker: hashes it again, from the work. Filters wrong shares of a faulty worker, and finds out whether the
 * share is a block.
 */
import type { ChannelWork } from "@sluice/channels"
import { ShareCheck, Target } from "@sluice/core"
import { type FoundShare, merkleRootOf } from "./search.ts"

export interface JudgedShare {
  readonly share: FoundShare
  readonly work: ChannelWork
  /** Internal byte order. */
  readonly hash: Uint8Array
  readonly difficulty: number
  /** The hash meets the network's target. */
  readonly isBlock: boolean
}

export class Judge {
  readonly #check = new ShareCheck()
  readonly #networkTarget = new Uint8Array(32)

  /** Gives the hash; `undefined` if it is above the work's target. */
  judge(work: ChannelWork, share: FoundShare): JudgedShare | undefined {
    const check = this.#check
    const root = work._tag === "StandardWork" ? work.merkleRoot : merkleRootOf(check, work, share.extranonce)
    check.hash(share.version, work.prevHash, root, share.ntime, work.nbits, share.nonce)
    if (!check.meets(work.target, 0)) return undefined
    const hash = check.digest.slice()
    const isBlock =
      Target.nBitsToTarget(work.nbits, this.#networkTarget, 0) &&
      Target.compareU256(hash, 0, this.#networkTarget, 0) <= 0
    return { share, work, hash, difficulty: Target.targetToDifficulty(hash, 0), isBlock }
  }
}
