/** The state of one connection on the server's end that its parts share: its channels and their groups. */
import { Mining } from "@sluice/protocol"
import { ShownRate, type ShownRates } from "../difficulty/shown-rate.ts"
import type { ExtranonceLease, ExtranonceSpace } from "../extranonce.ts"
import { GROUP_CHANNEL_ID, type Jobs } from "../jobs/jobs.ts"
import type { CustomJobs } from "../jobs/custom-job.ts"
import type { SourceChannels } from "../jobs/source-channel.ts"
import type { ShareValidator } from "../shares/share-validator.ts"
import type { Channel } from "./channel.ts"
import { CustomWork } from "./custom-work.ts"
import type { ShareAccepted } from "./event.ts"
import { ChannelGroups } from "./group.ts"
import type { ChannelPolicy } from "./policy.ts"

/** Shared by all connections of a server. */
export interface ChannelServerContext {
  readonly jobs: Jobs
  readonly space: ChannelSpace
  readonly validator: ShareValidator
  readonly policy: ChannelPolicy
  /** Remembers users' hash rates across connections. Without it, only this connection's are remembered. */
  readonly shown?: ShownRates
  /** Accepts the custom jobs of this connection. Without it, clients that select their work get the server's jobs. */
  readonly customJobs?: CustomJobs
  /** Called with each accepted share at once, to record it before its acknowledgement. */
  readonly onAccepted?: (share: ShareAccepted) => void
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

export class ConnectionState {
  /** The number that the shell gave this connection. All events repeat it. */
  readonly id: number
  /** The flags in the client's SetupConnection (5.3.1). */
  readonly setupFlags: number
  readonly context: ChannelServerContext
  readonly channels = new Map<number, Channel>()
  readonly groups: ChannelGroups
  /** The jobs that the client sets, if it selects its work and the server takes it. The channels have no others then. */
  readonly custom: CustomWork | undefined
  /** The rates that this connection remembers, then those that the server remembers across connections. */
  readonly shown: ReadonlyArray<ShownRates>
  /** When the last channel was closed, in milliseconds; 0 if there was never one, `undefined` while there is one. */
  emptySince: number | undefined = 0
  #nextChannelId = GROUP_CHANNEL_ID + 1

  constructor(id: number, setupFlags: number, context: ChannelServerContext) {
    this.id = id
    this.setupFlags = setupFlags
    this.context = context
    this.groups = new ChannelGroups(context.jobs)
    const { customJobs, jobs } = context
    const selectsWork = (setupFlags & Mining.REQUIRES_WORK_SELECTION) !== 0
    this.custom = customJobs !== undefined && selectsWork ? new CustomWork(customJobs, jobs) : undefined
    this.shown = context.shown === undefined ? [new ShownRate()] : [new ShownRate(), context.shown]
  }

  get requiresStandardJobs(): boolean {
    return (this.setupFlags & Mining.REQUIRES_STANDARD_JOBS) !== 0
  }

  /** Whether there is an id for another channel. */
  get hasId(): boolean {
    return this.#nextChannelId <= 0xffffffff
  }

  /** An id that no channel or group of the connection has had. */
  newId(): number {
    return this.#nextChannelId++
  }

  /** Reserves an unused id for a group. */
  newGroupId(): number {
    const groupId = this.newId()
    this.groups.add(groupId)
    return groupId
  }

  /** The channel with this id, or all channels of the group with this id. */
  addressed(channelId: number): ReadonlyArray<Channel> {
    const channel = this.channels.get(channelId)
    return channel === undefined ? [...(this.groups.get(channelId)?.members ?? [])] : [channel]
  }

  /** Takes prefixes back that a channel does not use any more. */
  giveBack(channel: Channel, leases: ReadonlyArray<ExtranonceLease>): void {
    if (leases.length === 0) return
    const { jobs, source, space } = this.context
    // Prefixes with shares in the present epoch must rest until it is over.
    const isUsed = source === undefined && channel.shares.size > 0
    for (const lease of leases) space.giveBack(lease, isUsed ? jobs.epoch : undefined)
  }
}
