/**
 * The kit's side of one mining connection (5): a small server that gives a client easy work and records it. Scripts make all
 * their messages here, so that the record is complete before the client can answer. Pure but for random bytes.
 */
import { coinbasePrefix, coinbaseTags, splitCoinbase } from "@sluice/bitcoin"
import { Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { Result } from "effect"
import { ChannelBook, rootOf } from "./channel-book.ts"
import type { ToServer } from "../conduct.ts"
import type { Ledger } from "../ledger.ts"
import { judgeClose, judgeOpen, judgeShare, judgeUpdate } from "./mining-judge.ts"

export interface MiningBooksOptions {
  readonly ledger: Ledger
  /** Shares a minute that each channel's target aims at, for the hash rate that the client announces. */
  readonly sharesPerMinute: number
  /** The flags of SetupConnection. */
  readonly clientFlags: number
  /** The flags of SetupConnection.Success. */
  readonly serverFlags: number
  readonly random: (size: number) => Uint8Array
}

export class MiningBooks {
  readonly channels = new Map<number, ChannelBook>()
  /** How many of the next valid shares to refuse. */
  refuseNext = 0
  /** Whether to refuse requests to open a channel. */
  refuseToOpen = false
  readonly options: MiningBooksOptions
  /** The channel of the latest share. */
  lastShareOn = 0
  /** All request ids so far: a client may use each once on a connection (5.3.2). */
  readonly requestIds = new Set<number>()
  private lastChannelId = 0
  private lastJobId = 0
  private prefixes = 0

  constructor(options: MiningBooksOptions) {
    this.options = options
  }

  /** The open channels. */
  get open(): ReadonlyArray<ChannelBook> {
    return [...this.channels.values()].filter(({ closed }) => closed === undefined)
  }

  get requiresStandardJobs(): boolean {
    return (this.options.clientFlags & Mining.REQUIRES_STANDARD_JOBS) !== 0
  }

  get hasFixedVersion(): boolean {
    return (this.options.serverFlags & Mining.REQUIRES_FIXED_VERSION) !== 0
  }

  /** Judges a message and gives the answers to it. */
  receive(message: ToServer, now: number): ReadonlyArray<Uint8Array> {
    const { ledger } = this.options
    switch (message._tag) {
      case "OpenStandardMiningChannel":
      case "OpenExtendedMiningChannel":
        judgeOpen(ledger, this, message)
        if (this.requestIds.size < MAX_REQUESTS) this.requestIds.add(message.requestId)
        return this.answerOpen(message, now)
      case "SubmitSharesStandard":
      case "SubmitSharesExtended": {
        const channel = this.channels.get(message.channelId)
        const { channelId, sequenceNumber } = message
        this.lastShareOn = channelId
        const errorCode = judgeShare(ledger, channel, message, now)
        if (this.refuseNext > 0 && errorCode === undefined) {
          this.refuseNext--
          return [errorFrame(channelId, sequenceNumber, "conformance-test-refusal")]
        }
        if (errorCode !== undefined) return [errorFrame(channelId, sequenceNumber, errorCode)]
        return [successFrame(channelId, sequenceNumber, channel!.target)]
      }
      case "UpdateChannel":
        judgeUpdate(ledger, this.channels.get(message.channelId), message)
        return this.answerUpdate(message)
      case "CloseChannel":
        judgeClose(ledger, this.isKnown(message.channelId), message)
        for (const channel of this.membersOf(message.channelId)) channel.closed ??= "by-client"
        return []
      case "SetCustomMiningJob": {
        const { channelId, requestId } = message
        const errorCode = "jd-not-supported"
        const error = Mining.SetCustomMiningJobError.make({ channelId, requestId, errorCode })
        return [Mining.SetCustomMiningJobError.codec.encode(error)]
      }
      default:
        return []
    }
  }

  /** Makes a job for a channel, or for all channels of a group. Gives its id and its frame. */
  job(address: number, { future = false, versionRolling = true, trailing = 0 } = {}, now: number) {
    const jobId = ++this.lastJobId
    const members = this.membersOf(address)
    const minNtime = future ? undefined : Math.max(0, ...members.map((channel) => ntimeOf(channel, now)))
    const allowed = versionRolling && !this.hasFixedVersion
    const extended = this.extendedJob(address, jobId, minNtime, allowed)
    const [only] = members
    if (only?.id === address && only.kind === "standard") {
      const merkleRoot = rootOf(extended, only.prefix, NOTHING)
      const job = Mining.NewMiningJob.make({ channelId: address, jobId, minNtime, version: VERSION, merkleRoot })
      only.addJob(job, !this.hasFixedVersion, now)
      return { jobId, frame: lengthened(Mining.NewMiningJob.codec.encode(job), trailing) }
    }
    for (const channel of members) channel.addJob(extended, allowed, now)
    return { jobId, frame: lengthened(Mining.NewExtendedMiningJob.codec.encode(extended), trailing) }
  }

  /** Makes a SetNewPrevHash with a random previous hash, which names a future job. */
  newPrevHash(address: number, jobId: number, now: number): Uint8Array {
    const message = Mining.SetNewPrevHash.make({
      channelId: address,
      jobId,
      prevHash: this.options.random(32),
      minNtime: Math.floor(now / 1000),
      nbits: 0x1d00ffff
    })
    for (const channel of this.membersOf(address)) channel.setPrevHash(message, now)
    return Mining.SetNewPrevHash.codec.encode(message)
  }

  setTarget(address: number, maximumTarget: Uint8Array): Uint8Array {
    for (const channel of this.membersOf(address)) channel.setTarget(maximumTarget)
    return Mining.SetTarget.codec.encode(Mining.SetTarget.make({ channelId: address, maximumTarget }))
  }

  /** Makes a SetExtranoncePrefix with a new prefix of the same size. */
  setPrefix(channel: ChannelBook): Uint8Array {
    channel.prefix = this.newPrefix(channel.prefix.length)
    const message = { channelId: channel.id, extranoncePrefix: channel.prefix }
    return Mining.SetExtranoncePrefix.codec.encode(Mining.SetExtranoncePrefix.make(message))
  }

  /** Makes a SetGroupChannel that moves all open channels into another group. */
  setGroup(groupChannelId: number): Uint8Array {
    const channelIds = this.open.map((channel) => {
      channel.groupId = groupChannelId
      return channel.id
    })
    return Mining.SetGroupChannel.codec.encode(Mining.SetGroupChannel.make({ groupChannelId, channelIds }))
  }

  close(channel: ChannelBook): Uint8Array {
    channel.closed = "by-us"
    const message = { channelId: channel.id, reasonCode: "conformance-test" }
    return Mining.CloseChannel.codec.encode(Mining.CloseChannel.make(message))
  }

  /** The open channels that a message to this channel or group id is for. */
  membersOf(address: number): ReadonlyArray<ChannelBook> {
    return this.open.filter(({ groupId, id }) => id === address || groupId === address)
  }

  /** Sets a target for the new hash rate, at most the maximum target that the client asks for. */
  private answerUpdate({ channelId, maximumTarget, nominalHashRate }: Mining.UpdateChannel): ReadonlyArray<Uint8Array> {
    if (this.membersOf(channelId).length === 0) {
      const error = Mining.UpdateChannelError.make({ channelId, errorCode: "invalid-channel-id" })
      return [Mining.UpdateChannelError.codec.encode(error)]
    }
    return [this.setTarget(channelId, targetFor(nominalHashRate, this.options.sharesPerMinute, maximumTarget))]
  }

  /** Whether the client may still close this channel or group: CloseChannel of both sides may cross on the way. */
  private isKnown(address: number): boolean {
    return [...this.channels.values()].some(
      ({ closed, groupId, id }) => closed !== "by-client" && (id === address || groupId === address)
    )
  }

  private answerOpen(
    message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
    now: number
  ): ReadonlyArray<Uint8Array> {
    const { requestId } = message
    const isExtended = message._tag === "OpenExtendedMiningChannel"
    const extranonceSize = isExtended ? Math.max(message.minExtranonceSize, USUAL_EXTRANONCE) : 0
    const { serverFlags } = this.options
    const refused =
      this.refuseToOpen ||
      extranonceSize > FULL_EXTRANONCE - SHORTEST_PREFIX ||
      (isExtended && this.requiresStandardJobs) ||
      (!isExtended && (serverFlags & Mining.REQUIRES_EXTENDED_CHANNELS) !== 0)
    if (refused || this.channels.size >= MAX_CHANNELS) {
      const error = Mining.OpenMiningChannelError.make({ requestId, errorCode: "conformance-test-refusal" })
      return [Mining.OpenMiningChannelError.codec.encode(error)]
    }
    const channelId = ++this.lastChannelId
    const success = {
      requestId,
      channelId,
      target: targetFor(message.nominalHashRate, this.options.sharesPerMinute, message.maxTarget),
      extranoncePrefix: this.newPrefix(FULL_EXTRANONCE - extranonceSize),
      groupChannelId: FIRST_GROUP
    }
    this.channels.set(channelId, new ChannelBook(success, isExtended ? "extended" : "standard", extranonceSize))
    const opened = isExtended
      ? Mining.OpenExtendedMiningChannelSuccess.codec.encode(
          Mining.OpenExtendedMiningChannelSuccess.make({ ...success, extranonceSize })
        )
      : Mining.OpenStandardMiningChannelSuccess.codec.encode(Mining.OpenStandardMiningChannelSuccess.make(success))
    const { frame, jobId } = this.job(channelId, { future: true }, now)
    return [opened, frame, this.newPrevHash(channelId, jobId, now)]
  }

  private extendedJob(
    channelId: number,
    jobId: number,
    minNtime: number | undefined,
    versionRollingAllowed: boolean
  ): Mining.NewExtendedMiningJob {
    const { prefix, suffix } = Result.getOrThrow(
      splitCoinbase({
        version: 2,
        prefix: coinbasePrefix(840_000),
        // Makes the coinbase of each job different.
        tags: coinbaseTags("conformance", String(jobId)),
        extranonceSize: FULL_EXTRANONCE,
        sequence: 0xffffffff,
        outputs: [{ value: 312_500_000n, script: new Uint8Array([0x00, 0x14, ...new Uint8Array(20).fill(0x51)]) }],
        templateOutputs: NOTHING,
        templateOutputsCount: 0,
        lockTime: 0
      })
    )
    return Mining.NewExtendedMiningJob.make({
      channelId,
      jobId,
      minNtime,
      version: VERSION,
      versionRollingAllowed,
      merklePath: [this.options.random(32), this.options.random(32)],
      coinbaseTxPrefix: prefix,
      coinbaseTxSuffix: suffix
    })
  }

  private newPrefix(size: number): Uint8Array {
    const prefix = new Uint8Array(size)
    new DataView(prefix.buffer).setUint32(0, ++this.prefixes, true)
    return prefix
  }
}

const NOTHING = new Uint8Array(0)
const VERSION = 0x20000000
/** Bytes of the full extranonce. All channels have the same, so that they fit one group (5.2.3). */
const FULL_EXTRANONCE = 24
const USUAL_EXTRANONCE = 8
const SHORTEST_PREFIX = 4
/** Far above the ids of channels, with which groups share a namespace. */
const FIRST_GROUP = 0x10000
/** The most channels of one connection; a proxy may open many. */
const MAX_CHANNELS = 1024
/** The most request ids to remember. */
const MAX_REQUESTS = 65_536

/** The ntime to begin a job with: min_ntime of the previous hash and the seconds that have passed since. */
const ntimeOf = ({ prevHash }: ChannelBook, now: number): number =>
  prevHash === undefined ? 0 : prevHash.minNtime + Math.floor((now - prevHash.sentAt) / 1000)

/** The target at which this hash rate finds so many shares a minute. 2^32 hashes are difficulty 1. */
const targetFor = (hashesPerSecond: number, sharesPerMinute: number, maxTarget: Uint8Array): Uint8Array => {
  const target = new Uint8Array(32)
  const hashes = Number.isFinite(hashesPerSecond) ? Math.max(1, (hashesPerSecond * 60) / sharesPerMinute) : 1
  Target.difficultyToTarget(hashes / 2 ** 32, target, 0)
  return Target.compareU256(target, 0, maxTarget, 0) <= 0 ? target : maxTarget.slice()
}

/** The target divided by 2^bits. */
export const harder = (target: Uint8Array, bits: number): Uint8Array => {
  const number = BigInt(`0x${Buffer.from(target.toReversed()).toString("hex")}`) >> BigInt(bits)
  return new Uint8Array(Buffer.from(number.toString(16).padStart(64, "0"), "hex").toReversed())
}

const successFrame = (channelId: number, lastSequenceNumber: number, target: Uint8Array): Uint8Array => {
  const newSharesSum = BigInt(Math.round(Target.targetToDifficulty(target, 0)))
  const message = { channelId, lastSequenceNumber, newSubmitsAcceptedCount: 1, newSharesSum }
  return Mining.SubmitSharesSuccess.codec.encode(Mining.SubmitSharesSuccess.make(message))
}

const errorFrame = (channelId: number, sequenceNumber: number, errorCode: string): Uint8Array =>
  Mining.SubmitSharesError.codec.encode(Mining.SubmitSharesError.make({ channelId, sequenceNumber, errorCode }))

/** The frame with this many zero bytes behind the message's fields (3.4.3). */
const lengthened = (frame: Uint8Array, bytes: number): Uint8Array => {
  if (bytes === 0) return frame
  const longer = new Uint8Array(frame.length + bytes)
  longer.set(frame)
  new DataView(longer.buffer).setUint16(3, frame.length + bytes - 6, true)
  return longer
}
