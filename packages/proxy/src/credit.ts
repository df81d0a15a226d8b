import { Target } from "@sluice/core"

/**
 * The difficulty that an upstream credits a share with: that of its channel's target, or the network's if that is less, as on a test
 * chain, where a hash may be a block and no share.
 */
export const creditOf = (target: Uint8Array, nbits: number): number => {
  const difficulty = Target.targetToDifficulty(target, 0)
  const network = new Uint8Array(32)
  if (!Target.nBitsToTarget(nbits | 0, network, 0)) return difficulty
  return Math.min(difficulty, Target.targetToDifficulty(network, 0))
}
