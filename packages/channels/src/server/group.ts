/**
 * The groups of one connection (specification, section 5.2.3): every channel is in one of them, and what goes to a group
 * goes to all of its channels in one message. Group ids are of the same namespace as channel ids, and neither becomes the
 * other as long as the connection lives.
 */
import type { Channel } from "./channel.ts"
import { GROUP_CHANNEL_ID, type Jobs } from "../jobs/jobs.ts"

export class ChannelGroup {
  readonly id: number
  readonly members = new Set<Channel>()
  /** The first job id that could be sent to it: earlier jobs its members know from elsewhere. */
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
  /** Those with members. */
  readonly #groups = new Map<number, ChannelGroup>()
  /** All ids that are or were those of a group. */
  readonly #ids = new Set([GROUP_CHANNEL_ID])

  constructor(jobs: Jobs) {
    this.#jobs = jobs
  }

  /** Those with members, in the order in which they got their first one. */
  values(): Iterable<ChannelGroup> {
    return this.#groups.values()
  }

  get(groupId: number): ChannelGroup | undefined {
    return this.#groups.get(groupId)
  }

  /** Whether this is the id of a group, be it one without members. */
  isGroup(id: number): boolean {
    return this.#ids.has(id)
  }

  /** Makes an id that no channel has a group's. */
  add(id: number): void {
    this.#ids.add(id)
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
