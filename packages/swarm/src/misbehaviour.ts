/** Shares that an honest miner does not send. */
import type { PendingShare, Work } from "@sluice/channels"
import { ShareCheck } from "@sluice/core"
import { type FoundShare, merkleRootOf } from "@sluice/miner"
import { type ForeignMessage, Mining } from "@sluice/protocol"

/** What the swarm does that an honest miner does not, each in percent. */
export interface Misbehaviour {
  /** Of the shares: again one of the block before the last, where there is one. */
  readonly stale: number
  /** Of the shares: the last one once more. */
  readonly duplicate: number
  /** Of the shares: a hash that misses the target. */
  readonly lowDifficulty: number
  /** Of the shares: bytes that are no message. The server ends the connection, and the swarm connects again. */
  readonly garbage: number
  /** Of the connections: they read once a minute. */
  readonly slow: number
}

export const HONEST: Misbehaviour = { stale: 0, duplicate: 0, lowDifficulty: 0, garbage: 0, slow: 0 }

export type BadShare = Exclude<keyof Misbehaviour, "slow">

/** A share that was sent although an honest miner would not. */
export interface PendingBadShare extends PendingShare {
  readonly bad: BadShare
}

/** The state of a channel that such shares are made from. */
export interface ShareSource {
  readonly work: Work | undefined
  readonly lastSent: FoundShare | undefined
  /** The last share of the block before. */
  readonly lastOfBlockBefore: FoundShare | undefined
}

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
export const badShare = (channel: ShareSource, kind: Exclude<BadShare, "garbage">): FoundShare | undefined => {
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

const missingShare = ({ work }: ShareSource): FoundShare | undefined => {
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

/** A frame whose header says SubmitSharesStandard and whose payload ends behind the channel's id. */
export const GARBAGE: ForeignMessage = {
  _tag: "ForeignMessage",
  extension: 0,
  type: Mining.SubmitSharesStandard.type,
  channelId: 0xdead,
  content: new Uint8Array(0)
}
