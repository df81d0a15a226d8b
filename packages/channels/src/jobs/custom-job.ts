/**
 * Custom jobs: jobs that clients make of their own templates (specification, sections 5.3.18 to 5.3.20). This module has what the
 * server's machine needs of an acceptor, which knows tokens and payouts; @sluice/job-declaration has one.
 */
import type { Mining } from "@sluice/protocol"
import type { Result } from "effect"
import type { ChannelInfo } from "../server/event.ts"
import type { Job } from "./job.ts"
import type { PrevHash } from "./jobs.ts"

/** Accepts or refuses the custom jobs of one connection. */
export interface CustomJobs {
  /** Decides at once. A job that it accepts has used up its token; a refusal leaves the token as it was. */
  readonly accept: (request: CustomJobRequest) => Result.Result<CustomJob, CustomJobRefusal>
  /** Counts the bytes of accepted jobs that the connection keeps. A negative number is of jobs that it keeps no longer. */
  readonly keep: (bytes: number) => void
}

export interface CustomJobRequest {
  readonly message: Mining.SetCustomMiningJob
  /** The extended channels that the job is for, at least one: a group may have several. Their full extranonces have one size. */
  readonly channels: ReadonlyArray<ChannelInfo>
  /** Bytes of the full extranonce. */
  readonly extranonceSize: number
  readonly tip: CustomJobTip
  readonly versionRollingAllowed: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

/** The chain as the server's source of work has it. */
export interface CustomJobTip {
  readonly prevHash: PrevHash
  /** Height of the block to be found. */
  readonly height: number
  /** The earliest and the latest nTime with which a job may begin, in seconds. */
  readonly leastNtime: number
  readonly latestNtime: number
}

export interface CustomJob {
  readonly job: Omit<Job, "id" | "origin">
  /** The least nTime of its shares, in seconds. */
  readonly minNtime: number
  /** Data of the acceptor, for a block of the job. */
  readonly accepted: object
}

export interface CustomJobRefusal {
  /** The code of SetCustomMiningJob.Error. */
  readonly errorCode: string
  /** What was expected and what came, for people. */
  readonly reason: string
}

/** The origin of a custom job. Its blocks are not for the source of the server's work. */
export class CustomJobOrigin {
  /** Of the header, in internal byte order. */
  readonly prevHash: Uint8Array
  readonly nbits: number
  /** `CustomJob.accepted`. */
  readonly accepted: object

  constructor(prevHash: Uint8Array, nbits: number, accepted: object) {
    this.prevHash = prevHash
    this.nbits = nbits
    this.accepted = accepted
  }
}

/** The bytes that a custom job takes in memory, with what stands around its parts. */
export const sizeOfCustomJob = ({
  coinbasePrefix,
  coinbaseSuffix,
  merklePathBytes
}: Readonly<Record<"coinbasePrefix" | "coinbaseSuffix" | "merklePathBytes", { readonly length: number }>>): number =>
  coinbasePrefix.length + coinbaseSuffix.length + merklePathBytes.length + OVERHEAD

const OVERHEAD = 1024
