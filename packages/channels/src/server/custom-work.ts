/** The custom jobs of one connection, whose client selects its work. Its channels have no other jobs. */
import { CustomChannelJobs, CustomJobIds } from "../jobs/custom-channel-jobs.ts"
import { type CustomJob, CustomJobOrigin, type CustomJobs, sizeOfCustomJob } from "../jobs/custom-job.ts"
import type { Job } from "../jobs/job.ts"
import type { Jobs } from "../jobs/jobs.ts"
import type { Channel } from "./channel.ts"

export class CustomWork {
  readonly acceptor: CustomJobs
  readonly #common: Jobs
  readonly #ids = new CustomJobIds()
  /** How many channels keep a job, by its id. */
  readonly #keepers = new Map<number, number>()

  /** `common` has the server's previous hash. */
  constructor(acceptor: CustomJobs, common: Jobs) {
    this.acceptor = acceptor
    this.#common = common
  }

  /** Whether there is an id for another job. */
  get hasId(): boolean {
    return this.#ids.hasId
  }

  /** Makes the jobs of a new channel. */
  newChannel(): CustomChannelJobs {
    return new CustomChannelJobs(this.#common, this.#ids, (job) => this.#release(job))
  }

  /** Makes an accepted job the newest of these channels. There must be a previous hash. Returns its id. */
  add({ accepted, job: parts, minNtime }: CustomJob, channels: ReadonlyArray<Channel>): number {
    const { hash, nbits } = this.#common.prevHash!
    const job: Job = { ...parts, id: this.#ids.take(), origin: new CustomJobOrigin(hash, nbits, accepted) }
    this.#keepers.set(job.id, channels.length)
    this.acceptor.keep(sizeOfCustomJob(job))
    for (const { jobs } of channels) if (jobs instanceof CustomChannelJobs) jobs.add(job, minNtime)
    return job.id
  }

  #release(job: Job): void {
    const keepers = this.#keepers.get(job.id)! - 1
    if (keepers > 0) {
      this.#keepers.set(job.id, keepers)
      return
    }
    this.#keepers.delete(job.id)
    this.acceptor.keep(-sizeOfCustomJob(job))
  }
}
