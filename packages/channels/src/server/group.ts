/**
 * The groups of one connection (specification, section 5.2.3). Every channel is in one group, and a message to a group is for
 * all of its channels. Groups and channels share one namespace of ids. The id of a group never becomes that of a channel
 * while the connection lives, nor the reverse.
 */
import type { Channel } from "./channel.ts"
import { GROUP_CHANNEL_ID, type Jobs } from "../jobs/jobs.ts"

export class ChannelGroup {
  readonly id: number
  readonly members = new Set<Channel>()
  /** The first job id after the group was made. Earlier jobs were not sent to it. */
  firstJobId = 0

  constructor(id: number) {
    this.id = id
  }

  /** Whether a SetNewPrevHash for the group may name this job (5.3.17). */
  knowsJob(jobId: number): boolean {
    return (jobId - this.firstJobId) >>> 0 < 0x80000000
  }
}

export class ChannelGroups {
  readonly #jobs: Jobs
  /** Groups with members. */
  readonly #groups = new Map<number, ChannelGroup>()
  /** All ids that belong or belonged to a group. */
  readonly #ids = new Set([GROUP_CHANNEL_ID])

  constructor(jobs: Jobs) {
    this.#jobs = jobs
  }

  /** Groups with members, in the order in which they got their first member. */
  values(): Iterable<ChannelGroup> {
    return this.#groups.values()
  }

  get(groupId: number): ChannelGroup | undefined {
    return this.#groups.get(groupId)
  }

  /** Whether this is the id of a group. The group may be without members. */
  isGroup(id: number): boolean {
    return this.#ids.has(id)
  }

  /** Reserves an unused id for a group. */
  add(id: number): void {
    this.#ids.add(id)
  }

  /** Forgets the id of a group without members that no channel will join. */
  forget(id: number): void {
    this.#ids.delete(id)
  }

  join(channel: Channel, groupId: number): void {
    this.leave(channel)
    let group = this.#groups.get(groupId)
    if (group === undefined) {
      group = new ChannelGroup(groupId)
      group.firstJobId = this.#jobs.nextId
      this.#groups.set(groupId, group)
    }
    group.members.add(channel)
    channel.groupId = groupId
  }

  leave(channel: Channel): void {
    const group = this.#groups.get(channel.groupId)
    group?.members.delete(channel)
    if (group?.members.size === 0) this.#groups.delete(group.id)
  }
}
