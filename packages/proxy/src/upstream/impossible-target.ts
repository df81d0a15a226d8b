/** Finds targets of an upstream that no share can meet. */
import { Target } from "@sluice/core"

/** A target below it takes 2^128 hashes or more for one share. */
const LEAST_TARGET = new Uint8Array(32).fill(1, 16, 17)

/** Why no share can meet the target; `undefined` for a possible one. */
export const impossibleTarget = (target: Uint8Array): string | undefined => {
  if (Target.compareU256(target, 0, LEAST_TARGET, 0) >= 0) return undefined
  const hex = Buffer.from(target.toReversed()).toString("hex")
  return `its target ${hex} takes more than 2^128 hashes, so no share can meet it`
}
