/**
 * The client's end of one mining connection (specification, section 5): opens channels, follows their jobs, previous
 * hashes, targets and extranonce prefixes, and remembers the submitted shares that have no answer. It is a pure machine of
 * `(messages, now) -> messages and events`: it reads no clock and no socket, and it keeps no view on the bytes of a message.
 *
 * It checks every message against the rules for servers (protocol-violation.ts) before it changes anything.
 */
import { stripWitness } from "@sluice/bitcoin"
import { Target } from "@sluice/core"
import { type Mining, TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { ClientChannel, type ExtendedJob, type PrevHash, type StandardJob } from "./channel.ts"
import { type AgreedFlags, ConnectionState } from "./connection-state.ts"
import type { ClientEvent, ClientOutbox, Ignored } from "./event.ts"
import { forgetOldest } from "./forget-oldest.ts"
import type { ProtocolViolation } from "./protocol-violation.ts"
import {
  checkCustomJob,
  checkExtendedJob,
  checkExtranoncePrefix,
  checkGroup,
  checkOpened,
  checkOpenRefused,
  checkPrevHash,
  checkSetup,
  checkStandardJob,
  checkTarget
} from "./rules.ts"

export interface ChannelClientOptions extends Partial<AgreedFlags> {
  /** The most future jobs that a channel keeps. It forgets the oldest beyond. Default 64, as many as servers keep. */
  readonly maxFutureJobs?: number
  /** The most unanswered shares that a channel remembers. It forgets the oldest beyond. Default 4096. */
  readonly maxPendingShares?: number
}

export interface StandardChannelRequest {
  readonly userIdentity: string
  /** Hashes a second; 0 for a proxy that has no miners yet. */
  readonly nominalHashRate: number
  /** The easiest target that the miner can take: 32 bytes, little-endian. */
  readonly maxTarget: Uint8Array
}

export interface ExtendedChannelRequest extends StandardChannelRequest {
  /** The least bytes of extranonce that the channel must be able to roll. */
  readonly minExtranonceSize: number
}

/** A job of the client's own for an extended channel (5.3.18). */
export type CustomJobFields = Omit<Mining.SetCustomMiningJob, "_tag" | "requestId">

/** A solution of some channel's work. */
export interface MinedShare {
  readonly jobId: number
  readonly nonce: number
  readonly ntime: number
  readonly version: number
  /** As many bytes as the channel's `extranonceSize`. Ignored for a standard channel. */
  readonly extranonce: Uint8Array
}

export class ChannelClient {
  readonly #state: ConnectionState
  readonly #maxFutureJobs: number
  readonly #maxPendingShares: number
  #requestId = 0
  /** The outbox's events during `receive`. */
  #events = NO_EVENTS
  #violated = false

  constructor(options: ChannelClientOptions = {}) {
    const flags = {
      requiresStandardJobs: options.requiresStandardJobs ?? false,
      requiresVersionRolling: options.requiresVersionRolling ?? false,
      fixedVersion: options.fixedVersion ?? false
    }
    this.#maxFutureJobs = options.maxFutureJobs ?? TemplateDistribution.MAX_FUTURE_TEMPLATES
    this.#state = new ConnectionState(flags, this.#maxFutureJobs)
    this.#maxPendingShares = options.maxPendingShares ?? 4096
  }

  /** The open channels, by id. */
  get channels(): ReadonlyMap<number, ClientChannel> {
    return this.#state.channels
  }

  /** Asks for a standard channel (5.3.2). The answer comes as an event with the request id that this returns. */
  openStandardChannel({ maxTarget, nominalHashRate, userIdentity }: StandardChannelRequest, out: ClientOutbox): number {
    const requestId = this.#nextRequestId()
    this.#state.requests.set(requestId, { kind: "standard", maxTarget, minExtranonceSize: 0 })
    out.messages.push({ _tag: "OpenStandardMiningChannel", requestId, userIdentity, nominalHashRate, maxTarget })
    return requestId
  }

  /** Asks for an extended channel (5.3.4). The answer comes as an event with the request id that this returns. */
  openExtendedChannel(request: ExtendedChannelRequest, out: ClientOutbox): number {
    const requestId = this.#nextRequestId()
    const { maxTarget, minExtranonceSize, nominalHashRate, userIdentity } = request
    this.#state.requests.set(requestId, { kind: "extended", maxTarget, minExtranonceSize })
    out.messages.push({
      _tag: "OpenExtendedMiningChannel",
      requestId,
      userIdentity,
      nominalHashRate,
      maxTarget,
      minExtranonceSize
    })
    return requestId
  }

  /** Asks the server to take shares of a job of the client's own (5.3.18). The answer comes as an event with this request id. */
  setCustomJob(request: CustomJobFields, out: ClientOutbox): number {
    const requestId = this.#nextRequestId()
    this.#state.customJobs.set(requestId, request.channelId)
    forgetOldest(this.#state.customJobs, MAX_CUSTOM_REQUESTS)
    out.messages.push({ ...request, _tag: "SetCustomMiningJob", requestId })
    return requestId
  }

  /** Tells the server another hash rate or maximum target (5.3.7). */
  updateChannel(channelId: number, nominalHashRate: number, maximumTarget: Uint8Array, out: ClientOutbox): void {
    const channel = this.#state.channels.get(channelId)
    if (channel !== undefined && Target.compareU256(maximumTarget, 0, channel.maxTarget, 0) > 0) {
      channel.maxTarget = maximumTarget
    }
    out.messages.push({ _tag: "UpdateChannel", channelId, nominalHashRate, maximumTarget })
  }

  /** Forgets the channel, or all channels of the group, and tells the server (5.3.9). */
  closeChannel(channelId: number, reasonCode: string, out: ClientOutbox): void {
    this.#state.close(channelId)
    out.messages.push({ _tag: "CloseChannel", channelId, reasonCode })
  }

  /**
   * Submits a share (5.3.11, 5.3.12) and returns its sequence number. Sends nothing and returns `undefined` where the share
   * cannot be accepted any more: the channel is closed, or its job is not one of the present previous hash.
   */
  submit(channelId: number, share: MinedShare, now: number, out: ClientOutbox): number | undefined {
    const channel = this.#state.channels.get(channelId)
    if (channel === undefined || !channel.isValidJob(share.jobId)) return undefined
    const { extranonce, jobId, nonce, ntime, version } = share
    const sequenceNumber = channel.nextSequenceNumber()
    channel.pending.add({ sequenceNumber, jobId, submittedAt: now })
    out.messages.push(
      channel.kind === "standard"
        ? { _tag: "SubmitSharesStandard", channelId, sequenceNumber, jobId, nonce, ntime, version }
        : { _tag: "SubmitSharesExtended", channelId, sequenceNumber, jobId, nonce, ntime, version, extranonce }
    )
    return sequenceNumber
  }

  /**
   * Applies the messages of one read in order, `now` in milliseconds. After a `ProtocolViolation`, always the last event,
   * it applies nothing more: close the connection.
   */
  receive(messages: ReadonlyArray<Mining.ToClient>, now: number, out: ClientOutbox): void {
    this.#events = out.events
    for (const message of messages) {
      if (this.#violated) break
      this.#receive(message, now)
    }
    this.#events = NO_EVENTS
  }

  #receive(message: Mining.ToClient, now: number): void {
    const violation = checkSetup(this.#state, message)
    if (violation !== undefined) return this.#violate(violation)
    switch (message._tag) {
      case "NewMiningJob":
        return this.#newMiningJob(message)
      case "NewExtendedMiningJob":
        return this.#newExtendedMiningJob(message)
      case "SetNewPrevHash":
        return this.#setNewPrevHash(message, now)
      case "SubmitShares.Success":
        return this.#sharesAccepted(message)
      case "SubmitShares.Error":
        return this.#shareRefused(message)
      case "SetTarget":
        return this.#setTarget(message)
      case "OpenStandardMiningChannel.Success":
      case "OpenExtendedMiningChannel.Success":
        return this.#opened(message)
      case "OpenMiningChannel.Error":
        return this.#openRefused(message)
      case "SetExtranoncePrefix":
        return this.#setExtranoncePrefix(message)
      case "SetGroupChannel":
        return this.#setGroupChannel(message)
      case "CloseChannel":
        return this.#closedByServer(message)
      case "UpdateChannel.Error":
        return this.#updateRefused(message)
      case "SetCustomMiningJob.Success":
      case "SetCustomMiningJob.Error":
        return this.#customJobAnswered(message)
      case "Reconnect":
        this.#events.push({ _tag: "Reconnect", host: message.newHost, port: message.newPort })
        return
      case "ChannelEndpointChanged":
        // Only extensions keep state that this message resets (3.6.4).
        return
      default:
        // A relay's connection also receives messages of extensions, which are no part of the type.
        return this.#ignore((message as { readonly _tag: string })._tag, "unexpected-message")
    }
  }

  #opened(message: Mining.OpenStandardMiningChannelSuccess | Mining.OpenExtendedMiningChannelSuccess): void {
    const violation = checkOpened(this.#state, message)
    if (violation !== undefined) return this.#violate(violation)
    const { channelId, groupChannelId, requestId } = message
    const { maxTarget } = this.#state.requests.get(requestId)!
    const extended = message._tag === "OpenExtendedMiningChannel.Success"
    const channel = new ClientChannel({
      channelId,
      kind: extended ? "extended" : "standard",
      target: message.target.slice(),
      maxTarget,
      extranoncePrefix: message.extranoncePrefix.slice(),
      extranonceSize: extended ? message.extranonceSize : 0,
      maxFutureJobs: this.#maxFutureJobs,
      maxPendingShares: this.#maxPendingShares
    })
    this.#state.requests.delete(requestId)
    this.#state.channels.set(channelId, channel)
    this.#state.join(channel, groupChannelId)
    const { extranoncePrefix, extranonceSize, kind, target } = channel
    this.#events.push({
      _tag: "ChannelOpened",
      requestId,
      channelId,
      kind,
      target,
      extranoncePrefix,
      extranonceSize,
      groupChannelId
    })
  }

  #openRefused(message: Mining.OpenMiningChannelError): void {
    const violation = checkOpenRefused(this.#state, message)
    if (violation !== undefined) return this.#violate(violation)
    const { errorCode, requestId } = message
    this.#state.requests.delete(requestId)
    this.#events.push({ _tag: "OpenRefused", requestId, errorCode })
  }

  #newMiningJob(message: Mining.NewMiningJob): void {
    const { channelId, jobId, merkleRoot, version } = message
    const members = this.#state.members(channelId)
    if (members === undefined) return this.#ignore(message._tag, "unknown-channel")
    const violation = checkStandardJob(this.#state, members, message)
    if (violation !== undefined) return this.#violate(violation)
    const versionRollingAllowed = !this.#state.flags.fixedVersion
    const job = { _tag: "StandardJob", jobId, version, versionRollingAllowed, merkleRoot: merkleRoot.slice() } as const
    this.#addJob(message, members, job)
  }

  #newExtendedMiningJob(message: Mining.NewExtendedMiningJob): void {
    const members = this.#state.members(message.channelId)
    if (members === undefined) return this.#ignore(message._tag, "unknown-channel")
    const stripped = stripWitness(message.coinbaseTxPrefix, message.coinbaseTxSuffix)
    const violation = checkExtendedJob(this.#state, members, message, stripped)
    if (violation !== undefined) return this.#violate(violation)
    const { prefix, suffix } = Result.getOrThrow(stripped)
    const merklePath = new Uint8Array(message.merklePath.length * 32)
    message.merklePath.forEach((node, index) => merklePath.set(node, index * 32))
    this.#addJob(message, members, {
      _tag: "ExtendedJob",
      jobId: message.jobId,
      version: message.version,
      versionRollingAllowed: message.versionRollingAllowed,
      coinbasePrefix: prefix.slice(),
      coinbaseSuffix: suffix.slice(),
      merklePath
    })
  }

  /** Adds a checked job to one channel, or to the members of a group. */
  #addJob(
    message: Mining.NewMiningJob | Mining.NewExtendedMiningJob,
    members: ReadonlySet<ClientChannel>,
    job: StandardJob | ExtendedJob
  ): void {
    const { channelId, jobId, minNtime } = message
    this.#events.push({ _tag: "JobReceived", channelId, jobId, future: minNtime === undefined })
    if (minNtime === undefined) {
      if (job._tag === "ExtendedJob") this.#state.groups.get(channelId)?.addFutureJob(job)
      for (const channel of members) channel.addFutureJob(job)
      return
    }
    for (const channel of members) {
      if (channel.prevHash === undefined) continue
      const work = channel.startJob(job, minNtime, channel.prevHash)
      this.#events.push({ _tag: "WorkChanged", channelId: channel.channelId, work, newPrevHash: false })
    }
  }

  #setNewPrevHash(message: Mining.SetNewPrevHash, now: number): void {
    const { channelId, jobId, minNtime, nbits } = message
    const members = this.#state.members(channelId)
    if (members === undefined) return this.#ignore(message._tag, "unknown-channel")
    const group = this.#state.groups.get(channelId)
    const groupJob = group?.futureJob(jobId)
    const violation = groupJob === undefined ? checkPrevHash(members, message) : undefined
    if (violation !== undefined) return this.#violate(violation)
    const prevHash: PrevHash = { prevHash: message.prevHash.slice(), minNtime, nbits, receivedAt: now }
    group?.setPrevHash(prevHash)
    for (const channel of members) {
      const work = channel.startFutureJob(jobId, groupJob, prevHash)
      if (work === undefined) continue
      this.#events.push({ _tag: "WorkChanged", channelId: channel.channelId, work, newPrevHash: true })
    }
  }

  #setTarget(message: Mining.SetTarget): void {
    const members = this.#state.members(message.channelId)
    if (members === undefined) return this.#ignore(message._tag, "unknown-channel")
    const violation = checkTarget(members, message)
    if (violation !== undefined) return this.#violate(violation)
    const target = message.maximumTarget.slice()
    for (const channel of members) {
      channel.target = target
      this.#events.push({ _tag: "TargetChanged", channelId: channel.channelId, target })
    }
  }

  #setExtranoncePrefix(message: Mining.SetExtranoncePrefix): void {
    const { channelId } = message
    const channel = this.#state.channels.get(channelId)
    const violation = checkExtranoncePrefix(this.#state, channel, message)
    if (violation !== undefined) return this.#violate(violation)
    if (channel === undefined) return this.#ignore(message._tag, "unknown-channel")
    channel.extranoncePrefix = message.extranoncePrefix.slice()
    const { extranoncePrefix } = channel
    this.#events.push({ _tag: "ExtranoncePrefixChanged", channelId, extranoncePrefix })
  }

  #setGroupChannel(message: Mining.SetGroupChannel): void {
    const violation = checkGroup(this.#state, message)
    if (violation !== undefined) return this.#violate(violation)
    const { groupChannelId } = message
    for (const channelId of message.channelIds) {
      const channel = this.#state.channels.get(channelId)
      if (channel === undefined) {
        this.#ignore(message._tag, "unknown-channel")
        continue
      }
      if (channel.groupChannelId === groupChannelId) continue
      this.#state.join(channel, groupChannelId)
      this.#events.push({ _tag: "GroupChanged", channelId, groupChannelId })
    }
  }

  #closedByServer(message: Mining.CloseChannel): void {
    const closed = this.#state.close(message.channelId)
    if (closed.length === 0) return this.#ignore(message._tag, "unknown-channel")
    for (const { channelId } of closed) {
      this.#events.push({ _tag: "ChannelClosed", channelId, reasonCode: message.reasonCode })
    }
  }

  #updateRefused(message: Mining.UpdateChannelError): void {
    const { channelId, errorCode } = message
    if (!this.#state.channels.has(channelId)) return this.#ignore(message._tag, "unknown-channel")
    this.#events.push({ _tag: "UpdateRefused", channelId, errorCode })
  }

  #sharesAccepted(message: Mining.SubmitSharesSuccess): void {
    const { channelId, lastSequenceNumber, newSharesSum, newSubmitsAcceptedCount } = message
    const channel = this.#state.channels.get(channelId)
    if (channel === undefined) return this.#ignore(message._tag, "unknown-channel")
    const shares = channel.pending.accept(lastSequenceNumber, newSubmitsAcceptedCount)
    if (shares.length === 0) return this.#ignore(message._tag, "unknown-share")
    this.#events.push({
      _tag: "SharesAccepted",
      channelId,
      shares,
      acceptedCount: newSubmitsAcceptedCount,
      difficultySum: newSharesSum
    })
  }

  #shareRefused(message: Mining.SubmitSharesError): void {
    const { channelId, errorCode, sequenceNumber } = message
    const channel = this.#state.channels.get(channelId)
    if (channel === undefined) return this.#ignore(message._tag, "unknown-channel")
    const share = channel.pending.refuse(sequenceNumber)
    if (share === undefined) return this.#ignore(message._tag, "unknown-share")
    this.#events.push({ _tag: "ShareRefused", channelId, share, errorCode })
  }

  #customJobAnswered(message: Mining.SetCustomMiningJobSuccess | Mining.SetCustomMiningJobError): void {
    const { _tag, channelId, requestId } = message
    if (this.#state.customJobs.get(requestId) !== channelId) return this.#ignore(_tag, "unexpected-message")
    const channel = this.#state.channels.get(channelId)
    if (channel === undefined) return this.#ignore(_tag, "unknown-channel")
    const violation = _tag === "SetCustomMiningJob.Success" ? checkCustomJob(channel, message) : undefined
    if (violation !== undefined) return this.#violate(violation)
    this.#state.customJobs.delete(requestId)
    if (_tag === "SetCustomMiningJob.Error") {
      this.#events.push({ _tag: "CustomJobRefused", channelId, requestId, errorCode: message.errorCode })
      return
    }
    channel.addCustomJob(message.jobId)
    const { extranoncePrefix, target } = channel
    this.#events.push({
      _tag: "CustomJobAccepted",
      channelId,
      requestId,
      jobId: message.jobId,
      target,
      extranoncePrefix
    })
  }

  #nextRequestId(): number {
    this.#requestId = (this.#requestId + 1) >>> 0
    return this.#requestId
  }

  #ignore(messageTag: string, reason: Ignored["reason"]): void {
    this.#events.push({ _tag: "Ignored", messageTag, reason })
  }

  #violate(violation: ProtocolViolation): void {
    this.#violated = true
    this.#events.push(violation)
  }
}

/** The most requests for jobs of its own without an answer that a client remembers. */
const MAX_CUSTOM_REQUESTS = 256

/** Stays empty: nothing emits an event outside of `receive`. */
const NO_EVENTS: Array<ClientEvent> = []
