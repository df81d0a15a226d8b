/**
 * Work as a whole number: the hashes that a share, or a block, takes on average. It comes from the target that had to be met, never
 * from the hash that was found. 2^256 / (target + 1), as Bitcoin Core counts the work of a chain.
 */
import { u256FromBytes } from "@sluice/channels"
import { Target } from "@sluice/core"

/** The work of one hash at or below a target of 32 bytes, least significant first. */
export const workOfTarget = (target: Uint8Array): bigint => ALL_HASHES / (u256FromBytes(target) + 1n)

/** The work of a share that is credited with this difficulty. The same number always gives the same work. */
export const workOfDifficulty = (difficulty: number): bigint => {
  const target = new Uint8Array(32)
  Target.difficultyToTarget(difficulty, target, 0)
  return workOfTarget(target)
}

const ALL_HASHES = 1n << 256n
