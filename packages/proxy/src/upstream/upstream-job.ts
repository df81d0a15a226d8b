/**
 * Jobs of an upstream, and the jobs that the proxy's channels get for them. The prefix that the upstream assigned becomes a part
 * of the coinbase before the extranonce, so the channels below have prefixes of the proxy alone. Neither another prefix of the
 * upstream nor another upstream changes them:
 *
 *     upstream's coinbase:   prefix | extranonce prefix | extranonce_size bytes                  | suffix
 *     job of the proxy:      prefix                      | salt | channel index, bytes to roll   | suffix
 *
 * The salt is what `extranonce_size` leaves over, at least one byte. It holds the lower bytes of the job's id, so that two jobs of one
 * upstream job have no headers in common: miners get the same job again when it lasts, and when the proxy comes back to an upstream.
 */
import { pushedHeight, stripWitness } from "@sluice/bitcoin"
import type { ExtendedWork, Job } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Result } from "effect"
import { creditOf } from "../credit.ts"

/** The least bytes of salt. */
export const LEAST_SALT = 1

/** A job of an upstream, with the extranonce prefix that was in force when it came (5.3.10). */
export interface UpstreamJob {
  /** The upstream's `job_id`. */
  readonly id: number
  readonly height: number
  readonly version: number
  readonly versionRollingAllowed: boolean
  /** The coinbase up to the bytes that the proxy rolls, extranonce prefix included. Without BIP141 fields. */
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseSuffix: Uint8Array
  /** `extranonce_size` of the upstream's channel. */
  readonly extranonceSize: number
  readonly merklePath: ReadonlyArray<Uint8Array>
  readonly merklePathBytes: Uint8Array
}

/** A job that the upstream's channel mines, with the previous hash and the target that hold for it. */
export interface PlacedUpstreamJob {
  readonly job: UpstreamJob
  readonly prevHash: Uint8Array
  readonly nbits: number
  /** The least nTime for its headers, in seconds. */
  readonly minNtime: number
  /** The upstream takes shares at or below it: 32 bytes, little-endian. */
  readonly target: Uint8Array
  /** That of the target. */
  readonly difficulty: number
}

/** The session with an upstream that a job came from, whether it lasts or not. */
export interface JobSession {
  /** The upstream's place in the list of preference. */
  readonly index: number
  /** A number that no other session of the proxy has. */
  readonly serial: number
  /** The job with its previous hash; `undefined` if that was not in force at the end of the session or is not now. */
  readonly placedOf: (job: UpstreamJob) => PlacedUpstreamJob | undefined
}

/** The `origin` of a job of the proxy. */
export class UpstreamOrigin {
  readonly session: JobSession
  readonly job: UpstreamJob
  readonly salt: Uint8Array

  constructor(session: JobSession, job: UpstreamJob, salt: Uint8Array) {
    this.session = session
    this.job = job
    this.salt = salt
  }
}

/** The upstream job that a job of the proxy was made of. Throws `TypeError` for a job of another source. */
export const originOf = ({ id, origin }: Job): UpstreamOrigin => {
  if (origin instanceof UpstreamOrigin) return origin
  throw new TypeError(`job ${id} was not made of an upstream's job`)
}

/** Copies a checked job out of the read buffer. */
export const upstreamJob = (
  message: Mining.NewExtendedMiningJob,
  extranoncePrefix: Uint8Array,
  extranonceSize: number
): UpstreamJob => {
  const { jobId, merklePath, version, versionRollingAllowed } = message
  const halves = Result.getOrThrow(stripWitness(message.coinbaseTxPrefix, message.coinbaseTxSuffix))
  const merklePathBytes = new Uint8Array(Buffer.concat(merklePath))
  return {
    id: jobId,
    height: pushedHeight(halves.prefix.subarray(SCRIPT_AT)),
    version,
    versionRollingAllowed,
    coinbasePrefix: new Uint8Array(Buffer.concat([halves.prefix, extranoncePrefix])),
    coinbaseSuffix: halves.suffix.slice(),
    extranonceSize,
    merklePath: merklePath.map((_, index) => merklePathBytes.subarray(index * 32, index * 32 + 32)),
    merklePathBytes
  }
}

/** The script of a coinbase follows the version, the number of inputs, the outpoint and the script's size. */
const SCRIPT_AT = 4 + 1 + 36 + 1

/** Places a job where the client's channel has it. */
export const placed = (job: UpstreamJob, { minNtime, nbits, prevHash, target }: ExtendedWork): PlacedUpstreamJob => ({
  job,
  prevHash,
  nbits,
  minNtime,
  target,
  difficulty: creditOf(target, nbits)
})

/** Makes the proxy's job with this id. Its channels have full extranonces of `fullSize` bytes. */
export const proxyJob = (session: JobSession, job: UpstreamJob, id: number, fullSize: number): Job => {
  const salt = saltOf(id, job.extranonceSize - fullSize)
  return {
    id,
    height: job.height,
    version: job.version,
    versionRollingAllowed: job.versionRollingAllowed,
    coinbasePrefix: new Uint8Array(Buffer.concat([job.coinbasePrefix, salt])),
    coinbaseSuffix: job.coinbaseSuffix,
    merklePath: job.merklePath,
    merklePathBytes: job.merklePathBytes,
    origin: new UpstreamOrigin(session, job, salt)
  }
}

/** Makes another job of the same upstream job. */
export const repeatedJob = (job: Job, id: number): Job => {
  const { job: upstream, salt, session } = originOf(job)
  return proxyJob(session, upstream, id, upstream.extranonceSize - salt.length)
}

/** The lower bytes of the id, big-endian. */
const saltOf = (id: number, size: number): Uint8Array => {
  const salt = new Uint8Array(size)
  for (let at = size - 1, rest = id; at >= 0 && rest > 0; at--, rest = Math.floor(rest / 256)) salt[at] = rest
  return salt
}

/** Whether both jobs have the same headers, so that a share for one is a share for the other. */
export const isSameWork = (a: PlacedUpstreamJob, b: PlacedUpstreamJob): boolean =>
  a.nbits === b.nbits &&
  a.job.version === b.job.version &&
  a.job.extranonceSize === b.job.extranonceSize &&
  equal(a.prevHash, b.prevHash) &&
  equal(a.job.coinbasePrefix, b.job.coinbasePrefix) &&
  equal(a.job.coinbaseSuffix, b.job.coinbaseSuffix) &&
  equal(a.job.merklePathBytes, b.job.merklePathBytes)

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
