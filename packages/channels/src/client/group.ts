/**
 * A group of channels on one connection (specification, section 5.2.3): what is sent to the group is sent to each of
 * its members. It keeps the future jobs and the previous hash that it got, so that a channel which joins late has them.
 */
import type { ClientChannel, ExtendedJob, PrevHash } from "./channel.ts"
import { forgetOldest } from "./forget-oldest.ts"

export class ClientGroup {
  readonly groupChannelId: number
  readonly members = new Set<ClientChannel>()
  readonly #futureJobs = new Map<number, ExtendedJob>()
  readonly #maxFutureJobs: number
  #prevHash: PrevHash | undefined = undefined

  constructor(groupChannelId: number, maxFutureJobs: number) {
    this.groupChannelId = groupChannelId
    this.#maxFutureJobs = maxFutureJobs
  }

  /** The common full extranonce size of its members; undefined while it has none. */
  get fullExtranonceSize(): number | undefined {
    for (const member of this.members) return member.fullExtranonceSize
    return undefined
  }

  join(channel: ClientChannel): void {
    this.members.add(channel)
    channel.groupChannelId = this.groupChannelId
    channel.prevHash ??= this.#prevHash
  }

  futureJob(jobId: number): ExtendedJob | undefined {
    return this.#futureJobs.get(jobId)
  }

  /** Kept for channels that join later; the members have the job already. */
  addFutureJob(job: ExtendedJob): void {
    this.#futureJobs.set(job.jobId, job)
    forgetOldest(this.#futureJobs, this.#maxFutureJobs)
  }

  setPrevHash(prevHash: PrevHash): void {
    this.#futureJobs.clear()
    this.#prevHash = prevHash
  }
}
