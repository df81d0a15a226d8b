/** Channels of a miner, for scripts: opens them, waits for work, and mines with the core's hasher (5.3). */
import { Header, ShareCheck, Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { Effect, type Scope } from "effect"
import type { Peer } from "../peer.ts"
import type { Kit } from "../rule.ts"
import { setUp } from "./setup-session.ts"
import { RuleBroken, RuleSkipped } from "../verdict.ts"

export const MAX_TARGET = new Uint8Array(32).fill(0xff)
export const ZERO_TARGET = new Uint8Array(32)

export type ChannelKind = "standard" | "extended"

export interface OpenOptions {
  readonly requestId?: number
  readonly maxTarget?: Uint8Array
  readonly nominalHashRate?: number
  readonly minExtranonceSize?: number
}

/** A frame that requests a channel. */
export const openFrame = (kit: Kit, kind: ChannelKind, options: OpenOptions = {}): Uint8Array => {
  const {
    maxTarget = MAX_TARGET,
    minExtranonceSize = 2,
    nominalHashRate = kit.nominalHashRate,
    requestId = 1
  } = options
  const common = { requestId, userIdentity: kit.userIdentity, nominalHashRate, maxTarget }
  return kind === "standard"
    ? Mining.OpenStandardMiningChannel.codec.encode(Mining.OpenStandardMiningChannel.make(common))
    : Mining.OpenExtendedMiningChannel.codec.encode(
        Mining.OpenExtendedMiningChannel.make({ ...common, minExtranonceSize })
      )
}

export type Opened = Mining.OpenStandardMiningChannelSuccess | Mining.OpenExtendedMiningChannelSuccess

/** Requests a channel on a connection that is set up, and waits for its Success. */
export const openOn = Effect.fnUntraced(function* (kit: Kit, peer: Peer, kind: ChannelKind, options?: OpenOptions) {
  yield* peer.send(openFrame(kit, kind, options))
  const answer = yield* peer.expect(
    kind === "standard" ? Mining.OpenStandardMiningChannelSuccess : Mining.OpenExtendedMiningChannelSuccess,
    Mining.OpenMiningChannelError
  )
  if (answer._tag !== "OpenMiningChannel.Error") return answer
  return yield* new RuleBroken({
    expected: `an open ${kind} channel`,
    came: `OpenMiningChannel.Error "${answer.errorCode}"`
  })
})

/** Sets up a connection. Skips the rule if it needs a standard channel and the server has none (5.3.1). */
export const setUpFor = Effect.fnUntraced(function* (kit: Kit, kind: ChannelKind, flags = 0) {
  const setup = yield* setUp(kit, flags)
  if (kind === "standard" && (setup.flags & Mining.REQUIRES_EXTENDED_CHANNELS) !== 0) {
    return yield* new RuleSkipped({ why: "the server has no standard channels (REQUIRES_EXTENDED_CHANNELS)" })
  }
  return setup
})

export type Job = Mining.NewMiningJob | Mining.NewExtendedMiningJob

/** An open channel with its first job and previous hash. */
export interface WorkingChannel {
  readonly peer: Peer
  readonly kind: ChannelKind
  readonly opened: Opened
  readonly channelId: number
  readonly extranonceSize: number
  readonly job: Job
  readonly prevHash: Mining.SetNewPrevHash
  /** The flags of SetupConnection.Success. */
  readonly serverFlags: number
}

/** Whether the message is for this channel, by the channel's id or its group's. */
export const isFor = ({ channelId, groupChannelId }: Opened, message: { readonly channelId: number }): boolean =>
  message.channelId === channelId || message.channelId === groupChannelId

/** The next job for the channel. */
export const nextJob = Effect.fnUntraced(function* (peer: Peer, opened: Opened): Effect.fn.Return<Job, RuleBroken> {
  while (true) {
    const job = yield* peer.expect(Mining.NewMiningJob, Mining.NewExtendedMiningJob)
    if (isFor(opened, job)) return job
  }
})

/** The next previous hash for the channel. */
export const nextPrevHash = Effect.fnUntraced(function* (
  peer: Peer,
  opened: Opened
): Effect.fn.Return<Mining.SetNewPrevHash, RuleBroken> {
  while (true) {
    const prevHash = yield* peer.expect(Mining.SetNewPrevHash)
    if (isFor(opened, prevHash)) return prevHash
  }
})

/** Connects, opens a channel and waits for its first work. */
export const openChannel = Effect.fnUntraced(function* (
  kit: Kit,
  kind: ChannelKind,
  flags = 0
): Effect.fn.Return<WorkingChannel, RuleBroken | RuleSkipped, Scope.Scope> {
  const { flags: serverFlags, peer } = yield* setUpFor(kit, kind, flags)
  const opened = yield* openOn(kit, peer, kind)
  return yield* workOn(peer, kind, opened, serverFlags)
})

/** Waits for the first work of a channel that was just opened: a job and the SetNewPrevHash that names it. */
export const workOn = Effect.fnUntraced(function* (
  peer: Peer,
  kind: ChannelKind,
  opened: Opened,
  serverFlags: number
): Effect.fn.Return<WorkingChannel, RuleBroken> {
  const jobs = new Map<number, Job>()
  const { channelId } = opened
  const extranonceSize = opened._tag === "OpenExtendedMiningChannel.Success" ? opened.extranonceSize : 0
  while (true) {
    const next = yield* peer.expect(Mining.NewMiningJob, Mining.NewExtendedMiningJob, Mining.SetNewPrevHash)
    if (!isFor(opened, next)) continue
    if (next._tag !== "SetNewPrevHash") {
      jobs.set(next.jobId, next)
      continue
    }
    const job = jobs.get(next.jobId)
    if (job !== undefined) return { peer, kind, opened, channelId, extranonceSize, job, prevHash: next, serverFlags }
    const came = `SetNewPrevHash for job ${next.jobId}; jobs sent: ${[...jobs.keys()].join(", ") || "none"}`
    return yield* new RuleBroken({ expected: "SetNewPrevHash for a job that was sent", came })
  }
})

/** The merkle root of a channel's job (5.3.16). */
export const merkleRootOf = ({ job, opened }: WorkingChannel, extranonce: Uint8Array): Uint8Array => {
  if (job._tag === "NewMiningJob") return job.merkleRoot
  const check = new ShareCheck()
  const path = new Uint8Array(Buffer.concat(job.merklePath))
  const { coinbaseTxPrefix, coinbaseTxSuffix, merklePath } = job
  check.merkleRoot(coinbaseTxPrefix, opened.extranoncePrefix, extranonce, coinbaseTxSuffix, path, merklePath.length)
  return check.root.slice()
}

export interface MineOptions {
  /** Looks for a hash that misses the channel's target instead of one that meets it. */
  readonly miss?: boolean
  readonly firstNonce?: number
  readonly sequenceNumber?: number
  /** Fields of the share that differ from the job. The hash is computed with them. */
  readonly changes?: Partial<Share>
}

export type Share = Mining.SubmitSharesExtended

const BATCH = 50_000

/** Looks for a share of the channel's job. Skips the rule if `maxHashes` hashes do not contain one. */
export const mine = Effect.fnUntraced(function* (
  kit: Kit,
  channel: WorkingChannel,
  { changes = {}, firstNonce = 0, miss = false, sequenceNumber = 1 }: MineOptions = {}
): Effect.fn.Return<Share, RuleSkipped> {
  const { channelId, job, opened, prevHash } = channel
  const { extranonce, ntime, version } = { ...plainShare(channel), ...changes }
  const header = new Uint8Array(Header.HEADER_SIZE)
  Header.writeHeader(
    header,
    0,
    version,
    prevHash.prevHash,
    0,
    merkleRootOf(channel, extranonce),
    0,
    ntime,
    prevHash.nbits,
    0
  )
  const hasher = new Header.HeaderHasher()
  hasher.load(header, 0)
  const share = (nonce: number): Share =>
    Mining.SubmitSharesExtended.make({
      channelId: changes.channelId ?? channelId,
      sequenceNumber,
      jobId: changes.jobId ?? job.jobId,
      nonce,
      ntime,
      version,
      extranonce
    })
  const { target } = opened
  if (miss) {
    const hash = new Uint8Array(32)
    for (let nonce = firstNonce; nonce < firstNonce + 10_000; nonce++) {
      hasher.hash(nonce, hash, 0)
      // Far above the target, so that the share misses even if the server has just made the target easier.
      if (Target.compareU256(hash, 0, target, 0) > 0 && hash[31]! >= 0x80) return share(nonce)
    }
    return yield* new RuleSkipped({ why: "every hash meets the channel's target" })
  }
  for (let nonce = firstNonce; nonce - firstNonce < kit.maxHashes; nonce += BATCH) {
    const offset = hasher.search(nonce, BATCH, target, 0)
    if (offset >= 0) return share(nonce + offset)
    yield* Effect.yieldNow
  }
  return yield* new RuleSkipped({ why: `no share among ${kit.maxHashes} hashes: the channel's target is too hard` })
})

/** The fields of a share that its job determines. */
export const plainShare = ({ extranonceSize, job, prevHash }: WorkingChannel) => ({
  version: job.version,
  ntime: Math.max(prevHash.minNtime, job.minNtime ?? 0),
  extranonce: new Uint8Array(extranonceSize)
})

/** A frame that submits the share on a channel of this kind. */
export const shareFrame = (kind: ChannelKind, share: Share, changes: Partial<Share> = {}): Uint8Array => {
  const { channelId, extranonce, jobId, nonce, ntime, sequenceNumber, version } = { ...share, ...changes }
  const common = { channelId, sequenceNumber, jobId, nonce, ntime, version }
  return kind === "standard"
    ? Mining.SubmitSharesStandard.codec.encode(Mining.SubmitSharesStandard.make(common))
    : Mining.SubmitSharesExtended.codec.encode(Mining.SubmitSharesExtended.make({ ...common, extranonce }))
}
