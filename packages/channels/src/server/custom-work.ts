/**
 * The custom jobs of one connection, whose client selects its work. Its channels have no other jobs. A job on a previous hash that the
 * server has not seen waits some seconds for it: the client's template provider may be faster, and clients take a refusal for
 * malice.
 */
import type { Mining } from "@sluice/protocol"
import { CustomChannelJobs, CustomJobIds } from "../jobs/custom-channel-jobs.ts"
import { type CustomJob, CustomJobOrigin, type CustomJobs, sizeOfCustomJob } from "../jobs/custom-job.ts"
import type { Job } from "../jobs/job.ts"
import type { Jobs } from "../jobs/jobs.ts"
import type { Channel } from "./channel.ts"

/** The most jobs of a connection that wait for the server's previous hash. The server refuses more at once. */
const MAX_WAITING = 8
/** How long they wait at least. The server looks for those that waited too long every few seconds. */
const WAIT_MS = 3000

interface WaitingJob {
  readonly message: Mining.SetCustomMiningJob
  readonly until: number
}

export class CustomWork {
  readonly acceptor: CustomJobs
  readonly #common: Jobs
  readonly #ids = new CustomJobIds()
  /** How many channels keep a job, by its id. */
  readonly #keepers = new Map<number, number>()
  #waiting: Array<WaitingJob> = []

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

  /** Keeps a job until `takeWaiting`. Returns whether there is room. */
  wait(message: Mining.SetCustomMiningJob, now: number): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false
    this.#waiting.push({ message: copyOf(message), until: now + WAIT_MS })
    this.acceptor.keep(sizeOfMessage(message))
    return true
  }

  /** Removes the jobs that wait for this previous hash, and those that have waited too long. */
  takeWaiting(prevHash: Uint8Array | undefined, now: number): ReadonlyArray<Mining.SetCustomMiningJob> {
    if (this.#waiting.length === 0) return NONE
    const isDue = ({ message, until }: WaitingJob): boolean =>
      until <= now || (prevHash !== undefined && Buffer.compare(message.prevHash, prevHash) === 0)
    const due = this.#waiting.filter(isDue)
    this.#waiting = this.#waiting.filter((waiting) => !isDue(waiting))
    for (const { message } of due) this.acceptor.keep(-sizeOfMessage(message))
    return due.map(({ message }) => message)
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

/** Copies the bytes, which are views on a read buffer. */
const copyOf = (message: Mining.SetCustomMiningJob): Mining.SetCustomMiningJob => ({
  ...message,
  miningJobToken: message.miningJobToken.slice(),
  prevHash: message.prevHash.slice(),
  coinbasePrefix: message.coinbasePrefix.slice(),
  coinbaseTxOutputs: message.coinbaseTxOutputs.slice(),
  merklePath: message.merklePath.map((node) => node.slice())
})

const sizeOfMessage = ({ coinbasePrefix, coinbaseTxOutputs, merklePath }: Mining.SetCustomMiningJob): number =>
  sizeOfCustomJob({
    coinbasePrefix,
    coinbaseSuffix: coinbaseTxOutputs,
    merklePathBytes: { length: merklePath.length * 32 }
  })

const NONE: ReadonlyArray<Mining.SetCustomMiningJob> = []
