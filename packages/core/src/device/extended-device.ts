/**
 * A device with an extended channel (5.2.2), or with a standard one that may be in a group (5.2.3): it makes its own merkle
 * roots from extended jobs. Without `isExtended`, and with REQUIRES_STANDARD_JOBS in its flags, it is a `StandardDevice`.
 */
import { copyBytes, readU32 } from "../bytes.ts"
import { COINBASE_OK, CoinbaseCheck } from "../coinbase.ts"
import { Curve } from "../curve.ts"
import { FRAME_HEADER_SIZE } from "../frame.ts"
import {
  NEW_EXTENDED_MINING_JOB,
  NewExtendedMiningJob,
  OPEN_EXTENDED_MINING_CHANNEL,
  OPEN_EXTENDED_MINING_CHANNEL_SUCCESS,
  OpenExtendedMiningChannel,
  OpenExtendedMiningChannelSuccess,
  OpenStandardMiningChannelSuccess,
  SET_GROUP_CHANNEL,
  SetGroupChannel,
  SUBMIT_SHARES_EXTENDED,
  SUBMIT_SHARES_EXTENDED_EXTENSION,
  SubmitSharesExtended
} from "../messages/mining.ts"
import { VERSION_MASK } from "../version.ts"
import {
  EVENT_FAILED,
  EVENT_GROUP_CHANGED,
  EVENT_JOB_QUEUED,
  EVENT_NEW_WORK,
  EVENT_NONE,
  IGNORED_CHANNEL,
  IGNORED_MESSAGE
} from "./event.ts"
import { ACTIVE_SLOT, ExtendedJobs, hasWitness, isStrippable } from "./extended-jobs.ts"
import {
  RULE_COINBASE,
  RULE_EXTENDED_JOB,
  RULE_EXTRANONCE_PREFIX_FOR_CHANNEL,
  RULE_FULL_EXTRANONCE_SIZE,
  RULE_KNOWN_REQUEST_ID,
  RULE_MINIMUM_EXTRANONCE_SIZE,
  RULE_NO_EXTENDED_JOBS,
  RULE_NO_GROUPS,
  RULE_STANDARD_JOB,
  RULE_STRIPPABLE_COINBASE,
  RULE_UNIQUE_GROUP_CHANNEL_ID,
  RULE_VERSION_IS_FIXED,
  RULE_VERSION_ROLLING_REQUIRED
} from "./rule.ts"
import { REQUIRES_FIXED_VERSION, REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING } from "./session.ts"
import { EXTRANONCE_AT, TEXT_USER } from "./settings.ts"
import { StandardDevice, SUBMIT_SENT } from "./standard-device.ts"

/** Prefix and extranonce together, in bytes (5.1.2.1). */
const MAX_FULL_EXTRANONCE: i32 = 32

export class ExtendedDevice extends StandardDevice {
  readonly extendedJobs: ExtendedJobs
  /** The kind of channel that `sendOpen` asks for. */
  isExtended: bool = false
  /** The least bytes of extranonce to request for an extended channel. */
  minExtranonceSize: i32 = 4
  /** Bytes of extranonce that this device rolls; 0 on a standard channel. */
  extranonceSize: i32 = 0

  private readonly openExtended: OpenExtendedMiningChannel = new OpenExtendedMiningChannel()
  private readonly extendedSuccess: OpenExtendedMiningChannelSuccess = new OpenExtendedMiningChannelSuccess()
  private readonly extendedJob: NewExtendedMiningJob = new NewExtendedMiningJob()
  private readonly newGroup: SetGroupChannel = new SetGroupChannel()
  private readonly extendedShare: SubmitSharesExtended = new SubmitSharesExtended()
  private readonly coinbase: CoinbaseCheck = new CoinbaseCheck()

  constructor(curve: Curve, maxPayload: i32) {
    super(curve, maxPayload)
    this.extendedJobs = new ExtendedJobs(maxPayload)
  }

  /** Sets the extranonce of the current work, `extranonceSize` bytes of `extranonce`, and the merkle root in its header. */
  rollExtranonce(extranonce: Uint8Array, at: i32): bool {
    if (this.extranonceSize === 0 || !this.work.isThere) return false
    this.extendedJobs.computeRoot(ACTIVE_SLOT, extranonce, at, this.extranonceSize)
    copyBytes(this.extendedJobs.root, 0, this.work.header, 36, 32)
    return true
  }

  /** Submits a share of an extended channel (5.3.12) with its extranonce; on a standard channel it is `submit`. */
  submitExtended(jobId: i32, nonce: i32, ntime: i32, version: i32, extranonce: Uint8Array, at: i32): i32 {
    if (!this.isExtended) return this.submit(jobId, nonce, ntime, version)
    const code: i32 = this.checkShare(jobId, ntime, version)
    if (code !== SUBMIT_SENT) return code
    copyBytes(extranonce, at, this.settings.source, EXTRANONCE_AT, this.extranonceSize)
    const message = this.extendedShare
    message.channelId = this.channelId
    message.sequenceNumber = this.countShare(jobId)
    message.jobId = jobId
    message.nonce = nonce
    message.ntime = ntime
    message.version = version
    message.extranonceAt = EXTRANONCE_AT
    message.extranonceLength = this.extranonceSize
    const frame = this.link.frame
    const end: i32 = message.encode(this.settings.source, frame, FRAME_HEADER_SIZE, frame.length)
    this.send(SUBMIT_SHARES_EXTENDED_EXTENSION, SUBMIT_SHARES_EXTENDED, end)
    return SUBMIT_SENT
  }

  override requiresStandardJobs(): bool {
    return !this.isExtended && (this.settings.flags & REQUIRES_STANDARD_JOBS) !== 0
  }

  override checkServerFlags(): i32 {
    return this.isExtended ? 0 : super.checkServerFlags()
  }

  override sendOpen(): void {
    if (!this.isExtended) {
      super.sendOpen()
      return
    }
    const message = this.openExtended
    const settings = this.settings
    message.requestId = this.requestId
    message.userIdentityAt = settings.textAt(TEXT_USER)
    message.userIdentityLength = settings.textLength(TEXT_USER)
    message.nominalHashRateBits = settings.nominalHashRateBits
    message.maxTargetAt = settings.maxTargetAt()
    message.minExtranonceSize = this.minExtranonceSize
    const frame = this.link.frame
    const end: i32 = message.encode(settings.source, frame, FRAME_HEADER_SIZE, frame.length)
    this.send(0, OPEN_EXTENDED_MINING_CHANNEL, end)
  }

  override forgetChannel(): void {
    super.forgetChannel()
    this.extranonceSize = 0
  }

  override forgetFutureJobs(): void {
    super.forgetFutureJobs()
    this.extendedJobs.clear()
  }

  override checkStandardOpened(message: OpenStandardMiningChannelSuccess): i32 {
    return this.isExtended ? RULE_KNOWN_REQUEST_ID : super.checkStandardOpened(message)
  }

  override checkGroup(channelId: i32, groupChannelId: i32): i32 {
    return !this.requiresStandardJobs() && channelId === groupChannelId ? RULE_UNIQUE_GROUP_CHANNEL_ID : 0
  }

  override checkStandardJob(channelId: i32): i32 {
    return this.isExtended ? RULE_STANDARD_JOB : super.checkStandardJob(channelId)
  }

  override checkPrefix(channelId: i32, length: i32): i32 {
    if (((length + this.extranonceSize) | 0) <= MAX_FULL_EXTRANONCE) return super.checkPrefix(channelId, length)
    return channelId === this.channelId ? RULE_FULL_EXTRANONCE_SIZE : RULE_EXTRANONCE_PREFIX_FOR_CHANNEL
  }

  override startFutureJob(slot: i32, jobId: i32): void {
    if (!this.isExtended) {
      super.startFutureJob(slot, jobId)
      return
    }
    const jobs = this.futureJobs
    this.extendedJobs.activate(slot)
    this.startExtended(jobId, jobs.versions[slot], jobs.masks[slot], this.prevHashNtime)
  }

  override receiveExtended(type: i32): i32 {
    if (type === NEW_EXTENDED_MINING_JOB) return this.receiveExtendedJob()
    if (type === OPEN_EXTENDED_MINING_CHANNEL_SUCCESS) return this.receiveExtendedOpened()
    return type === SET_GROUP_CHANNEL ? this.receiveGroup() : this.ignore(IGNORED_MESSAGE)
  }

  /** Starts the current extended job, with an extranonce of zeros. */
  private startExtended(jobId: i32, version: i32, mask: i32, ntime: i32): void {
    const jobs = this.extendedJobs
    this.settings.source.fill(0, EXTRANONCE_AT, this.settings.source.length)
    jobs.computeRoot(ACTIVE_SLOT, this.settings.source, EXTRANONCE_AT, this.extranonceSize)
    this.startWork(jobId, version, mask, jobs.root, 0, ntime)
  }

  private receiveExtendedOpened(): i32 {
    const link = this.link
    const message = this.extendedSuccess
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (this.failsBy(this.checkExtendedOpened(message))) return EVENT_FAILED
    this.extranonceSize = message.extranonceSize
    return this.opened(
      message.channelId,
      message.groupChannelId,
      message.targetAt,
      message.extranoncePrefixAt,
      message.extranoncePrefixLength,
      message.extranonceSize
    )
  }

  private checkExtendedOpened(message: OpenExtendedMiningChannelSuccess): i32 {
    if (!this.isExtended) return RULE_KNOWN_REQUEST_ID
    const rule: i32 = this.checkOpened(message.requestId, message.targetAt)
    if (rule !== 0) return rule
    if (message.extranonceSize < this.minExtranonceSize) return RULE_MINIMUM_EXTRANONCE_SIZE
    const fullSize: i32 = (message.extranonceSize + message.extranoncePrefixLength) | 0
    if (fullSize > MAX_FULL_EXTRANONCE) return RULE_FULL_EXTRANONCE_SIZE
    return this.checkGroup(message.channelId, message.groupChannelId)
  }

  private receiveExtendedJob(): i32 {
    const link = this.link
    const message = this.extendedJob
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isAddressed(message.channelId)) return this.ignore(IGNORED_CHANNEL)
    if (this.failsBy(this.checkExtendedJob(message))) return EVENT_FAILED
    const code: i32 = this.checkCoinbase(message)
    if (code !== COINBASE_OK) return this.fail(RULE_COINBASE, code)
    if (this.failsBy(this.checkJob(message.jobId, message.hasMinNtime === 1))) return EVENT_FAILED
    const mask: i32 = message.versionRollingAllowed === 1 ? VERSION_MASK : 0
    const isActive: bool = message.hasMinNtime === 1
    if (!this.isExtended) {
      // A group's job on a standard channel: the prefix is that of the job's arrival (5.3.10), and there is no more.
      this.keep(ACTIVE_SLOT, message)
      this.extendedJobs.computeRoot(ACTIVE_SLOT, this.settings.source, EXTRANONCE_AT, 0)
      return this.addJob(message.jobId, message.version, mask, this.extendedJobs.root, 0, isActive, message.minNtime)
    }
    if (!isActive) {
      this.keep(this.futureJobs.add(message.jobId, message.version, mask), message)
      return this.tellOfJob(EVENT_JOB_QUEUED, message.jobId)
    }
    this.keep(ACTIVE_SLOT, message)
    this.startExtended(message.jobId, message.version, mask, message.minNtime)
    return this.tellOfJob(EVENT_NEW_WORK, message.jobId)
  }

  private keep(slot: i32, message: NewExtendedMiningJob): void {
    this.extendedJobs.set(
      slot,
      this.futureJobs,
      this.link.input,
      message.coinbaseTxPrefixAt,
      message.coinbaseTxPrefixLength,
      this.extranoncePrefix,
      this.extranoncePrefixLength,
      message.coinbaseTxSuffixAt,
      message.coinbaseTxSuffixLength,
      message.merklePathAt,
      message.merklePathCount
    )
  }

  private checkExtendedJob(message: NewExtendedMiningJob): i32 {
    const input = this.link.input
    const mayRoll: bool = message.versionRollingAllowed === 1
    if (this.requiresStandardJobs()) return RULE_NO_EXTENDED_JOBS
    if (!this.isExtended && message.channelId === this.channelId) return RULE_EXTENDED_JOB
    if (!mayRoll && (this.settings.flags & REQUIRES_VERSION_ROLLING) !== 0) return RULE_VERSION_ROLLING_REQUIRED
    if (mayRoll && (this.serverFlags & REQUIRES_FIXED_VERSION) !== 0) return RULE_VERSION_IS_FIXED
    const strip: bool = hasWitness(input, message.coinbaseTxPrefixAt, message.coinbaseTxPrefixLength)
    if (strip && !isStrippable(input, message.coinbaseTxSuffixAt, message.coinbaseTxSuffixLength)) {
      return RULE_STRIPPABLE_COINBASE
    }
    return 0
  }

  /** What is wrong with a job's coinbase around this channel's extranonce, as a `COINBASE_` code. */
  private checkCoinbase(message: NewExtendedMiningJob): i32 {
    const input = this.link.input
    return this.coinbase.check(
      input,
      message.coinbaseTxPrefixAt,
      message.coinbaseTxPrefixLength,
      (this.extranoncePrefixLength + this.extranonceSize) | 0,
      input,
      message.coinbaseTxSuffixAt,
      message.coinbaseTxSuffixLength
    )
  }

  private receiveGroup(): i32 {
    const link = this.link
    const event = this.event
    const message = this.newGroup
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (this.requiresStandardJobs()) return this.fail(RULE_NO_GROUPS, 0)
    if (!this.isOpen()) return this.ignore(IGNORED_CHANNEL)
    if (message.groupChannelId === this.channelId) return this.fail(RULE_UNIQUE_GROUP_CHANNEL_ID, 0)
    let at: i32 = message.channelIdsAt
    for (let i: i32 = 0; i < message.channelIdsCount; i++) {
      if (readU32(link.input, at) === this.channelId) {
        if (this.groupChannelId === message.groupChannelId) return EVENT_NONE
        this.groupChannelId = message.groupChannelId
        event.begin(EVENT_GROUP_CHANGED)
        event.channelId = this.channelId
        event.groupChannelId = message.groupChannelId
        return event.kind
      }
      at = (at + 4) | 0
    }
    return this.ignore(IGNORED_CHANNEL)
  }
}
