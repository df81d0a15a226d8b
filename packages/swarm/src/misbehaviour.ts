/** Shares that an honest miner does not send. */
import { ShareCheck } from "@sluice/core"
import type { FoundShare } from "@sluice/miner"
import { merkleRootOf } from "@sluice/miner"
import type { Misbehaviour } from "./options.ts"
import type { SwarmChannel } from "./channel.ts"

export type BadShare = Exclude<keyof Misbehaviour, "slow">

const KINDS: ReadonlyArray<BadShare> = ["stale", "duplicate", "lowDifficulty", "garbage"]

/** Which misbehaviour the next share is, if any; `random` is from 0 to 1. */
export const chooseBad = (misbehaviour: Misbehaviour, random: number): BadShare | undefined => {
  let at = random * 100
  for (const kind of KINDS) {
    at -= misbehaviour[kind]
    if (at < 0) return kind
  }
  return undefined
}

/** A share of that kind, `undefined` where there is none yet: nothing was sent before, or every hash meets the target. */
export const badShare = (channel: SwarmChannel, kind: Exclude<BadShare, "garbage">): FoundShare | undefined => {
  switch (kind) {
    case "stale":
      return channel.lastOfBlockBefore
    case "duplicate":
      return channel.lastSent
    case "lowDifficulty":
      return missingShare(channel)
  }
}

/** The first nonces are as good as any: so many are tried for one that misses the target. */
const TRIES = 64

const missingShare = ({ work }: SwarmChannel): FoundShare | undefined => {
  if (work === undefined) return undefined
  const extranonce = new Uint8Array(work._tag === "ExtendedWork" ? work.extranonceSize : 0)
  const root = work._tag === "ExtendedWork" ? merkleRootOf(check, work, extranonce) : work.merkleRoot
  for (let nonce = 0; nonce < TRIES; nonce++) {
    check.hash(work.version, work.prevHash, root, work.minNtime, work.nbits, nonce)
    if (check.meets(work.target, 0)) continue
    const { channelId, jobId, minNtime, version } = work
    return { channelId, jobId, version, ntime: minNtime, nonce, extranonce }
  }
  return undefined
}

const check = new ShareCheck()

/** A frame whose header says SubmitSharesStandard and whose payload is three bytes long. */
export const GARBAGE = Uint8Array.of(0x00, 0x80, 0x1a, 3, 0, 0, 0xde, 0xad, 0x00)
