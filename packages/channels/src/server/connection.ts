/**
 * The server's end of one mining connection (specification, section 5): a pure machine of `(message, now) -> replies and
 * events`. It reads no clock and no socket; `now` is in milliseconds since 1970.
 *
 * All channels of a connection are one group. Unless the client requires standard jobs, a job and a previous hash go to
 * the group once; a client that does gets them for each channel (5.2.3). What a new channel needs first, the job it begins
 * with, is addressed to the channel itself.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import { ErrorCode, Mining, printable, WorkerIdentity } from "@sluice/protocol"
import type { ExtranonceSpace } from "../extranonce.ts"
import { u256FromBytes } from "../hash-rate.ts"
import { blockCoinbase, extendedJobMessage, type Job, standardJobMessage } from "../job.ts"
import { Channel, type ChannelStats } from "./channel.ts"
import type { ChannelInfo } from "./event.ts"
import { type ActiveJob, type Announcement, GROUP_CHANNEL_ID, type Jobs } from "./jobs.ts"
import { EXTRANONCE_SPACE_EXHAUSTED, isHashRate, isMaxTarget, openSuccess, refusalToOpen } from "./open.ts"
import type { Outbox } from "./outbox.ts"
import type { ChannelPolicy } from "./policy.ts"
import { refusalOfJob, type ShareJudge, wasSent } from "./share.ts"

/** What all connections of a server share. */
export interface ConnectionContext {
  readonly jobs: Jobs
  readonly space: Pick<ExtranonceSpace, "takeStandard" | "takeExtended" | "giveBack" | "maxRollableSize">
  readonly judge: ShareJudge
  readonly policy: ChannelPolicy
}

const NO_EXTRANONCE = new Uint8Array(0)

export class Connection {
  /** As the shell numbers its connections; it stands in all events. */
  readonly id: number
  readonly #setupFlags: number
  readonly #context: ConnectionContext
  readonly #channels = new Map<number, Channel>()
  /** Channels with shares that wait for their acknowledgement: only within a batch. */
  #unacknowledged: Array<Channel> = []
  #nextChannelId = GROUP_CHANNEL_ID + 1

  /** `setupFlags` are the client's of SetupConnection (5.3.1). */
  constructor(id: number, setupFlags: number, context: ConnectionContext) {
    this.id = id
    this.#setupFlags = setupFlags
    this.#context = context
  }

  get channelCount(): number {
    return this.#channels.size
  }

  /** Whether it never had a channel. */
  get isIdle(): boolean {
    return this.#nextChannelId === GROUP_CHANNEL_ID + 1
  }

  stats(now: number): ReadonlyArray<ChannelStats> {
    return Array.from(this.#channels.values(), (channel) => channel.stats(now))
  }

  /** The messages of one read. Every share among them is answered when it returns. */
  onBatch(messages: ReadonlyArray<Mining.ToServer>, now: number, out: Outbox): void {
    for (const message of messages) this.onMessage(message, now, out)
    this.acknowledge(out)
  }

  /** One message. Accepted shares may wait for `acknowledge`. What is not for a mining server is ignored. */
  onMessage(message: Mining.ToServer, now: number, out: Outbox): void {
    switch (message._tag) {
      case "SubmitSharesStandard":
      case "SubmitSharesExtended":
        return this.#onShare(message, now, out)
      case "OpenStandardMiningChannel":
      case "OpenExtendedMiningChannel":
        return this.#onOpen(message, now, out)
      case "UpdateChannel":
        return this.#onUpdate(message, now, out)
      case "CloseChannel":
        return this.#onClose(message, out)
      case "SetCustomMiningJob":
        return this.#onCustomJob(message, out)
    }
  }

  /** Acknowledges all accepted shares. */
  acknowledge(out: Outbox): void {
    if (this.#unacknowledged.length === 0) return
    for (const channel of this.#unacknowledged) acknowledge(channel, out)
    this.#unacknowledged = []
  }

  /** Passes on what became of a template provider's message. */
  announce(announcement: Announcement, now: number, out: Outbox): void {
    if (this.#channels.size === 0) return
    if (!this.#requiresStandardJobs) {
      out.messages.push(announcement.message)
      return
    }
    const { job } = announcement
    for (const channel of this.#channels.values()) {
      const { channelId } = channel.info
      switch (announcement._tag) {
        case "FutureJob":
          out.messages.push(this.#jobMessage(channel, job, undefined))
          break
        case "NewJob":
          out.messages.push(this.#jobMessage(channel, job, announcement.minNtime))
          break
        case "NewPrevHash":
          out.messages.push(this.#context.jobs.prevHashMessage(channelId, job, now))
      }
    }
  }

  /** Lets the difficulty of channels follow their work and the network's. To be called every few seconds. */
  tick(now: number, out: Outbox): void {
    if (this.#context.jobs.current === undefined) return
    for (const channel of this.#channels.values()) {
      const isOff = channel.vardiff.review(channel.current.difficulty, now)
      if (isOff || channel.isOutdated(this.#context.jobs)) this.#retarget(channel, out)
    }
  }

  /** The connection ends: gives everything back. There must be no accepted share without acknowledgement. */
  close(reason: string, out: Outbox): void {
    for (const channel of this.#channels.values()) this.#remove(channel, reason, out)
  }

  get #requiresStandardJobs(): boolean {
    return (this.#setupFlags & Mining.REQUIRES_STANDARD_JOBS) !== 0
  }

  #onOpen(
    message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
    now: number,
    out: Outbox
  ): void {
    const { jobs, policy, space } = this.#context
    const { nominalHashRate, requestId, userIdentity } = message
    const refusal = refusalToOpen(message, this.#setupFlags, this.#channels.size, space, policy)
    const lease =
      refusal !== undefined
        ? undefined
        : message._tag === "OpenStandardMiningChannel"
          ? space.takeStandard(jobs.epoch)
          : space.takeExtended(message.minExtranonceSize, jobs.epoch)
    if (lease === undefined || this.#nextChannelId > 0xffffffff) {
      if (lease !== undefined) space.giveBack(lease)
      const errorCode = refusal ?? EXTRANONCE_SPACE_EXHAUSTED
      out.messages.push({ _tag: "OpenMiningChannel.Error", requestId, errorCode })
      const shown = printable(userIdentity)
      out.events.push({ _tag: "ChannelRefused", connectionId: this.id, userIdentity: shown, errorCode })
      return
    }
    const channelId = this.#nextChannelId++
    const kind = message._tag === "OpenStandardMiningChannel" ? "standard" : "extended"
    const info: ChannelInfo = { connectionId: this.id, channelId, kind, userIdentity }
    const maxTarget = u256FromBytes(message.maxTarget)
    const channel = new Channel(info, lease, { nominalHashRate, maxTarget }, jobs, policy, now)
    this.#channels.set(channelId, channel)
    const { difficulty, target } = channel.current
    out.events.push({ _tag: "ChannelOpened", channel: info, nominalHashRate, difficulty })
    out.messages.push(openSuccess(requestId, info, lease, target))
    this.#sendFirstJobs(channel, now, out)
  }

  /** 5.3.15: a future job first, then the previous hash that names it; then the future jobs that others have already. */
  #sendFirstJobs(channel: Channel, now: number, out: Outbox): void {
    const { jobs } = this.#context
    const { current } = jobs
    if (current !== undefined) {
      this.#sendFutureJob(channel, current, out)
      out.messages.push(jobs.prevHashMessage(channel.info.channelId, current, now))
    }
    for (const job of jobs.futureJobs()) this.#sendFutureJob(channel, job, out)
  }

  #sendFutureJob(channel: Channel, job: Job, out: Outbox): void {
    if ((channel.firstJobId - job.id) >>> 0 < 0x80000000) channel.firstJobId = job.id
    out.messages.push(this.#jobMessage(channel, job, undefined))
  }

  #jobMessage(channel: Channel, job: Job, minNtime: number | undefined): Mining.ToClient {
    const { channelId, kind } = channel.info
    return kind === "extended"
      ? extendedJobMessage(job, channelId, minNtime)
      : standardJobMessage(job, channelId, minNtime, this.#context.judge.merkleRoot(channel, job))
  }

  #onUpdate(message: Mining.UpdateChannel, now: number, out: Outbox): void {
    const { channelId, maximumTarget, nominalHashRate } = message
    const channel = this.#channels.get(channelId)
    const errorCode =
      channel === undefined
        ? ErrorCode.updateChannel.invalidChannelId
        : !isHashRate(nominalHashRate)
          ? ErrorCode.updateChannel.invalidNominalHashrate
          : !isMaxTarget(maximumTarget)
            ? ErrorCode.openChannel.maxTargetOutOfRange
            : undefined
    if (channel === undefined || errorCode !== undefined) {
      out.messages.push({ _tag: "UpdateChannel.Error", channelId, errorCode: errorCode! })
      return
    }
    channel.maxTarget = u256FromBytes(maximumTarget)
    // A client that repeats itself tells nothing new: what its shares show is better.
    if (nominalHashRate !== channel.nominalHashRate) {
      channel.nominalHashRate = nominalHashRate
      channel.vardiff.restart(nominalHashRate, now)
    }
    this.#retarget(channel, out)
  }

  #onClose(message: Mining.CloseChannel, out: Outbox): void {
    this.acknowledge(out)
    if (message.channelId === GROUP_CHANNEL_ID) return this.close(message.reasonCode, out)
    const channel = this.#channels.get(message.channelId)
    if (channel !== undefined) this.#remove(channel, message.reasonCode, out)
  }

  #onCustomJob(message: Mining.SetCustomMiningJob, out: Outbox): void {
    const { channelId, requestId } = message
    const isKnown = channelId === GROUP_CHANNEL_ID || this.#channels.get(channelId)?.info.kind === "extended"
    const codes = ErrorCode.setCustomMiningJob
    const errorCode = isKnown ? codes.jdNotSupported : codes.invalidChannelId
    out.messages.push({ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode })
  }

  #onShare(message: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended, now: number, out: Outbox): void {
    const { channelId, jobId, sequenceNumber } = message
    const { jobs, judge, policy } = this.#context
    const channel = this.#channels.get(channelId)
    const kind = message._tag === "SubmitSharesStandard" ? "standard" : "extended"
    if (channel === undefined || channel.info.kind !== kind) {
      return this.#refuse(channel, message, ErrorCode.submitShares.invalidChannelId, out)
    }
    const active = jobs.active(jobId)
    if (active === undefined || !wasSent(jobId, channel, jobs)) {
      return this.#refuse(channel, message, refusalOfJob(jobId, channel, jobs), out)
    }
    const errorCode =
      message._tag === "SubmitSharesStandard"
        ? judge.standard(channel, active, jobs, message, now)
        : judge.extended(channel, active, jobs, message, message.extranonce, now)
    if (errorCode !== undefined) return this.#refuse(channel, message, errorCode, out)

    const { difficulty, hashDifficulty, isBlock } = judge
    if (channel.pendingCount === 0) this.#unacknowledged.push(channel)
    channel.accept(sequenceNumber, difficulty, hashDifficulty, now)
    const { info } = channel
    const { height } = active.job
    const worker = WorkerIdentity.UserIdentity.get(message)
    out.events.push({
      _tag: "ShareAccepted",
      channel: info,
      sequenceNumber,
      jobId,
      height,
      difficulty,
      hashDifficulty,
      worker: worker === undefined ? undefined : printable(worker.userIdentity),
      isBlock
    })
    if (isBlock) this.#foundBlock(channel, active, message, out)
    if (channel.pendingCount >= policy.shareBatchSize) acknowledge(channel, out)
    if (channel.vardiff.isFlooded(channel.current.difficulty, now)) {
      if (channel.vardiff.review(channel.current.difficulty, now)) this.#retarget(channel, out)
    }
  }

  #foundBlock(
    channel: Channel,
    { job }: ActiveJob,
    message: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended,
    out: Outbox
  ): void {
    channel.blocks++
    const extranonce = message._tag === "SubmitSharesExtended" ? message.extranonce : NO_EXTRANONCE
    out.events.push({
      _tag: "BlockFound",
      channel: channel.info,
      height: job.height,
      hash: hashToDisplay(this.#context.judge.hash),
      solution: {
        _tag: "SubmitSolution",
        templateId: job.templateId,
        version: message.version,
        headerTimestamp: message.ntime,
        headerNonce: message.nonce,
        coinbaseTx: blockCoinbase(job, channel.lease.prefix, extranonce)
      }
    })
  }

  #refuse(
    channel: Channel | undefined,
    message: { readonly channelId: number; readonly sequenceNumber: number },
    errorCode: string,
    out: Outbox
  ): void {
    const { channelId, sequenceNumber } = message
    channel?.refuse(errorCode)
    out.messages.push({ _tag: "SubmitShares.Error", channelId, sequenceNumber, errorCode })
    out.events.push({
      _tag: "ShareRefused",
      connectionId: this.id,
      channelId,
      channel: channel?.info,
      sequenceNumber,
      errorCode
    })
  }

  #retarget(channel: Channel, out: Outbox): void {
    const period = channel.retarget(this.#context.jobs)
    if (period === undefined) return
    const { difficulty, target } = period
    out.messages.push({ _tag: "SetTarget", channelId: channel.info.channelId, maximumTarget: target })
    out.events.push({ _tag: "TargetChanged", channel: channel.info, difficulty })
  }

  #remove(channel: Channel, reason: string, out: Outbox): void {
    this.#channels.delete(channel.info.channelId)
    const { jobs, space } = this.#context
    space.giveBack(channel.lease, channel.sharesFor(jobs.epoch).size > 0 ? jobs.epoch : undefined)
    out.events.push({ _tag: "ChannelClosed", channel: channel.info, reason: printable(reason) })
  }
}

const acknowledge = (channel: Channel, out: Outbox): void => {
  const message = channel.takeAcknowledgement()
  if (message !== undefined) out.messages.push(message)
}
