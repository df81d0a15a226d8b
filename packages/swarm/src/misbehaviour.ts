/** Bad shares, which an honest miner does not send. */
import type { PendingShare, ChannelWork } from "@sluice/channels"
import { ShareCheck } from "@sluice/core"
import { type FoundShare, merkleRootOf } from "@sluice/miner"
import { type ForeignMessage, Mining } from "@sluice/protocol"

/** How often the swarm misbehaves, in percent. */
export interface Misbehaviour {
  /** Of the shares: a share of the previous block again, if there is one. */
  readonly stale: number
  /** Of the shares: the last share again. */
  readonly duplicate: number
  /** Of the shares: a hash that misses the target. */
  readonly lowDifficulty: number
  /** Of the shares: bytes that are not a message. The server ends the connection, and the swarm connects again. */
  readonly garbage: number
  /** Of the connections: those that read only once a minute. */
  readonly slow: number
}

export const HONEST: Misbehaviour = { stale: 0, duplicate: 0, lowDifficulty: 0, garbage: 0, slow: 0 }

export type BadShare = Exclude<keyof Misbehaviour, "slow">

/** A bad share that was sent. */
export interface PendingBadShare extends PendingShare {
  readonly bad: BadShare
}

/** The part of a channel that bad shares are made from. */
export interface ShareSource {
  readonly work: ChannelWork | undefined
  readonly lastSent: FoundShare | undefined
  /** The last share of the block before. */
  readonly lastOfBlockBefore: FoundShare | undefined
}

const KINDS: ReadonlyArray<BadShare> = ["stale", "duplicate", "lowDifficulty", "garbage"]

/** The kind of bad share to send next, if any; `random` is from 0 to 1. */
export const chooseBad = (misbehaviour: Misbehaviour, random: number): BadShare | undefined => {
  let at = random * 100
  for (const kind of KINDS) {
    at -= misbehaviour[kind]
    if (at < 0) return kind
  }
  return undefined
}

/** A bad share of this kind. `undefined` if none can be made: no share was sent before, or every hash meets the target. */
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

/** How many nonces to try for a hash that misses the target. */
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

/** A frame with the header of SubmitSharesStandard whose payload ends behind the channel's id. */
export const GARBAGE: ForeignMessage = {
  _tag: "ForeignMessage",
  extension: 0,
  type: Mining.SubmitSharesStandard.type,
  channelId: 0xdead,
  content: new Uint8Array(0)
}
