/** Judges the messages of a mining client by the kit's record of its channels (5.3). Pure. */
import { ShareCheck, Version } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import type { ChannelBook, ChannelJob } from "./channel-book.ts"
import type { Breach, Ledger } from "../ledger.ts"

type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

/** Seconds by which clocks and rounding may differ. */
const NTIME_TOLERANCE = 2

/** Judges a share. Gives the error code to refuse it with, `undefined` for a valid share. */
export const judgeShare = (
  ledger: Ledger,
  channel: ChannelBook | undefined,
  share: Share,
  now: number
): string | undefined => {
  const { channelId, jobId, sequenceNumber } = share
  // A share may be on its way when the kit closes the channel.
  const isOpen = channel !== undefined && channel.closed !== "by-client"
  ledger.note("client-shares.channel", isOpen, "a share of an open channel", `a share of channel ${channelId}`)
  if (!isOpen || channel.closed !== undefined) return "invalid-channel-id"

  const isKind = (channel.kind === "standard") === (share._tag === "SubmitSharesStandard")
  ledger.note("client-shares.kind", isKind, `a share for a channel of kind ${channel.kind}`, share._tag)
  if (!isKind) return "invalid-share"

  const last = channel.lastSequenceNumber
  if (last !== undefined) {
    // A U32, which may wrap.
    const increases = ((sequenceNumber - last) | 0) > 0
    ledger.note("client-shares.sequence", increases, `a sequence number above ${last}`, `${sequenceNumber}`)
  }
  channel.lastSequenceNumber = sequenceNumber

  const job = channel.jobs.get(jobId)
  ledger.note("client-shares.job", job !== undefined, "a share of a job that was sent on the channel", `job ${jobId}`)
  if (job === undefined) return "invalid-job-id"
  return judgeState(ledger, channel, job) ?? judgeSolution(ledger, channel, job, share, now)
}

/** Judges whether the job may be mined now. A share that was sent before the client could know otherwise is no breach. */
const judgeState = (ledger: Ledger, channel: ChannelBook, job: ChannelJob): string | undefined => {
  const { jobId, prevHash, state } = job
  const isFuture = state === "future"
  ledger.note(
    "client-jobs.future",
    !isFuture,
    "no share of a future job before SetNewPrevHash",
    `a share of job ${jobId}`
  )
  if (isFuture) return "invalid-job-id"
  const named = "a share of the future job that SetNewPrevHash named"
  ledger.note("client-jobs.named", state !== "dropped", named, `a share of another future job, ${jobId}`)
  if (state === "dropped" || prevHash === undefined) return "invalid-job-id"
  const knowsBetter = state === "stale" && channel.shownPrevHash > prevHash.number
  const stale = "no shares of earlier jobs after the first share on a new previous hash"
  ledger.note("client-jobs.stale", !knowsBetter, stale, `a share of job ${jobId}`)
  if (state === "stale") return "stale-share"
  channel.shownPrevHash = Math.max(channel.shownPrevHash, prevHash.number)
  return undefined
}

/** Judges every field of the header, and its hash. */
const judgeSolution = (
  ledger: Ledger,
  channel: ChannelBook,
  job: ChannelJob,
  share: Share,
  now: number
): string | undefined => {
  const { nonce, ntime, version } = share
  const prevHash = job.prevHash!
  let breach: Breach | undefined
  const note = (id: string, holds: boolean, expected: string, came: string): void => {
    breach ??= ledger.note(id, holds, expected, came)
  }
  const extranonce = share._tag === "SubmitSharesExtended" ? share.extranonce : NO_EXTRANONCE
  const size = channel.extranonceSize
  if (channel.kind === "extended") {
    note("client-shares.extranonce", extranonce.length === size, `${size} bytes of extranonce`, `${extranonce.length}`)
  }
  if (job.versionRollingAllowed) {
    const holds = Version.isVersionRolledWithin(job.version | 0, version | 0, Version.VERSION_MASK)
    note("client-shares.version-bits", holds, `${hex(job.version)} in all bits but those of BIP323`, hex(version))
  } else {
    note("client-shares.version-fixed", version === job.version, hex(job.version), hex(version))
  }
  const { minNtime } = job
  note("client-shares.ntime-early", ntime >= minNtime, `an ntime of at least ${minNtime}`, `${ntime}`)
  const since = (at: number) => Math.ceil((now - at) / 1000) + NTIME_TOLERANCE
  const latest = Math.max(prevHash.minNtime + since(prevHash.sentAt), minNtime + since(job.startedAt))
  note("client-shares.ntime-late", ntime <= latest, `an ntime of at most ${latest}`, `${ntime}`)

  if (breach === undefined) {
    check.hash(version | 0, prevHash.bytes, job.rootWith(extranonce), ntime | 0, prevHash.nbits | 0, nonce | 0)
    const hash = numberOf(check.digest)
    note("client-shares.target", check.meets(job.target, 0), `a hash of at most ${numberOf(job.target)}`, hash)
    const isNew = breach !== undefined || !channel.submitted.has(hash)
    note("client-shares.once", isNew, "each share once", `the hash ${hash} again`)
    // Remembers only shares that took work, so that a client cannot fill the memory.
    if (breach === undefined && channel.submitted.size < MAX_SUBMITTED) channel.submitted.add(hash)
  }
  job.breach ??= breach
  return breach === undefined ? undefined : "invalid-share"
}

/** The state of a connection that a request to open a channel is judged by. */
export interface OpenHistory {
  /** Ids of the requests so far: each may be used once (5.3.2). */
  readonly requestIds: ReadonlySet<number>
  /** The client set REQUIRES_STANDARD_JOBS. */
  readonly requiresStandardJobs: boolean
}

/** Judges a request to open a channel (5.3.2, 5.3.4). */
export const judgeOpen = (
  ledger: Ledger,
  { requestIds, requiresStandardJobs }: OpenHistory,
  message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel
): void => {
  const { maxTarget, nominalHashRate, requestId } = message
  ledger.note("client-open.request-id", !requestIds.has(requestId), "a new request id", `${requestId} again`)
  const isRate = Number.isFinite(nominalHashRate) && nominalHashRate >= 0
  ledger.note("client-open.hash-rate", isRate, "a hash rate of at least 0", `${nominalHashRate}`)
  const isTarget = maxTarget.some((byte) => byte !== 0)
  ledger.note("client-open.max-target", isTarget, "a max_target that a hash can meet", "0")
  if (message._tag === "OpenStandardMiningChannel") return
  const { minExtranonceSize: size } = message
  const most = Mining.MAX_EXTRANONCE_SIZE
  ledger.note("client-open.extranonce-size", size <= most, `at most ${most} bytes of extranonce`, `${size}`)
  const came = "OpenExtendedMiningChannel with REQUIRES_STANDARD_JOBS"
  ledger.note("client-open.kind", !requiresStandardJobs, "channels whose jobs it can process", came)
}

/** Judges UpdateChannel (5.3.7). */
export const judgeUpdate = (
  ledger: Ledger,
  channel: ChannelBook | undefined,
  { channelId, nominalHashRate }: Mining.UpdateChannel
): void => {
  const isRate = Number.isFinite(nominalHashRate) && nominalHashRate >= 0
  ledger.note("client-update.hash-rate", isRate, "a hash rate of at least 0", `${nominalHashRate}`)
  const isOpen = channel !== undefined && channel.closed !== "by-client"
  ledger.note("client-update.channel", isOpen, "an open channel", `channel ${channelId}`)
}

/** Judges CloseChannel (5.3.9, 3.5). */
export const judgeClose = (ledger: Ledger, isOpen: boolean, { channelId, reasonCode }: Mining.CloseChannel): void => {
  const printable = /^\P{Cc}*$/u.test(reasonCode)
  ledger.note("client-close.reason", printable, "a reason without control characters", JSON.stringify(reasonCode))
  ledger.note("client-close.channel", isOpen, "an open channel or group", `${channelId}`)
}

const check = new ShareCheck()
const NO_EXTRANONCE = new Uint8Array(0)
/** The most shares to remember for a channel. */
const MAX_SUBMITTED = 100_000

const hex = (version: number): string => `0x${version.toString(16).padStart(8, "0")}`
/** In hex, most significant byte first. */
const numberOf = (littleEndian: Uint8Array): string => Buffer.from(littleEndian.toReversed()).toString("hex")
