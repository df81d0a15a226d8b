/**
 * The Mining Protocol on a device with one standard channel (5.2.1).
 *
 * The firmware connects, passes received bytes on, sends the link's output, and calls `next` for events until there is none. The
 * device requests its channel by itself, keeps its jobs, and checks the server's messages: a broken rule gives `EVENT_FAILED`
 * and ends the connection.
 */
import { copyBytes, isBelowU32, readU32 } from "../bytes.ts"
import { FRAME_HEADER_SIZE } from "../frame.ts"
import { writeHeader } from "../header.ts"
import {
  CLOSE_CHANNEL,
  CLOSE_CHANNEL_EXTENSION,
  CloseChannel,
  NEW_EXTENDED_MINING_JOB,
  NEW_MINING_JOB,
  NewMiningJob,
  OPEN_EXTENDED_MINING_CHANNEL_SUCCESS,
  OPEN_MINING_CHANNEL_ERROR,
  OPEN_STANDARD_MINING_CHANNEL,
  OPEN_STANDARD_MINING_CHANNEL_SUCCESS,
  OpenMiningChannelError,
  OpenStandardMiningChannel,
  OpenStandardMiningChannelSuccess,
  SET_EXTRANONCE_PREFIX,
  SET_GROUP_CHANNEL,
  SET_NEW_PREV_HASH,
  SET_TARGET,
  SetExtranoncePrefix,
  SetNewPrevHash,
  SetTarget,
  SUBMIT_SHARES_ERROR,
  SUBMIT_SHARES_STANDARD,
  SUBMIT_SHARES_STANDARD_EXTENSION,
  SUBMIT_SHARES_SUCCESS,
  SubmitSharesError,
  SubmitSharesStandard,
  SubmitSharesSuccess,
  UPDATE_CHANNEL,
  UPDATE_CHANNEL_ERROR,
  UPDATE_CHANNEL_EXTENSION,
  UpdateChannel,
  UpdateChannelError
} from "../messages/mining.ts"
import { compareU256 } from "../target.ts"
import { isVersionRolledWithin, VERSION_MASK } from "../version.ts"
import {
  EVENT_CHANNEL_CLOSED,
  EVENT_CHANNEL_OPEN,
  EVENT_EXTRANONCE_PREFIX,
  EVENT_FAILED,
  EVENT_JOB_QUEUED,
  EVENT_NEW_TARGET,
  EVENT_NEW_WORK,
  EVENT_OPEN_REFUSED,
  EVENT_SHARE_REFUSED,
  EVENT_SHARES_ACCEPTED,
  EVENT_UPDATE_REFUSED,
  IGNORED_CHANNEL,
  IGNORED_MESSAGE,
  IGNORED_SHARE
} from "./event.ts"
import { FutureJobs, ValidJobs } from "./jobs.ts"
import { MAX_SENT_PAYLOAD } from "./link.ts"
import { DevicePendingShares } from "./pending-shares.ts"
import {
  RULE_EXTRANONCE_PREFIX_FOR_CHANNEL,
  RULE_FIRST_JOB_IS_FUTURE,
  RULE_KNOWN_REQUEST_ID,
  RULE_NO_EXTENDED_JOBS,
  RULE_NO_GROUPS,
  RULE_PREV_HASH_NAMES_FUTURE_JOB,
  RULE_STANDARD_CHANNELS,
  RULE_STANDARD_JOB,
  RULE_TARGET_WITHIN_MAXIMUM,
  RULE_UNIQUE_JOB_ID,
  RULE_WELL_FORMED
} from "./rule.ts"
import {
  DEVICE_CONNECTED,
  DEVICE_MINING,
  DEVICE_OPEN,
  DEVICE_OPENING,
  DeviceSession,
  REQUIRES_EXTENDED_CHANNELS,
  REQUIRES_FIXED_VERSION
} from "./session.ts"
import { TEXT_REASON, TEXT_USER } from "./settings.ts"
import { DeviceWork, latestNtime } from "./work.ts"

/** Results of `submit`. */
export const SUBMIT_SENT: i32 = 0
/** No channel is open. */
export const SUBMIT_NO_CHANNEL: i32 = 1
/** The job is not of the current previous hash: its shares are stale. */
export const SUBMIT_STALE: i32 = 2
/** The version differs from the job's in bits that may not be rolled. */
export const SUBMIT_VERSION: i32 = 3
/** The ntime is before the job's, or ahead of the clock (5.3.11). */
export const SUBMIT_NTIME: i32 = 4
/** The output is full: send it first. */
export const SUBMIT_NO_ROOM: i32 = 5
/** The extranonce does not have the channel's size. */
export const SUBMIT_EXTRANONCE: i32 = 6

/** SubmitSharesExtended with 32 bytes of extranonce. */
const MAX_SHARE_PAYLOAD: i32 = 57

export class StandardDevice extends DeviceSession {
  readonly work: DeviceWork = new DeviceWork()
  readonly pending: DevicePendingShares = new DevicePendingShares()
  readonly futureJobs: FutureJobs = new FutureJobs()
  readonly validJobs: ValidJobs = new ValidJobs()
  /** The target of jobs that become active from now on (5.3.21). */
  readonly target: Uint8Array = new Uint8Array(32)
  readonly extranoncePrefix: Uint8Array = new Uint8Array(32)
  extranoncePrefixLength: i32 = 0
  channelId: i32 = 0
  groupChannelId: i32 = 0
  /** The sequence number of the last submitted share. */
  sequenceNumber: i32 = 0
  requestId: i32 = 0
  hasPrevHash: bool = false
  prevHashNtime: i32 = 0
  prevHashReceivedAtMs: i32 = 0

  private readonly prevHash: Uint8Array = new Uint8Array(32)
  private nBits: i32 = 0
  private readonly openStandard: OpenStandardMiningChannel = new OpenStandardMiningChannel()
  private readonly openSuccess: OpenStandardMiningChannelSuccess = new OpenStandardMiningChannelSuccess()
  private readonly openError: OpenMiningChannelError = new OpenMiningChannelError()
  private readonly newJob: NewMiningJob = new NewMiningJob()
  private readonly newPrevHash: SetNewPrevHash = new SetNewPrevHash()
  private readonly newTarget: SetTarget = new SetTarget()
  private readonly newPrefix: SetExtranoncePrefix = new SetExtranoncePrefix()
  private readonly share: SubmitSharesStandard = new SubmitSharesStandard()
  private readonly sharesSuccess: SubmitSharesSuccess = new SubmitSharesSuccess()
  private readonly shareError: SubmitSharesError = new SubmitSharesError()
  private readonly update: UpdateChannel = new UpdateChannel()
  private readonly updateError: UpdateChannelError = new UpdateChannelError()
  private readonly close: CloseChannel = new CloseChannel()

  override disconnect(): void {
    super.disconnect()
    this.requestId = 0
  }

  /** Requests a channel if there is none. Returns false if it cannot now. */
  openChannel(): bool {
    if (this.state !== DEVICE_CONNECTED || !this.link.canSend(MAX_SENT_PAYLOAD)) return false
    this.requestId = (this.requestId + 1) | 0
    this.sendOpen()
    this.enter(DEVICE_OPENING)
    return true
  }

  /** Sends the hash rate and maximum target of the settings (5.3.7). */
  updateChannel(): bool {
    if (!this.isOpen() || !this.link.canSend(MAX_SENT_PAYLOAD)) return false
    this.update.channelId = this.channelId
    this.update.nominalHashRateBits = this.settings.nominalHashRateBits
    this.update.maximumTargetAt = this.settings.maxTargetAt()
    const frame = this.link.frame
    const end: i32 = this.update.encode(this.settings.source, frame, FRAME_HEADER_SIZE, frame.length)
    this.send(UPDATE_CHANNEL_EXTENSION, UPDATE_CHANNEL, end)
    return true
  }

  /** Closes the channel with the reason of the settings (5.3.9). The connection stays open. */
  closeChannel(): bool {
    if (!this.isOpen() || !this.link.canSend(MAX_SENT_PAYLOAD)) return false
    this.close.channelId = this.channelId
    this.close.reasonCodeAt = this.settings.textAt(TEXT_REASON)
    this.close.reasonCodeLength = this.settings.textLength(TEXT_REASON)
    const frame = this.link.frame
    const end: i32 = this.close.encode(this.settings.source, frame, FRAME_HEADER_SIZE, frame.length)
    this.send(CLOSE_CHANNEL_EXTENSION, CLOSE_CHANNEL, end)
    this.forgetChannel()
    this.enter(DEVICE_CONNECTED)
    return true
  }

  /** The latest ntime that a share of the current work may have now. */
  maxNtime(): i32 {
    const work = this.work
    return latestNtime(work.prevHashNtime, work.receivedAtMs, work.minNtime, this.nowMs)
  }

  /** Submits a share (5.3.11). Returns a `SUBMIT_` code; its number is in `sequenceNumber`. */
  submit(jobId: i32, nonce: i32, ntime: i32, version: i32): i32 {
    const code: i32 = this.checkShare(jobId, ntime, version)
    if (code !== SUBMIT_SENT) return code
    const message = this.share
    message.channelId = this.channelId
    message.sequenceNumber = this.countShare(jobId)
    message.jobId = jobId
    message.nonce = nonce
    message.ntime = ntime
    message.version = version
    const frame = this.link.frame
    const end: i32 = message.encode(this.settings.source, frame, FRAME_HEADER_SIZE, frame.length)
    this.send(SUBMIT_SHARES_STANDARD_EXTENSION, SUBMIT_SHARES_STANDARD, end)
    return SUBMIT_SENT
  }

  /** Checks a share. Returns a `SUBMIT_` code. */
  checkShare(jobId: i32, ntime: i32, version: i32): i32 {
    if (!this.isOpen()) return SUBMIT_NO_CHANNEL
    const jobs = this.validJobs
    const place: i32 = jobs.find(jobId)
    if (place < 0) return SUBMIT_STALE
    if (!isVersionRolledWithin(jobs.versions[place], version, jobs.masks[place])) return SUBMIT_VERSION
    const first: i32 = jobs.minNtimes[place]
    const last: i32 = latestNtime(this.prevHashNtime, this.prevHashReceivedAtMs, first, this.nowMs)
    if (isBelowU32(ntime, first) || isBelowU32(last, ntime)) return SUBMIT_NTIME
    return this.link.canSend(MAX_SHARE_PAYLOAD) ? SUBMIT_SENT : SUBMIT_NO_ROOM
  }

  /** Takes the sequence number for a new share. */
  countShare(jobId: i32): i32 {
    this.sequenceNumber = (this.sequenceNumber + 1) | 0
    this.pending.add(this.sequenceNumber, jobId)
    return this.sequenceNumber
  }

  isOpen(): bool {
    return this.state >= DEVICE_OPEN
  }

  /** Whether a message for this id is for the device's channel or its group (5.2.3). */
  isAddressed(channelId: i32): bool {
    return this.isOpen() && (channelId === this.channelId || channelId === this.groupChannelId)
  }

  override requiresStandardJobs(): bool {
    return true
  }

  override checkServerFlags(): i32 {
    return (this.serverFlags & REQUIRES_EXTENDED_CHANNELS) === 0 ? 0 : RULE_STANDARD_CHANNELS
  }

  override agreed(): void {
    this.openChannel()
  }

  override isUnderstood(messageType: i32): bool {
    return messageType >= OPEN_STANDARD_MINING_CHANNEL && messageType <= SET_GROUP_CHANNEL
  }

  override receiveMessage(type: i32): i32 {
    if (type === NEW_MINING_JOB) return this.receiveJob()
    if (type === SET_NEW_PREV_HASH) return this.receivePrevHash()
    if (type === SUBMIT_SHARES_SUCCESS) return this.receiveSharesSuccess()
    if (type === SUBMIT_SHARES_ERROR) return this.receiveShareError()
    if (type === SET_TARGET) return this.receiveTarget()
    if (type === OPEN_STANDARD_MINING_CHANNEL_SUCCESS) return this.receiveOpened()
    if (type === OPEN_MINING_CHANNEL_ERROR) return this.receiveOpenError()
    if (type === SET_EXTRANONCE_PREFIX) return this.receiveExtranoncePrefix()
    if (type === CLOSE_CHANNEL) return this.receiveClose()
    if (type === UPDATE_CHANNEL_ERROR) return this.receiveUpdateError()
    return this.receiveExtended(type)
  }

  override forgetChannel(): void {
    this.work.clear()
    this.forgetFutureJobs()
    this.validJobs.clear()
    this.pending.clear()
    this.hasPrevHash = false
    this.channelId = 0
    this.groupChannelId = 0
    this.extranoncePrefixLength = 0
  }

  /** Handles messages that only devices with extended channels or jobs support. */
  receiveExtended(type: i32): i32 {
    if (type === OPEN_EXTENDED_MINING_CHANNEL_SUCCESS) return this.fail(RULE_KNOWN_REQUEST_ID, 0)
    if (type === SET_GROUP_CHANNEL) return this.fail(RULE_NO_GROUPS, 0)
    if (type !== NEW_EXTENDED_MINING_JOB) return this.ignore(IGNORED_MESSAGE)
    const link = this.link
    if (link.payloadLength < 4) return this.fail(RULE_WELL_FORMED, 0)
    if (!this.isAddressed(readU32(link.input, link.payloadAt))) return this.ignore(IGNORED_CHANNEL)
    return this.fail(RULE_NO_EXTENDED_JOBS, 0)
  }

  sendOpen(): void {
    const message = this.openStandard
    const settings = this.settings
    message.requestId = this.requestId
    message.userIdentityAt = settings.textAt(TEXT_USER)
    message.userIdentityLength = settings.textLength(TEXT_USER)
    message.nominalHashRateBits = settings.nominalHashRateBits
    message.maxTargetAt = settings.maxTargetAt()
    const frame = this.link.frame
    const end: i32 = message.encode(settings.source, frame, FRAME_HEADER_SIZE, frame.length)
    this.send(0, OPEN_STANDARD_MINING_CHANNEL, end)
  }

  /** The rule that a NewMiningJob for this channel, or its group, breaks by its kind, or 0. */
  checkStandardJob(channelId: i32): i32 {
    return channelId === this.channelId ? 0 : RULE_STANDARD_JOB
  }

  /** The rule that the ids of a new channel break, or 0. Group ids do not matter if no group jobs may come. */
  checkGroup(_channelId: i32, _groupChannelId: i32): i32 {
    return 0
  }

  /** The rule that a prefix of this length breaks, or 0. */
  checkPrefix(channelId: i32, _length: i32): i32 {
    return channelId === this.channelId ? 0 : RULE_EXTRANONCE_PREFIX_FOR_CHANNEL
  }

  /** Starts a future job on the current previous hash. */
  startFutureJob(slot: i32, jobId: i32): void {
    const jobs = this.futureJobs
    this.startWork(jobId, jobs.versions[slot], jobs.masks[slot], jobs.roots, slot << 5, this.prevHashNtime)
  }

  forgetFutureJobs(): void {
    this.futureJobs.clear()
  }

  /** The rule that a job of either kind breaks, or 0. */
  checkJob(jobId: i32, hasNtime: bool): i32 {
    if (this.futureJobs.find(jobId) >= 0 || this.validJobs.find(jobId) >= 0) return RULE_UNIQUE_JOB_ID
    return hasNtime && !this.hasPrevHash ? RULE_FIRST_JOB_IS_FUTURE : 0
  }

  /** Keeps or starts a valid job with this merkle root. */
  addJob(jobId: i32, version: i32, mask: i32, root: Uint8Array, rootAt: i32, hasNtime: bool, ntime: i32): i32 {
    if (hasNtime) {
      this.startWork(jobId, version, mask, root, rootAt, ntime)
      return this.tellOfJob(EVENT_NEW_WORK, jobId)
    }
    this.futureJobs.setRoot(this.futureJobs.add(jobId, version, mask), root, rootAt)
    return this.tellOfJob(EVENT_JOB_QUEUED, jobId)
  }

  tellOfJob(kind: i32, jobId: i32): i32 {
    this.event.begin(kind)
    this.event.channelId = this.channelId
    this.event.jobId = jobId
    return kind
  }

  /** Makes this the current work. */
  startWork(jobId: i32, version: i32, mask: i32, root: Uint8Array, rootAt: i32, ntime: i32): void {
    const work = this.work
    const first: i32 = isBelowU32(ntime, this.prevHashNtime) ? this.prevHashNtime : ntime
    this.validJobs.add(jobId, version, mask, first)
    writeHeader(work.header, 0, version, this.prevHash, 0, root, rootAt, first, this.nBits, 0)
    copyBytes(this.target, 0, work.target, 0, 32)
    work.jobId = jobId
    work.version = version
    work.versionMask = mask
    work.minNtime = first
    work.prevHashNtime = this.prevHashNtime
    work.receivedAtMs = this.prevHashReceivedAtMs
    work.isThere = true
    this.state = DEVICE_MINING
  }

  /** The version bits that jobs may roll that do not say so themselves. */
  versionMask(): i32 {
    return (this.serverFlags & REQUIRES_FIXED_VERSION) === 0 ? VERSION_MASK : 0
  }

  /** The rule that the answer to an open of either kind breaks, or 0. */
  checkOpened(requestId: i32, targetAt: i32): i32 {
    if (this.state !== DEVICE_OPENING || requestId !== this.requestId) return RULE_KNOWN_REQUEST_ID
    const settings = this.settings
    const order: i32 = compareU256(this.link.input, targetAt, settings.source, settings.maxTargetAt())
    return order > 0 ? RULE_TARGET_WITHIN_MAXIMUM : 0
  }

  /** Opens the channel with the valid answer in the link. */
  opened(channelId: i32, groupChannelId: i32, targetAt: i32, prefixAt: i32, prefixLength: i32, rolled: i32): i32 {
    const input = this.link.input
    const event = this.event
    this.channelId = channelId
    this.groupChannelId = groupChannelId
    copyBytes(input, targetAt, this.target, 0, 32)
    this.setPrefix(prefixAt, prefixLength)
    this.sequenceNumber = 0
    this.enter(DEVICE_OPEN)
    event.begin(EVENT_CHANNEL_OPEN)
    event.channelId = channelId
    event.groupChannelId = groupChannelId
    event.value = rolled
    return event.kind
  }

  private setPrefix(at: i32, length: i32): void {
    copyBytes(this.link.input, at, this.extranoncePrefix, 0, length)
    this.extranoncePrefixLength = length
  }

  private receiveOpened(): i32 {
    const link = this.link
    const message = this.openSuccess
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (this.failsBy(this.checkStandardOpened(message))) return EVENT_FAILED
    return this.opened(
      message.channelId,
      message.groupChannelId,
      message.targetAt,
      message.extranoncePrefixAt,
      message.extranoncePrefixLength,
      0
    )
  }

  /** The rule that the answer to a request for a standard channel breaks, or 0. */
  checkStandardOpened(message: OpenStandardMiningChannelSuccess): i32 {
    const rule: i32 = this.checkOpened(message.requestId, message.targetAt)
    return rule === 0 ? this.checkGroup(message.channelId, message.groupChannelId) : rule
  }

  private receiveOpenError(): i32 {
    const link = this.link
    const message = this.openError
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (this.state !== DEVICE_OPENING || message.requestId !== this.requestId)
      return this.fail(RULE_KNOWN_REQUEST_ID, 0)
    this.enter(DEVICE_CONNECTED)
    this.event.begin(EVENT_OPEN_REFUSED)
    return this.withText(message.errorCodeAt, message.errorCodeLength)
  }

  private receiveJob(): i32 {
    const link = this.link
    const message = this.newJob
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isAddressed(message.channelId)) return this.ignore(IGNORED_CHANNEL)
    if (this.failsBy(this.checkStandardJob(message.channelId))) return EVENT_FAILED
    const hasNtime: bool = message.hasMinNtime === 1
    if (this.failsBy(this.checkJob(message.jobId, hasNtime))) return EVENT_FAILED
    return this.addJob(
      message.jobId,
      message.version,
      this.versionMask(),
      link.input,
      message.merkleRootAt,
      hasNtime,
      message.minNtime
    )
  }

  private receivePrevHash(): i32 {
    const link = this.link
    const message = this.newPrevHash
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isAddressed(message.channelId)) return this.ignore(IGNORED_CHANNEL)
    const slot: i32 = this.futureJobs.find(message.jobId)
    if (slot < 0) return this.fail(RULE_PREV_HASH_NAMES_FUTURE_JOB, 0)
    copyBytes(link.input, message.prevHashAt, this.prevHash, 0, 32)
    this.hasPrevHash = true
    this.prevHashNtime = message.minNtime
    this.prevHashReceivedAtMs = this.nowMs
    this.nBits = message.nbits
    this.validJobs.clear()
    this.startFutureJob(slot, message.jobId)
    this.forgetFutureJobs()
    this.tellOfJob(EVENT_NEW_WORK, message.jobId)
    this.event.value = 1
    return EVENT_NEW_WORK
  }

  private receiveTarget(): i32 {
    const link = this.link
    const message = this.newTarget
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isAddressed(message.channelId)) return this.ignore(IGNORED_CHANNEL)
    copyBytes(link.input, message.maximumTargetAt, this.target, 0, 32)
    this.event.begin(EVENT_NEW_TARGET)
    this.event.channelId = this.channelId
    return EVENT_NEW_TARGET
  }

  private receiveExtranoncePrefix(): i32 {
    const link = this.link
    const message = this.newPrefix
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isAddressed(message.channelId)) return this.ignore(IGNORED_CHANNEL)
    if (this.failsBy(this.checkPrefix(message.channelId, message.extranoncePrefixLength))) return EVENT_FAILED
    this.setPrefix(message.extranoncePrefixAt, message.extranoncePrefixLength)
    this.event.begin(EVENT_EXTRANONCE_PREFIX)
    this.event.channelId = this.channelId
    return EVENT_EXTRANONCE_PREFIX
  }

  private receiveSharesSuccess(): i32 {
    const link = this.link
    const event = this.event
    const message = this.sharesSuccess
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isOpen() || message.channelId !== this.channelId) return this.ignore(IGNORED_CHANNEL)
    const answered: i32 = this.pending.accept(message.lastSequenceNumber, message.newSubmitsAcceptedCount)
    if (answered === 0) return this.ignore(IGNORED_SHARE)
    event.begin(EVENT_SHARES_ACCEPTED)
    event.channelId = this.channelId
    event.sequenceNumber = message.lastSequenceNumber
    event.count = message.newSubmitsAcceptedCount
    event.answered = answered
    event.sumLow = message.newSharesSumLow
    event.sumHigh = message.newSharesSumHigh
    return event.kind
  }

  private receiveShareError(): i32 {
    const link = this.link
    const event = this.event
    const message = this.shareError
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isOpen() || message.channelId !== this.channelId) return this.ignore(IGNORED_CHANNEL)
    const place: i32 = this.pending.find(message.sequenceNumber)
    if (place < 0) return this.ignore(IGNORED_SHARE)
    event.begin(EVENT_SHARE_REFUSED)
    event.channelId = this.channelId
    event.sequenceNumber = message.sequenceNumber
    event.jobId = this.pending.refuse(place)
    return this.withText(message.errorCodeAt, message.errorCodeLength)
  }

  private receiveUpdateError(): i32 {
    const link = this.link
    const message = this.updateError
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isOpen() || message.channelId !== this.channelId) return this.ignore(IGNORED_CHANNEL)
    this.event.begin(EVENT_UPDATE_REFUSED)
    this.event.channelId = this.channelId
    return this.withText(message.errorCodeAt, message.errorCodeLength)
  }

  private receiveClose(): i32 {
    const link = this.link
    const message = this.close
    if (this.isMalformed(message.decode(link.input, link.payloadAt, link.payloadEnd))) return EVENT_FAILED
    if (!this.isAddressed(message.channelId)) return this.ignore(IGNORED_CHANNEL)
    this.event.begin(EVENT_CHANNEL_CLOSED)
    this.event.channelId = this.channelId
    this.forgetChannel()
    this.enter(DEVICE_CONNECTED)
    return this.withText(message.reasonCodeAt, message.reasonCodeLength)
  }
}
