/** The state of one connection on the client's end: its channels, their groups, and the requests without an answer. */
import type { ClientChannel } from "./channel.ts"
import { forgetOldest } from "./forget-oldest.ts"
import { ClientGroup } from "./group.ts"

/** The flags that both ends sent in SetupConnection and its answer (5.3.1). */
export interface AgreedFlags {
  /** REQUIRES_STANDARD_JOBS of the client: the server may send no extended jobs and no groups. */
  readonly requiresStandardJobs: boolean
  /** REQUIRES_VERSION_ROLLING of the client: every job must allow it. */
  readonly requiresVersionRolling: boolean
  /** REQUIRES_FIXED_VERSION of the server: the miner may not roll the version. */
  readonly fixedVersion: boolean
}

/** A request to open a channel that the server has not answered yet. */
export interface OpenRequest {
  readonly kind: "standard" | "extended"
  readonly maxTarget: Uint8Array
  readonly minExtranonceSize: number
}

/** How many ids of closed channels, and of groups without members, the client remembers. */
const MAX_PAST_IDS = 1024

export class ConnectionState {
  readonly flags: AgreedFlags
  readonly channels = new Map<number, ClientChannel>()
  readonly groups = new Map<number, ClientGroup>()
  /** Requests without an answer, by request id. */
  readonly requests = new Map<number, OpenRequest>()
  /** The channel of each request for a job of the client's own that has no answer, by request id. */
  readonly customJobs = new Map<number, number>()
  readonly #pastChannelIds = new Set<number>()
  readonly #pastGroupIds = new Set<number>()
  readonly #maxFutureJobs: number

  constructor(flags: AgreedFlags, maxFutureJobs: number) {
    this.flags = flags
    this.#maxFutureJobs = maxFutureJobs
  }

  /** Whether the id belongs or belonged to a channel: an id keeps its meaning while the connection lives. */
  isChannelId(id: number): boolean {
    return this.channels.has(id) || this.#pastChannelIds.has(id)
  }

  /** As `isChannelId`, for groups. */
  isGroupId(id: number): boolean {
    return this.groups.has(id) || this.#pastGroupIds.has(id)
  }

  /** The channel with this id, or the members of the group with this id. */
  members(channelId: number): ReadonlySet<ClientChannel> | undefined {
    const channel = this.channels.get(channelId)
    return channel === undefined ? this.groups.get(channelId)?.members : new Set([channel])
  }

  /** Moves a channel into a group, even if group jobs may not come: CloseChannel and SetTarget address groups, too. */
  join(channel: ClientChannel, groupChannelId: number): void {
    this.#leave(channel)
    let group = this.groups.get(groupChannelId)
    if (group === undefined) {
      group = new ClientGroup(groupChannelId, this.#maxFutureJobs)
      this.groups.set(groupChannelId, group)
    }
    group.join(channel)
  }

  /** Forgets a channel, or all channels of a group, and returns them. */
  close(channelId: number): ReadonlyArray<ClientChannel> {
    const closed = [...(this.members(channelId) ?? [])]
    for (const channel of closed) {
      this.#leave(channel)
      this.channels.delete(channel.channelId)
      this.#pastChannelIds.add(channel.channelId)
      forgetOldest(this.#pastChannelIds, MAX_PAST_IDS)
    }
    return closed
  }

  /** Forgets a group without members, so that there are never more groups than channels. */
  #leave(channel: ClientChannel): void {
    if (channel.groupChannelId === undefined) return
    const group = this.groups.get(channel.groupChannelId)
    group?.members.delete(channel)
    if (group?.members.size !== 0) return
    this.groups.delete(channel.groupChannelId)
    this.#pastGroupIds.add(channel.groupChannelId)
    forgetOldest(this.#pastGroupIds, MAX_PAST_IDS)
  }
}
