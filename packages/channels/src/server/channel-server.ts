/**
 * The server's end of one mining connection (specification, section 5): a pure machine of `(message, now) -> replies and
 * events`. It reads no clock and no socket; `now` is in milliseconds since 1970.
 *
 * All channels of a connection form one group until the server makes more groups. The server sends a job and a previous hash
 * once to each group, or once to each channel if the client requires standard jobs (5.2.3). It addresses the first job and
 * previous hash of a new channel to the channel itself.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import { ErrorCode, type ForeignMessage, Mining, printable, WorkerIdentity } from "@sluice/protocol"
import type { ExtranonceLease, ExtranonceSpace } from "../extranonce.ts"
import { u256FromBytes } from "../difficulty/hash-rate.ts"
import { extendedJobMessage, type Job, standardJobMessage } from "../jobs/job.ts"
import type { SourceShare } from "../jobs/source-share.ts"
import { Channel, REPLACING_FACTOR } from "./channel.ts"
import { ChannelGroups } from "./group.ts"
import { type Announcement, GROUP_CHANNEL_ID, type Jobs } from "../jobs/jobs.ts"
import {
  EXTRANONCE_SPACE_EXHAUSTED,
  isHashRate,
  isMaxTarget,
  openSuccess,
  refusalToOpen,
  VERSION_ROLLING_NOT_SUPPORTED
} from "./open.ts"
import { type LateBlock, LateBlocks } from "../shares/late-blocks.ts"
import type { ChannelInfo, ServerOutbox, ShareAccepted, ShareRefused } from "./event.ts"
import type { ChannelPolicy } from "./policy.ts"
import { refusalOfJob, type ShareValidator, TOO_MANY_SHARES_PER_SECOND } from "../shares/share-validator.ts"
import { NO_VERDICT, type SourceChange, type SourceChannels, type Via } from "../jobs/source-channel.ts"
import { ShareAllowance } from "../shares/share-allowance.ts"
import { ShownRate, type ShownRates } from "../difficulty/shown-rate.ts"

/** Shared by all connections of a server. */
export interface ChannelServerContext {
  readonly jobs: Jobs
  readonly space: ChannelSpace
  readonly validator: ShareValidator
  readonly policy: ChannelPolicy
  /** Remembers users' hash rates across connections. Without it, only this connection's are remembered. */
  readonly shown?: ShownRates
  /** The channels at the source, if one stands behind each channel here. `jobs` and `space` then have nothing for them. */
  readonly source?: SourceChannels
}

/** Gives channels their prefixes. */
export interface ChannelSpace extends Pick<
  ExtranonceSpace,
  "maxRollableSize" | "takeStandard" | "takeExtended" | "takeSame" | "giveBack"
> {
  /** Counts a prefix of the source under the limits for channels. `undefined` if they have no room for it. */
  readonly admit?: (lease: ExtranonceLease) => ExtranonceLease | undefined
}

type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

const NO_EXTRANONCE = new Uint8Array(0)
/** The most channel ids that one SetGroupChannel carries (SEQ0_64K). */
const MAX_CHANNEL_IDS = 0xffff

export class ChannelServer {
  /** The number that the shell gave this connection. All events repeat it. */
  readonly id: number
  readonly #setupFlags: number
  readonly #context: ChannelServerContext
  readonly #channels = new Map<number, Channel>()
  readonly #groups: ChannelGroups
  readonly #allowance: ShareAllowance
  /** Created on first use. */
  #lateBlocks: LateBlocks | undefined
  /** The rates that this connection remembers, then those that the server remembers across connections. */
  readonly #shown: ReadonlyArray<ShownRates>
  /** Channels with accepted shares to acknowledge. Empty between batches. */
  #unacknowledged: Array<Channel> = []
  #nextChannelId = GROUP_CHANNEL_ID + 1
  #emptySince: number | undefined = 0
  /** Channels whose source has changes. `undefined` without sources. */
  #changed: Set<Channel> | undefined

  /** `setupFlags` are the flags in the client's SetupConnection (5.3.1). */
  constructor(id: number, setupFlags: number, context: ChannelServerContext) {
    this.id = id
    this.#setupFlags = setupFlags
    this.#context = context
    this.#groups = new ChannelGroups(context.jobs)
    this.#allowance = new ShareAllowance(context.policy.maxSharesPerSecond)
    this.#shown = context.shown === undefined ? [new ShownRate()] : [new ShownRate(), context.shown]
  }

  get channelCount(): number {
    return this.#channels.size
  }

  /** The hash rates of the channels together, in hashes a second, as their difficulty assumes them. */
  get hashRate(): number {
    let sum = 0
    for (const { vardiff } of this.#channels.values()) sum += vardiff.hashRate
    return sum
  }

  /** When the last channel was closed, in milliseconds; 0 if there was never one, `undefined` while there is one. */
  get emptySince(): number | undefined {
    return this.#emptySince
  }

  /** The channels that get jobs of their own: all or none. A shell may compute their merkle roots before `announce` does. */
  get ownJobChannels(): Iterable<Channel> {
    return this.#requiresStandardJobs ? this.#channels.values() : []
  }

  /** How many shares wait for the verdict of their source. */
  get waitingShares(): number {
    if (this.#context.source === undefined) return 0
    let count = 0
    for (const { source } of this.#channels.values()) count += source?.size ?? 0
    return count
  }

  /**
   * Handles the messages of one read. Answers every share among them before it returns, except shares that wait for the verdict of
   * their channel's source. Before that, follows the changes that the sources made.
   */
  receive(messages: ReadonlyArray<Mining.ToServer>, now: number, out: ServerOutbox): void {
    const { jobs, validator } = this.#context
    if (this.#changed !== undefined) this.#followSources(now, out)
    validator.hashTogether(messages, this.#channels, jobs)
    try {
      for (const message of messages) this.receiveOne(message, now, out)
    } finally {
      validator.forgetHashes()
    }
    this.acknowledge(out)
  }

  /** Handles one message. Accepted shares may wait for `acknowledge`. Ignores messages that a mining server does not take. */
  receiveOne(message: Mining.ToServer | ForeignMessage, now: number, out: ServerOutbox): void {
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
        return this.#onClose(message, now, out)
      case "SetCustomMiningJob":
        return this.#onCustomJob(message, out)
      case "ForeignMessage":
        this.#channels.get(message.channelId)?.source?.channel.forward(message)
    }
  }

  /** Acknowledges all accepted shares. */
  acknowledge(out: ServerOutbox): void {
    if (this.#unacknowledged.length === 0) return
    for (const channel of this.#unacknowledged) acknowledge(channel, out)
    this.#unacknowledged = []
  }

  /** Announces a job or previous hash to the channels. */
  announce(announcement: Announcement, out: ServerOutbox): void {
    if (this.#requiresStandardJobs) {
      if (announcement._tag !== "NewPrevHash")
        this.#context.validator.prepareMerkleRoots(this.ownJobChannels, announcement.job)
      return this.#announceTo(this.#channels.values(), announcement, out)
    }
    for (const group of this.#groups.values()) {
      // SetNewPrevHash must name a job that was sent to its addressee (5.3.17). A group made after the job never got it.
      if (announcement._tag === "NewPrevHash" && !group.knowsJob(announcement.job.id)) {
        this.#announceTo(group.members, announcement, out)
      } else if (group.id === GROUP_CHANNEL_ID) {
        out.messages.push(announcement.message)
      } else {
        out.messages.push({ ...announcement.message, channelId: group.id })
      }
    }
  }

  /** Adjusts the channels' difficulties to their work and to the network's. Call it every few seconds. */
  tick(now: number, out: ServerOutbox): void {
    const { jobs, space } = this.#context
    this.#lateBlocks?.tick(now)
    if (jobs.current === undefined) return
    for (const channel of this.#channels.values()) {
      const isOff = this.#review(channel, now)
      if (isOff || channel.isOutdated(jobs)) this.#retarget(channel, now, out, REPLACE_EITHER_WAY)
      for (const lease of channel.takeUnusedLeases(jobs)) space.giveBack(lease, this.#usedIn(channel))
    }
  }

  /** Reserves an unused id for a group that `setGroup` will fill. */
  newGroupId(): number {
    const groupId = this.#nextChannelId++
    this.#groups.add(groupId)
    return groupId
  }

  /**
   * Moves channels into the group `groupId`, from `newGroupId` or `GROUP_CHANNEL_ID`, and tells the client (5.3.22). Returns a
   * reason and changes nothing if that is impossible.
   */
  setGroup(groupId: number, channelIds: ReadonlyArray<number>, out: ServerOutbox): SetGroupRefusal | undefined {
    if (this.#requiresStandardJobs) return "requires-standard-jobs"
    if (this.#context.source !== undefined) return "upstream-decides"
    if (!this.#groups.isGroup(groupId)) return "unknown-group"
    if (!channelIds.every((channelId) => this.#channels.has(channelId))) return "unknown-channel"
    for (const channelId of channelIds) this.#groups.join(this.#channels.get(channelId)!, groupId)
    sendGroup(groupId, channelIds, out)
    return undefined
  }

  /**
   * Gives a channel another extranonce prefix of the server's space and tells the client (5.3.10). Later jobs use it. Shares
   * of earlier jobs are checked with the old prefix, which stays reserved until no such share can come. Returns a reason and
   * changes nothing if that is impossible.
   */
  changeExtranoncePrefix(channelId: number, out: ServerOutbox): ChangePrefixRefusal | undefined {
    const { jobs, source, space } = this.#context
    if (source !== undefined) return "upstream-decides"
    const channel = this.#channels.get(channelId)
    if (channel === undefined) return "unknown-channel"
    const lease = space.takeSame(channel.lease.rollableSize, jobs.epoch)
    if (lease === undefined) return EXTRANONCE_SPACE_EXHAUSTED
    channel.changeLease(lease, jobs.nextId)
    sendPrefix(channel, out)
    return undefined
  }

  /** Closes a channel, or all channels of a group, and tells the client (5.3.9). Returns whether there was one. */
  closeChannel(channelId: number, reasonCode: string, now: number, out: ServerOutbox): boolean {
    this.acknowledge(out)
    for (const channel of this.#addressed(channelId)) answerWaiting(channel, out)
    if (!this.#removeAddressed(channelId, reasonCode, now, out)) return false
    out.messages.push({ _tag: "CloseChannel", channelId, reasonCode })
    return true
  }

  /** Asks the client to reconnect (3.6.5). An empty host and port 0 mean the present ones. */
  reconnect(host: string, port: number, out: ServerOutbox): void {
    out.messages.push({ _tag: "Reconnect", newHost: host, newPort: port })
  }

  /** Refuses all shares that wait for a verdict: for a connection that ends. */
  answerWaiting(out: ServerOutbox): void {
    if (this.#context.source === undefined) return
    for (const channel of this.#channels.values()) answerWaiting(channel, out)
  }

  /**
   * Why this end refuses a request for a channel, or `undefined`. A shell asks before it opens the channel at the source; `more` is
   * how many channels it is opening already.
   */
  whyRefused(
    message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
    more = 0
  ): string | undefined {
    if (this.#mustRollVersions) return VERSION_ROLLING_NOT_SUPPORTED
    const { policy, source, space } = this.#context
    const maxRollableSize = source === undefined ? space.maxRollableSize : Mining.MAX_EXTRANONCE_SIZE
    return refusalToOpen(message, this.#setupFlags, this.#channels.size + more, maxRollableSize, policy)
  }

  /** Releases everything when the connection ends. All accepted shares must be acknowledged before. */
  close(reason: string, now: number, out: ServerOutbox): void {
    for (const channel of this.#channels.values()) this.#remove(channel, reason, now, out)
  }

  get #requiresStandardJobs(): boolean {
    return (this.#setupFlags & Mining.REQUIRES_STANDARD_JOBS) !== 0
  }

  get #late(): LateBlocks {
    return (this.#lateBlocks ??= new LateBlocks(this.#context.policy.maxSharesPerSecond))
  }

  /** Whether the client requires version rolling, which the jobs do not allow (5.3.1). */
  get #mustRollVersions(): boolean {
    const isRequired = (this.#setupFlags & Mining.REQUIRES_VERSION_ROLLING) !== 0
    return isRequired && !this.#context.jobs.versionRollingAllowed
  }

  #onOpen(
    message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
    now: number,
    out: ServerOutbox
  ): void {
    const { policy, space } = this.#context
    const { nominalHashRate, requestId, userIdentity } = message
    const opened = this.#context.source?.opened(message)
    const source = typeof opened === "string" ? undefined : opened
    const refusal = this.whyRefused(message) ?? (typeof opened === "string" ? opened : undefined)
    const jobs = source?.jobs ?? this.#context.jobs
    const lease =
      refusal !== undefined
        ? undefined
        : source !== undefined
          ? space.admit === undefined
            ? source.lease
            : space.admit(source.lease)
          : message._tag === "OpenStandardMiningChannel"
            ? space.takeStandard(jobs.epoch)
            : space.takeExtended(message.minExtranonceSize, jobs.epoch)
    if (lease === undefined || this.#nextChannelId > 0xffffffff) {
      if (lease !== undefined) space.giveBack(lease)
      const errorCode = refusal ?? EXTRANONCE_SPACE_EXHAUSTED
      source?.close(errorCode)
      out.messages.push({ _tag: "OpenMiningChannel.Error", requestId, errorCode })
      const shown = printable(userIdentity)
      out.events.push({ _tag: "ChannelRefused", connectionId: this.id, userIdentity: shown, errorCode })
      return
    }
    const channelId = this.#nextChannelId++
    const kind = message._tag === "OpenStandardMiningChannel" ? "standard" : "extended"
    const info: ChannelInfo = { connectionId: this.id, channelId, kind, userIdentity }
    const maxTarget = u256FromBytes(message.maxTarget)
    const leastHashRate = Math.max(...this.#shown.map((shown) => shown.leastFor(userIdentity, now)))
    const [work] = this.#shown.flatMap((shown) => shown.take(userIdentity, now) ?? [])
    const client = { nominalHashRate, leastHashRate, work, maxTarget, source }
    const channel = new Channel(info, lease, client, jobs, policy, now)
    this.#channels.set(channelId, channel)
    // Each source chooses the size of the full extranonce, which must be the same for all channels of a group (5.2.3).
    this.#groups.join(channel, source === undefined ? GROUP_CHANNEL_ID : this.newGroupId())
    this.#emptySince = undefined
    const { difficulty, target } = channel.current
    out.events.push({ _tag: "ChannelOpened", channel: info, nominalHashRate, difficulty })
    out.messages.push(openSuccess(requestId, info, lease, target, channel.groupId))
    if (source === undefined) return this.#sendFirstJobs(channel, now, out)
    const changed = (this.#changed ??= new Set())
    source.onChange = () => {
      changed.add(channel)
      this.#context.source!.onChange()
    }
    this.#followSource(channel, now, out)
  }

  #followSources(now: number, out: ServerOutbox): void {
    for (const channel of this.#changed!) {
      this.#changed!.delete(channel)
      this.#followSource(channel, now, out)
    }
  }

  #followSource(channel: Channel, now: number, out: ServerOutbox): void {
    for (const change of channel.source!.channel.takeChanges()) this.#followChange(channel, change, now, out)
  }

  /** Tells the client of a change that the channel's source made. */
  #followChange(channel: Channel, change: SourceChange, now: number, out: ServerOutbox): void {
    const { info } = channel
    const { channelId } = info
    const { channel: source } = channel.source!
    switch (change._tag) {
      case "FutureJob":
      case "NewJob":
        return this.#announceTo([channel], change, out)
      case "NewPrevHash":
        this.#announceTo([channel], change, out)
        channel.takeUnusedLeases(source.jobs)
        return
      case "NewTarget": {
        const { difficulty, target } = channel.setTarget(change.target, change.since, source.jobs)
        out.messages.push({ _tag: "SetTarget", channelId, maximumTarget: target })
        out.events.push({ _tag: "TargetChanged", channel: info, difficulty })
        return
      }
      case "NewPrefix":
        channel.changeLease({ ...source.lease, prefix: change.prefix }, change.fromJobId)
        return sendPrefix(channel, out)
      case "SharesAccepted":
        for (const key of change.keys) {
          const share = channel.source!.take(key)
          if (share !== undefined) this.#accept(channel, share, now, out)
        }
        return
      case "ShareRefused": {
        const share = channel.source!.take(change.key)
        if (share !== undefined) refuseWaiting(share, change.errorCode, out)
        return
      }
      case "UpdateRefused":
        out.messages.push({ _tag: "UpdateChannel.Error", channelId, errorCode: change.errorCode })
        return
      case "Closed":
        this.closeChannel(channelId, change.reasonCode, now, out)
        return
      case "Forwarded":
        // A connection whose protocol is `Protocol.forwarding` encodes it.
        out.messages.push({ ...change.message, channelId } as unknown as Mining.ToClient)
        return
      case "EndpointChanged":
        out.messages.push({ _tag: "ChannelEndpointChanged", channelId })
    }
  }

  /** Sends the current job as a future job, the previous hash that names it (5.3.15), and the present future jobs. */
  #sendFirstJobs(channel: Channel, now: number, out: ServerOutbox): void {
    const { jobs } = this.#context
    const { current } = jobs
    if (current !== undefined) {
      this.#sendFutureJob(channel, current, out)
      out.messages.push(jobs.prevHashMessage(channel.info.channelId, current, now))
    }
    for (const job of jobs.futureJobs()) this.#sendFutureJob(channel, job, out)
  }

  #announceTo(channels: Iterable<Channel>, announcement: Announcement, out: ServerOutbox): void {
    const { job } = announcement
    for (const channel of channels) {
      switch (announcement._tag) {
        case "FutureJob":
          out.messages.push(this.#jobMessage(channel, job, undefined))
          break
        case "NewJob":
          out.messages.push(this.#jobMessage(channel, job, announcement.minNtime))
          break
        case "NewPrevHash":
          out.messages.push(announcement.messageFor(channel.info.channelId))
      }
    }
  }

  #sendFutureJob(channel: Channel, job: Job, out: ServerOutbox): void {
    channel.addFirstJob(job.id)
    out.messages.push(this.#jobMessage(channel, job, undefined))
  }

  #jobMessage(channel: Channel, job: Job, minNtime: number | undefined): Mining.ToClient {
    const { channelId, kind } = channel.info
    return kind === "extended"
      ? extendedJobMessage(job, channelId, minNtime)
      : standardJobMessage(job, channelId, minNtime, this.#context.validator.merkleRoot(channel, job))
  }

  #onUpdate(message: Mining.UpdateChannel, now: number, out: ServerOutbox): void {
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
    if (channel.source !== undefined) {
      channel.nominalHashRate = nominalHashRate
      return channel.source.channel.update(nominalHashRate, maximumTarget)
    }
    // A repeated statement says nothing new, and the channel's shares may have shown another rate since.
    if (nominalHashRate !== channel.nominalHashRate) channel.restate(nominalHashRate, now)
    this.#retarget(channel, now, out, REPLACE_EASIER)
  }

  #onClose(message: Mining.CloseChannel, now: number, out: ServerOutbox): void {
    this.acknowledge(out)
    this.#removeAddressed(message.channelId, message.reasonCode, now, out)
  }

  #onCustomJob(message: Mining.SetCustomMiningJob, out: ServerOutbox): void {
    const { channelId, requestId } = message
    const isKnown = this.#groups.isGroup(channelId) || this.#channels.get(channelId)?.info.kind === "extended"
    const codes = ErrorCode.setCustomMiningJob
    const errorCode = isKnown ? codes.jdNotSupported : codes.invalidChannelId
    out.messages.push({ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode })
  }

  #onShare(message: Share, now: number, out: ServerOutbox): void {
    const { channelId, jobId, sequenceNumber } = message
    const { validator } = this.#context
    const channel = this.#channels.get(channelId)
    const jobs = channel?.source?.channel.jobs ?? this.#context.jobs
    const kind = message._tag === "SubmitSharesStandard" ? "standard" : "extended"
    if (channel === undefined || channel.info.kind !== kind) {
      return this.#refuse(channel, message, ErrorCode.submitShares.invalidChannelId, now, out)
    }
    const active = jobs.active(jobId)
    if (active === undefined || !channel.has(active, jobs)) {
      const errorCode = active === undefined ? refusalOfJob(jobId, channel, jobs) : ErrorCode.submitShares.invalidJobId
      return this.#refuse(channel, message, errorCode, now, out)
    }
    const hasRoom = this.#allowance.hasRoom(this.#channels.size, now) && channel.source?.hasRoom !== false
    const errorCode =
      message._tag === "SubmitSharesStandard"
        ? validator.standard(channel, active, jobs, message, hasRoom, now)
        : validator.extended(channel, active, jobs, message, message.extranonce, hasRoom, now)
    const { difficulty, hashDifficulty, isBlock, isForSource } = validator
    if (errorCode !== undefined) {
      this.#refuse(channel, message, errorCode, now, out, validator.isHashed)
      if (errorCode !== TOO_MANY_SHARES_PER_SECOND || channel.source !== undefined) return
      // The miner did this work, so the difficulty follows it. Fewer shares come then.
      channel.vardiff.record(difficulty, channel.current.difficulty, now)
      return this.#follow(channel, now, out)
    }

    this.#allowance.take()
    const { info } = channel
    const { height } = active.job
    const share: ShareAccepted = {
      _tag: "ShareAccepted",
      channel: info,
      sequenceNumber,
      jobId,
      height,
      difficulty,
      hashDifficulty,
      hash: validator.hash.slice(),
      worker: workerOf(message),
      isBlock
    }
    const { source } = channel
    if (source === undefined) this.#accept(channel, share, now, out)
    const via = source === undefined ? undefined : { channel: source.channel, key: source.add(share), message }
    if (isBlock) {
      this.#late.note(validator.hash)
      const block = { channel: info, job: active.job, lease: channel.leaseOf(jobId) }
      this.#foundBlock(block, message, share.hash, undefined, out, via)
    } else if (isForSource || source !== undefined) {
      const found = sourceShare(info, active.job, channel.leaseOf(jobId), message, share.hash, false, via)
      out.events.push({ _tag: "ShareForSource", channel: info, found })
    }
    if (source === undefined) this.#follow(channel, now, out)
  }

  /** Counts a share that is accepted. A batch of them is acknowledged at once, the rest at the end of the read. */
  #accept(channel: Channel, share: ShareAccepted, now: number, out: ServerOutbox): void {
    if (channel.pendingCount === 0) this.#unacknowledged.push(channel)
    channel.accept(share.sequenceNumber, share.difficulty, now)
    out.events.push(share)
    if (channel.pendingCount >= this.#context.policy.shareBatchSize) acknowledge(channel, out)
  }

  /** Raises the difficulty at once if the shares show that it is far too low. */
  #follow(channel: Channel, now: number, out: ServerOutbox): void {
    if (channel.vardiff.isDue && this.#review(channel, now)) this.#retarget(channel, now, out, REPLACE_EITHER_WAY)
  }

  /** Returns whether the channel's hash rate has changed, and remembers the new one. */
  #review(channel: Channel, now: number): boolean {
    if (!channel.vardiff.review(channel.current.difficulty, now)) return false
    const { userIdentity } = channel.info
    for (const shown of this.#shown) shown.saw(userIdentity, channel.shownRate(now), now)
    return true
  }

  #foundBlock(
    { channel, job, lease }: LateBlock,
    message: Share,
    hash: Uint8Array,
    refusal: string | undefined,
    out: ServerOutbox,
    via?: Via
  ): void {
    const found = sourceShare(channel, job, lease, message, hash, true, via)
    out.events.push({
      _tag: "BlockFound",
      channel,
      refusal,
      height: job.height,
      hash: hashToDisplay(found.hash),
      found
    })
  }

  /** Refuses a share. If the share is a block nevertheless, reports the block. */
  #refuse(
    channel: Channel | undefined,
    message: Share,
    errorCode: string,
    now: number,
    out: ServerOutbox,
    isHashed = false
  ): void {
    const { channelId, sequenceNumber } = message
    out.messages.push({ _tag: "SubmitShares.Error", channelId, sequenceNumber, errorCode })
    out.events.push({
      _tag: "ShareRefused",
      connectionId: this.id,
      channelId,
      channel: channel?.info,
      sequenceNumber,
      errorCode
    })
    // A hashed share is known to be no block here. If a duplicate is one, its first copy was reported.
    if (isHashed && !this.#context.validator.isBlock) return
    if (errorCode === ErrorCode.submitShares.duplicateShare) return
    const source = channel?.source?.channel
    const context = source === undefined ? this.#context : { ...this.#context, jobs: source.jobs }
    const block = this.#late.find(message, channel, context, this.#channels.size, now)
    if (block === undefined) return
    const via = source === undefined ? undefined : { channel: source, key: undefined, message }
    this.#foundBlock(block, message, this.#context.validator.hash.slice(), errorCode, out, via)
  }

  /**
   * Sends the channel's target if it has changed. The target holds for later jobs only (5.3.21), so after a large change the
   * channel also gets a variant of the current job.
   */
  #retarget(channel: Channel, now: number, out: ServerOutbox, replace: ReplaceRule): void {
    const { jobs } = this.#context
    const period = channel.retarget(jobs)
    if (period === undefined) return
    const { difficulty, target } = period
    out.messages.push({ _tag: "SetTarget", channelId: channel.info.channelId, maximumTarget: target })
    out.events.push({ _tag: "TargetChanged", channel: channel.info, difficulty })
    const mined = channel.newestTarget(jobs)
    if (mined === undefined || !replace(difficulty / mined.difficulty)) return
    const repeated = channel.repeatJob(jobs)
    if (repeated !== undefined) out.messages.push(this.#jobMessage(channel, repeated.job, jobs.ntimeNow(now)))
  }

  /** Removes a channel or all channels of a group. Returns whether there was one. */
  #removeAddressed(channelId: number, reason: string, now: number, out: ServerOutbox): boolean {
    const channels = this.#addressed(channelId)
    const open = this.#channels.size
    for (const channel of channels) {
      this.#late.close(channel, open, now)
      this.#remove(channel, reason, now, out)
    }
    if (channels.length > 0 && this.#channels.size === 0) this.#emptySince = now
    return channels.length > 0
  }

  /** The channel with this id, or all channels of the group with this id. */
  #addressed(channelId: number): ReadonlyArray<Channel> {
    const channel = this.#channels.get(channelId)
    return channel === undefined ? [...(this.#groups.get(channelId)?.members ?? [])] : [channel]
  }

  #remove(channel: Channel, reason: string, now: number, out: ServerOutbox): void {
    const work = channel.shownWork(now)
    if (work !== undefined) for (const shown of this.#shown) shown.left(work)
    this.#channels.delete(channel.info.channelId)
    this.#groups.leave(channel)
    if (channel.source !== undefined) {
      this.#groups.forget(channel.groupId)
      this.#changed?.delete(channel)
      for (const share of channel.source.takeAll()) out.events.push(refusedEvent(share, NO_VERDICT))
      channel.source.channel.onChange = () => {}
      channel.source.channel.close(reason)
    }
    for (const lease of channel.leases) this.#context.space.giveBack(lease, this.#usedIn(channel))
    out.events.push({ _tag: "ChannelClosed", channel: channel.info, reason: printable(reason) })
  }

  /** The present epoch if shares used the channel's prefixes in it. The prefixes must then rest until the epoch is over. */
  #usedIn(channel: Channel): number | undefined {
    if (channel.source !== undefined) return undefined
    const { epoch } = this.#context.jobs
    return channel.sharesFor(epoch).size > 0 ? epoch : undefined
  }
}

/** Why channels cannot be put into a group. */
export type SetGroupRefusal = "requires-standard-jobs" | "upstream-decides" | "unknown-group" | "unknown-channel"
/** Why a channel cannot get another prefix. */
export type ChangePrefixRefusal = "unknown-channel" | "upstream-decides" | typeof EXTRANONCE_SPACE_EXHAUSTED

/** Decides whether a job is replaced at once by one with `factor` times its difficulty. */
type ReplaceRule = (factor: number) => boolean

const REPLACE_EASIER: ReplaceRule = (factor) => factor >= REPLACING_FACTOR
const REPLACE_EITHER_WAY: ReplaceRule = (factor) => factor >= REPLACING_FACTOR || factor <= 1 / REPLACING_FACTOR

const sendPrefix = ({ info, lease }: Channel, out: ServerOutbox): void => {
  const { channelId } = info
  out.messages.push({ _tag: "SetExtranoncePrefix", channelId, extranoncePrefix: lease.prefix })
}

const sendGroup = (groupChannelId: number, channelIds: ReadonlyArray<number>, out: ServerOutbox): void => {
  for (let first = 0; first < channelIds.length; first += MAX_CHANNEL_IDS) {
    const some = channelIds.slice(first, first + MAX_CHANNEL_IDS)
    out.messages.push({ _tag: "SetGroupChannel", groupChannelId, channelIds: some })
  }
}

const sourceShare = (
  { userIdentity }: ChannelInfo,
  job: Job,
  { prefix }: ExtranonceLease,
  message: Share,
  hash: Uint8Array,
  isBlock: boolean,
  via?: Via
): SourceShare => {
  const { nonce, ntime, version } = message
  const rolled = message._tag === "SubmitSharesExtended" ? message.extranonce : NO_EXTRANONCE
  const extranonce = new Uint8Array(prefix.length + rolled.length)
  extranonce.set(prefix)
  extranonce.set(rolled, prefix.length)
  const worker = workerOf(message)
  const share = { job, userIdentity, worker, version, ntime, nonce, extranonce, hash, isBlock }
  return via === undefined ? share : { ...share, via }
}

/** Refuses all shares of a channel that wait for a verdict. */
const answerWaiting = (channel: Channel, out: ServerOutbox): void => {
  for (const share of channel.source?.takeAll() ?? []) refuseWaiting(share, NO_VERDICT, out)
}

const refuseWaiting = (share: ShareAccepted, errorCode: string, out: ServerOutbox): void => {
  const { channel, sequenceNumber } = share
  out.messages.push({ _tag: "SubmitShares.Error", channelId: channel.channelId, sequenceNumber, errorCode })
  out.events.push(refusedEvent(share, errorCode))
}

const refusedEvent = ({ channel, sequenceNumber }: ShareAccepted, errorCode: string): ShareRefused => {
  const { channelId, connectionId } = channel
  return { _tag: "ShareRefused", connectionId, channelId, channel, sequenceNumber, errorCode }
}

/** The worker that a share names, without control characters. */
const workerOf = (message: Share): string | undefined => {
  const worker = WorkerIdentity.UserIdentity.get(message)
  return worker === undefined ? undefined : printable(worker.userIdentity)
}

const acknowledge = (channel: Channel, out: ServerOutbox): void => {
  const message = channel.takeAcknowledgement()
  if (message !== undefined) out.messages.push(message)
}
