/**
 * A group of channels on one connection (specification, section 5.2.3). A message to the group is for each of its members. The
 * group keeps its future jobs and its previous hash for channels that join later.
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

  /** The full extranonce size that all members have in common; `undefined` without members. */
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

  /** Keeps a job for channels that join later. The members have it already. */
  addFutureJob(job: ExtendedJob): void {
    this.#futureJobs.set(job.jobId, job)
    forgetOldest(this.#futureJobs, this.#maxFutureJobs)
  }

  setPrevHash(prevHash: PrevHash): void {
    this.#futureJobs.clear()
    this.#prevHash = prevHash
  }
}
