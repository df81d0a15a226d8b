/**
 * The server's end of one mining connection (specification, section 5): a pure machine of `(message, now) -> replies and
 * events`. It reads no clock and no socket; `now` is in milliseconds since 1970.
 *
 * All channels of a connection form one group until the server makes more groups. The server sends a job and a previous hash
 * once to each group, or once to each channel if the client requires standard jobs (5.2.3). It addresses the first job and
 * previous hash of a new channel to the channel itself.
 */
import { type ForeignMessage, type Mining, printable } from "@sluice/protocol"
import type { Announcement } from "../jobs/jobs.ts"
import { CustomChannelJobs } from "../jobs/custom-channel-jobs.ts"
import type { Channel } from "./channel.ts"
import type { HashRateSum } from "../difficulty/hash-rate-sum.ts"
import { type ChannelServerContext, ConnectionState } from "./connection-state.ts"
import type { ServerOutbox } from "./event.ts"
import { announce, ownJobChannels, sendFirstJobs } from "./job-messages.ts"
import { EXTRANONCE_SPACE_EXHAUSTED, openChannel, whyRefused } from "./open.ts"
import { answerWaitingJobs, setCustomJob } from "./set-custom-job.ts"
import { Shares } from "./shares.ts"
import { SourceChanges } from "./source-changes.ts"
import { adjustTarget, updateChannel } from "./targets.ts"

/** The most channel ids that one SetGroupChannel carries (SEQ0_64K). */
const MAX_CHANNEL_IDS = 0xffff

export class ChannelServer {
  /** The number that the shell gave this connection. All events repeat it. */
  readonly id: number
  readonly #state: ConnectionState
  readonly #shares: Shares
  /** `undefined` if no channels of the source stand behind those here. */
  readonly #sources: SourceChanges | undefined

  /** `setupFlags` are the flags in the client's SetupConnection (5.3.1). */
  constructor(id: number, setupFlags: number, context: ChannelServerContext) {
    this.id = id
    this.#state = new ConnectionState(id, setupFlags, context)
    this.#shares = new Shares(this.#state)
    const { source } = context
    this.#sources = source === undefined ? undefined : new SourceChanges(source, this.#state, this.#shares, this)
  }

  get channelCount(): number {
    return this.#state.channels.size
  }

  /** Adds its channels. */
  addTo(sum: HashRateSum, now: number): void {
    for (const channel of this.#state.channels.values()) channel.addTo(sum, now)
  }

  /** When the last channel was closed, in milliseconds; 0 if there was never one, `undefined` while there is one. */
  get emptySince(): number | undefined {
    return this.#state.emptySince
  }

  /** The channels that get jobs of their own: all or none. A shell may compute their merkle roots before `announce` does. */
  get ownJobChannels(): Iterable<Channel> {
    return ownJobChannels(this.#state)
  }

  /** How many shares wait for the verdict of their source. */
  get waitingShares(): number {
    if (this.#sources === undefined) return 0
    let count = 0
    for (const { source } of this.#state.channels.values()) count += source?.size ?? 0
    return count
  }

  /**
   * Handles the messages of one read. Answers every share among them before it returns, except shares that wait for the verdict of
   * their channel's source. Before that, follows the changes that the sources made.
   */
  receive(messages: ReadonlyArray<Mining.ToServer>, now: number, out: ServerOutbox): void {
    this.take(messages, now, out)
    this.acknowledge(now, out)
  }

  /** As `receive`, but accepted shares may wait for `acknowledge`, also those of earlier calls. */
  take(messages: ReadonlyArray<Mining.ToServer>, now: number, out: ServerOutbox): void {
    this.#sources?.follow(now, out)
    if (messages.length === 1) return this.receiveOne(messages[0]!, now, out)
    const { channels, context } = this.#state
    const { jobs, validator } = context
    validator.hashTogether(messages, channels, jobs)
    try {
      for (const message of messages) this.receiveOne(message, now, out)
    } finally {
      validator.forgetHashes()
    }
  }

  /** Handles one message. Accepted shares may wait for `acknowledge`. Ignores messages that a mining server does not take. */
  receiveOne(message: Mining.ToServer | ForeignMessage, now: number, out: ServerOutbox): void {
    switch (message._tag) {
      case "SubmitSharesStandard":
      case "SubmitSharesExtended":
        return this.#shares.receive(message, now, out)
      case "OpenStandardMiningChannel":
      case "OpenExtendedMiningChannel":
        return this.#onOpen(message, now, out)
      case "UpdateChannel":
        // What the channel's shares have shown counts before what the client states. A source decides about its channels itself.
        if (this.#sources === undefined) this.acknowledge(now, out)
        return updateChannel(this.#state, message, now, out)
      case "CloseChannel":
        return this.#onClose(message, now, out)
      case "SetCustomMiningJob":
        return setCustomJob(this.#state, message, now, out)
      case "ForeignMessage":
        this.#state.channels.get(message.channelId)?.source?.channel.forward(message)
    }
  }

  /** The channel of the last share. */
  get lastChannel(): Channel | undefined {
    return this.#shares.last
  }

  /** Looks at what a share will need beside its channel, so that the processor loads all of it at once. The result has no meaning. */
  touch(): number {
    return this.#shares.touch()
  }

  /** How many accepted shares wait for `acknowledge`. */
  get unacknowledged(): number {
    return this.#shares.waiting
  }

  /** Acknowledges all accepted shares, or those that came before this time. */
  acknowledge(now: number, out: ServerOutbox, before = Infinity): void {
    this.#shares.acknowledge(now, out, before)
  }

  /**
   * Announces a job or previous hash to the channels. A client that sets its jobs itself only gets the answers that waited for the
   * previous hash.
   */
  announce(announcement: Announcement, out: ServerOutbox): void {
    if (this.#state.custom !== undefined) {
      answerWaitingJobs(this.#state, this.#state.context.jobs.prevHash?.receivedAt ?? 0, out)
    } else announce(this.#state, announcement, out)
  }

  /** Adjusts the channels' difficulties to their work and to the network's. Call it every few seconds. */
  tick(now: number, out: ServerOutbox): void {
    const { channels, context } = this.#state
    const { jobs } = context
    this.#shares.tick(now)
    answerWaitingJobs(this.#state, now, out)
    if (jobs.current === undefined) return
    for (const channel of channels.values()) {
      if (channel.jobs instanceof CustomChannelJobs) channel.jobs.follow()
      channel.forgetOldJob()
      adjustTarget(this.#state, channel, now, out)
      this.#state.giveBack(channel, channel.takeUnusedLeases(channel.jobs))
    }
  }

  /** Reserves an unused id for a group that `setGroup` will fill. */
  newGroupId(): number {
    return this.#state.newGroupId()
  }

  /**
   * Moves channels into the group `groupId`, from `newGroupId` or `GROUP_CHANNEL_ID`, and tells the client (5.3.22). Returns a
   * reason and changes nothing if that is impossible.
   */
  setGroup(groupId: number, channelIds: ReadonlyArray<number>, out: ServerOutbox): SetGroupRefusal | undefined {
    const { channels, groups, requiresStandardJobs } = this.#state
    if (requiresStandardJobs) return "requires-standard-jobs"
    if (this.#sources !== undefined) return "upstream-decides"
    if (!groups.isGroup(groupId)) return "unknown-group"
    if (!channelIds.every((channelId) => channels.has(channelId))) return "unknown-channel"
    for (const channelId of channelIds) groups.join(channels.get(channelId)!, groupId)
    for (let first = 0; first < channelIds.length; first += MAX_CHANNEL_IDS) {
      const some = channelIds.slice(first, first + MAX_CHANNEL_IDS)
      out.messages.push({ _tag: "SetGroupChannel", groupChannelId: groupId, channelIds: some })
    }
    return undefined
  }

  /**
   * Gives a channel another extranonce prefix of the server's space and tells the client (5.3.10). Later jobs use it. Shares
   * of earlier jobs are checked with the old prefix, which stays reserved until no such share can come. Returns a reason and
   * changes nothing if that is impossible.
   */
  changeExtranoncePrefix(channelId: number, out: ServerOutbox): ChangePrefixRefusal | undefined {
    const { channels, context } = this.#state
    const { jobs, source, space } = context
    if (source !== undefined) return "upstream-decides"
    const channel = channels.get(channelId)
    if (channel === undefined) return "unknown-channel"
    const lease = space.takeSame(channel.lease.rollableSize, jobs.epoch)
    if (lease === undefined) return EXTRANONCE_SPACE_EXHAUSTED
    channel.changeLease(lease, channel.jobs.nextId)
    out.messages.push(channel.prefixMessage)
    return undefined
  }

  /** Closes a channel, or all channels of a group, and tells the client (5.3.9). Returns whether there was one. */
  closeChannel(channelId: number, reasonCode: string, now: number, out: ServerOutbox): boolean {
    this.answerWaiting(now, out, channelId)
    this.acknowledge(now, out)
    if (!this.#removeAddressed(channelId, reasonCode, now, out)) return false
    out.messages.push({ _tag: "CloseChannel", channelId, reasonCode })
    return true
  }

  /** Asks the client to reconnect (3.6.5). An empty host and port 0 mean the present ones. */
  reconnect(host: string, port: number, out: ServerOutbox): void {
    out.messages.push({ _tag: "Reconnect", newHost: host, newPort: port })
  }

  /**
   * Refuses the shares that wait for a verdict, for a connection that ends, or for a channel or a group that is to be closed. Shares
   * that the source has accepted behind them may wait for `acknowledge`.
   */
  answerWaiting(now: number, out: ServerOutbox, channelId?: number): void {
    const channels = channelId === undefined ? this.#state.channels.values() : this.#state.addressed(channelId)
    for (const channel of channels) this.#shares.endWaiting(channel, true, now, out)
  }

  /**
   * Why this end refuses a request for a channel, or `undefined`. A shell asks before it opens the channel at the source; `more` is
   * how many channels it is opening already.
   */
  whyRefused(
    message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
    more = 0
  ): string | undefined {
    return whyRefused(this.#state, message, more)
  }

  /** Releases everything when the connection ends. Its client gets nothing more: call `answerWaiting` and `acknowledge` before. */
  close(reason: string, now: number, out: ServerOutbox): void {
    for (const channel of this.#state.channels.values()) this.#shares.endWaiting(channel, false, now, out)
    this.acknowledge(now, out)
    for (const channel of this.#state.channels.values()) this.#remove(channel, reason, now, out)
    this.#state.custom?.takeWaiting(undefined, Infinity)
  }

  #onOpen(
    message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
    now: number,
    out: ServerOutbox
  ): void {
    const channel = openChannel(this.#state, message, now, out)
    if (channel === undefined) return
    if (this.#state.custom !== undefined) return
    if (this.#sources === undefined) sendFirstJobs(this.#state, channel, now, out)
    else this.#sources.add(channel, now, out)
  }

  #onClose(message: Mining.CloseChannel, now: number, out: ServerOutbox): void {
    const { channelId, reasonCode } = message
    for (const channel of this.#state.addressed(channelId)) this.#shares.endWaiting(channel, false, now, out)
    this.acknowledge(now, out)
    this.#removeAddressed(channelId, reasonCode, now, out)
  }

  /** Removes a channel or all channels of a group. Returns whether there was one. */
  #removeAddressed(channelId: number, reason: string, now: number, out: ServerOutbox): boolean {
    const addressed = this.#state.addressed(channelId)
    const open = this.#state.channels.size
    for (const channel of addressed) {
      this.#shares.close(channel, open, now)
      this.#remove(channel, reason, now, out)
    }
    if (addressed.length > 0 && this.#state.channels.size === 0) this.#state.emptySince = now
    return addressed.length > 0
  }

  #remove(channel: Channel, reason: string, now: number, out: ServerOutbox): void {
    const { channels, groups, shown } = this.#state
    const work = channel.shownWork(now)
    if (work !== undefined) for (const rates of shown) rates.left(work)
    channels.delete(channel.id)
    this.#shares.forget(channel)
    groups.leave(channel)
    if (channel.source !== undefined) {
      groups.forget(channel.groupId)
      this.#sources!.remove(channel)
      channel.source.channel.close(reason)
    }
    if (channel.jobs instanceof CustomChannelJobs) channel.jobs.clear()
    this.#state.giveBack(channel, channel.leases)
    out.events.push({ _tag: "ChannelClosed", channel: channel.info, reason: printable(reason) })
  }
}

/** Why channels cannot be put into a group. */
export type SetGroupRefusal = "requires-standard-jobs" | "upstream-decides" | "unknown-group" | "unknown-channel"
/** Why a channel cannot get another prefix. */
export type ChangePrefixRefusal = "unknown-channel" | "upstream-decides" | typeof EXTRANONCE_SPACE_EXHAUSTED
