/**
 * One connection to an upstream, with one extended channel: a pure machine over `ChannelClient`, which holds the upstream to the
 * rules of the specification. It makes jobs of the upstream's messages, submits shares and counts the answers. After its first
 * fault it does nothing more: the shell closes the connection.
 */
import {
  ChannelClient,
  type ClientChannel,
  type ClientEvent,
  type ClientOutbox,
  type CustomJobFields,
  type ExtendedWork,
  Outbox,
  type PendingShare,
  type SourceShare
} from "@sluice/channels"
import { Target } from "@sluice/core"
import { ErrorCode, Mining, printable, WorkerIdentity } from "@sluice/protocol"
import { TokenBucket } from "@sluice/transport"
import { workerName } from "../identity.ts"
import { UpstreamFault } from "./fault.ts"
import { impossibleTarget } from "./impossible-target.ts"
import type { PayoutCheck } from "./payout-check.ts"
import type { KeptShare, SessionEvent, SourceSession, Submitted } from "./source-session.ts"
import { isSameWork, originOf, placed, type PlacedUpstreamJob, type UpstreamJob, upstreamJob } from "./upstream-job.ts"

export interface SessionOptions {
  /** As in `JobSession`. */
  readonly index: number
  readonly serial: number
  /** `user_identity` of the channel. */
  readonly userIdentity: string
  /** The bytes of extranonce that the proxy needs. */
  readonly extranonceSize: number
  readonly nominalHashRate: number
  /** The flags of the upstream's SetupConnection.Success. */
  readonly flags: number
  /** Whether shares carry the worker's name (extension 0x0002). */
  readonly withWorkers: boolean
  /** Whether the connection had another channel before. */
  readonly isReplacing: boolean
  /** Whether the proxy gives the upstream jobs of its own (5.3.18). Those that the upstream sends are not mined then. */
  readonly customJobs?: boolean
  /** Returns why a job is not to be mined, if it pays too little. */
  readonly checkPayout: PayoutCheck | undefined
}

/** Events of a channel on which the proxy sets jobs of its own (`customJobs`). */
export type CustomJobEvent =
  /** `jobId` is the upstream's. */
  | { readonly _tag: "Refused"; readonly errorCode: string; readonly jobId: number }
  /** The upstream takes shares of a job of the proxy's own, with the target and prefix that its channel had then. */
  | {
      readonly _tag: "CustomJobAccepted"
      readonly requestId: number
      readonly jobId: number
      readonly target: Uint8Array
      readonly extranoncePrefix: Uint8Array
    }
  | { readonly _tag: "CustomJobRefused"; readonly requestId: number; readonly errorCode: string }
  /** Later jobs of the proxy's own have another prefix. */
  | { readonly _tag: "PrefixChanged" }

export type PoolEvent = Exclude<SessionEvent, { readonly _tag: "Refused" }> | CustomJobEvent

/** An upstream may send this many jobs, targets and prefixes a second; ten seconds' worth at once. */
const MAX_CHANGES_PER_SECOND = 100
/** The most jobs of one previous hash whose shares can be submitted; the oldest are forgotten beyond. */
const MAX_ACTIVE_JOBS = 256
const MAX_FUTURE_JOBS = 64
/** The most shares without an answer that are remembered. */
const MAX_PENDING_SHARES = 16_384
/** Consensus lets a header's time be two hours ahead of the clock. */
const MAX_FUTURE_SECONDS = 7200
const ANY_TARGET = new Uint8Array(32).fill(0xff)

export class UpstreamSession implements SourceSession {
  readonly keepsChannel = false
  readonly index: number
  readonly serial: number
  fault: UpstreamFault | undefined = undefined
  readonly openedAt: number
  readonly #options: SessionOptions
  readonly #client: ChannelClient
  readonly #out: ClientOutbox = new Outbox()
  readonly #changes: TokenBucket
  #channelId: number | undefined
  #statedRate: number
  /** Future jobs by the upstream's id, oldest first. */
  readonly #futures = new Map<number, UpstreamJob>()
  /** Jobs of the present previous hash by the upstream's id, oldest first. */
  readonly #active = new Map<number, PlacedUpstreamJob>()
  #current: PlacedUpstreamJob | undefined
  /** Difficulties of shares without an answer, by sequence number. */
  readonly #difficulties = new Map<number, number>()

  /** Requests the channel. */
  constructor(options: SessionOptions, now: number) {
    const { extranonceSize: minExtranonceSize, flags, nominalHashRate, userIdentity } = options
    this.index = options.index
    this.serial = options.serial
    this.#statedRate = nominalHashRate
    this.openedAt = now
    this.#options = options
    this.#client = new ChannelClient({
      fixedVersion: (flags & Mining.REQUIRES_FIXED_VERSION) !== 0,
      maxFutureJobs: MAX_FUTURE_JOBS,
      maxPendingShares: MAX_PENDING_SHARES
    })
    this.#changes = new TokenBucket(MAX_CHANGES_PER_SECOND, now)
    const request = { userIdentity, nominalHashRate, maxTarget: ANY_TARGET, minExtranonceSize }
    this.#client.openExtendedChannel(request, this.#out)
  }

  get isOpen(): boolean {
    return this.#channelId !== undefined && this.fault === undefined
  }

  get statedRate(): number {
    return this.#statedRate
  }

  get current(): PlacedUpstreamJob | undefined {
    return this.fault === undefined ? this.#current : undefined
  }

  get futureJobs(): Iterable<UpstreamJob> {
    return this.#futures.values()
  }

  get pendingCount(): number {
    return this.#difficulties.size
  }

  /** Whether miners may roll version bits in jobs of the proxy's own. */
  get versionRollingAllowed(): boolean {
    return (this.#options.flags & Mining.REQUIRES_FIXED_VERSION) === 0
  }

  /** The extended channel; `undefined` before it is open. */
  get channel(): ClientChannel | undefined {
    return this.#channelId === undefined ? undefined : this.#client.channels.get(this.#channelId)
  }

  get hasMessages(): boolean {
    return this.#out.messages.length > 0
  }

  takeMessages(): Array<Mining.ToServer> {
    return this.#out.takeMessages()
  }

  receive(messages: ReadonlyArray<Mining.ToClient>, now: number): ReadonlyArray<SessionEvent> {
    // A channel without jobs of the proxy's own has no other events.
    return this.receiveAll(messages, now) as ReadonlyArray<SessionEvent>
  }

  /** The same with the events of the proxy's own jobs. */
  receiveAll(messages: ReadonlyArray<Mining.ToClient>, now: number): ReadonlyArray<PoolEvent> {
    const events: Array<PoolEvent> = []
    for (const message of messages) {
      if (this.fault !== undefined) break
      this.#receive(message, now, events)
    }
    return events
  }

  fail(fault: UpstreamFault): void {
    this.fault ??= fault
  }

  update(hashRate: number): void {
    if (!this.isOpen || hashRate === this.#statedRate) return
    this.#statedRate = hashRate
    this.#client.updateChannel(this.#channelId!, hashRate, ANY_TARGET, this.#out)
  }

  close(reason: string): void {
    if (this.isOpen) this.#client.closeChannel(this.#channelId!, reason, this.#out)
  }

  use(): ReadonlyArray<SessionEvent> {
    return []
  }

  submit(found: SourceShare, now: number): Submitted {
    const { job, salt } = originOf(found.job)
    const active = this.fault === undefined ? this.placedOf(job) : undefined
    return active !== undefined && this.#submit(job.id, active.difficulty, found, salt, now) ? "sent" : "late"
  }

  resubmit({ found, placed }: KeptShare, now: number): Submitted | undefined {
    if (this.fault !== undefined) return undefined
    for (const active of this.#active.values()) {
      if (!isSameWork(active, placed)) continue
      return this.#submit(active.job.id, active.difficulty, found, originOf(found.job).salt, now) ? "sent" : undefined
    }
    return undefined
  }

  takeKept(): ReadonlyArray<KeptShare> {
    return []
  }

  /** Asks the upstream to take shares of a job of the proxy's own. Returns the id of the request. */
  setCustomJob(job: Omit<CustomJobFields, "channelId">): number {
    return this.#client.setCustomJob({ ...job, channelId: this.#channelId! }, this.#out)
  }

  /** Submits a share for a job of the proxy's own, by the upstream's id and with the difficulty of its target. */
  submitCustom(jobId: number, difficulty: number, found: SourceShare, now: number): boolean {
    return this.fault === undefined && this.#submit(jobId, difficulty, found, originOf(found.job).salt, now)
  }

  placedOf(job: UpstreamJob): PlacedUpstreamJob | undefined {
    const active = this.#active.get(job.id)
    return active?.job === job ? active : undefined
  }

  #submit(jobId: number, difficulty: number, found: SourceShare, salt: Uint8Array, now: number): boolean {
    const { extranonce, nonce, ntime, version } = found
    const rolled = new Uint8Array(salt.length + extranonce.length)
    rolled.set(salt)
    rolled.set(extranonce, salt.length)
    const share = { jobId, nonce, ntime, version, extranonce: rolled }
    const sequenceNumber = this.#client.submit(this.#channelId!, share, now, this.#out)
    if (sequenceNumber === undefined) return false
    this.#difficulties.set(sequenceNumber, difficulty)
    forgetOldest(this.#difficulties, MAX_PENDING_SHARES)
    const { messages } = this.#out
    const message = messages.at(-1)
    if (this.#options.withWorkers && message?._tag === "SubmitSharesExtended") {
      const userIdentity = workerName(found)
      if (userIdentity !== "") {
        messages[messages.length - 1] = WorkerIdentity.UserIdentity.put(message, { userIdentity })
      }
    }
    return true
  }

  #receive(message: Mining.ToClient, now: number, events: Array<PoolEvent>): void {
    if (isChange(message)) {
      if (this.#changes.take(1, now) > 0) {
        const limit = `more than ${MAX_CHANGES_PER_SECOND} jobs, targets and prefixes a second`
        return this.#fail("too-many-messages", `it sends ${limit}; the last is ${message._tag}`, events)
      }
      if (this.#channelId === undefined) {
        // The upstream may not have read yet that the channel before is closed.
        if (this.#options.isReplacing) return
        return this.#fail("violation", `it sent ${message._tag} before it opened a channel`, events)
      }
    }
    if (message._tag === "OpenExtendedMiningChannel.Success") {
      const missing = this.#options.extranonceSize - message.extranonceSize
      if (missing > 0)
        return this.#fail("extranonce-too-small", this.#tooSmall(message.extranonceSize, missing), events)
    }
    this.#client.receive([message], now, this.#out)
    for (const event of this.#out.takeEvents()) {
      this.#follow(message, event, now, events)
      if (this.fault !== undefined) return
    }
  }

  #follow(message: Mining.ToClient, event: ClientEvent, now: number, events: Array<PoolEvent>): void {
    switch (event._tag) {
      case "ChannelOpened":
        this.#channelId = event.channelId
        events.push({ _tag: "Opened" })
        return this.#checkTarget(event.target, events)
      case "OpenRefused":
        return this.#refused(event.errorCode, events)
      case "TargetChanged":
        return this.#checkTarget(event.target, events)
      case "JobReceived":
        if (message._tag === "NewExtendedMiningJob" && this.#options.customJobs !== true) {
          this.#job(message, now, events)
        }
        return
      case "WorkChanged":
        if (this.#options.customJobs === true) return
        return this.#work(event.work as ExtendedWork, event.newPrevHash, events)
      case "ChannelClosed":
        return this.#fail("channel-closed", `it closed the channel: "${printable(event.reasonCode)}"`, events)
      case "SharesAccepted":
        events.push({ _tag: "Accepted", count: event.shares.length, difficulty: this.#takeDifficulty(event.shares) })
        return
      case "ShareRefused":
        this.#takeDifficulty([event.share])
        events.push({ _tag: "Refused", errorCode: printable(event.errorCode), jobId: event.share.jobId })
        return
      case "CustomJobAccepted":
        events.push(event)
        return
      case "CustomJobRefused":
        events.push({ ...event, errorCode: printable(event.errorCode) })
        return
      case "ExtranoncePrefixChanged":
        events.push({ _tag: "PrefixChanged" })
        return
      case "Reconnect":
        events.push({ _tag: "Reconnect", host: event.host, port: event.port })
        return
      case "ProtocolViolation":
        return this.#fail("violation", `it broke the protocol: ${event.message}`, events)
    }
  }

  #job(message: Mining.NewExtendedMiningJob, now: number, events: Array<PoolEvent>): void {
    const channel = this.channel!
    const job = upstreamJob(message, channel.extranoncePrefix, channel.extranonceSize)
    const unpaid = this.#options.checkPayout?.(job)
    if (unpaid !== undefined) return this.#fail("payout", `job ${job.id} is not mined: ${unpaid}`, events)
    if (message.minNtime === undefined) {
      this.#futures.delete(job.id)
      this.#futures.set(job.id, job)
      forgetOldest(this.#futures, MAX_FUTURE_JOBS)
      events.push({ _tag: "FutureJob", job })
      return
    }
    if (this.#isAhead(message.minNtime, now)) return this.#ahead(message, message.minNtime, events)
    this.#activate(job, channel.work as ExtendedWork, "NewJob", events)
  }

  #work(work: ExtendedWork, isNewPrevHash: boolean, events: Array<PoolEvent>): void {
    // A job to mine at once was activated when it was received.
    if (!isNewPrevHash) return
    const job = this.#futures.get(work.jobId)
    if (job === undefined) return
    if (!Target.nBitsToTarget(work.nbits, new Uint8Array(32), 0)) {
      const nbits = (work.nbits >>> 0).toString(16).padStart(8, "0")
      return this.#fail("violation", `SetNewPrevHash has nBits ${nbits}, which no block can have`, events)
    }
    this.#futures.clear()
    this.#active.clear()
    this.#activate(job, work, "NewPrevHash", events)
  }

  #activate(job: UpstreamJob, work: ExtendedWork, tag: "NewJob" | "NewPrevHash", events: Array<PoolEvent>): void {
    this.#current = placed(job, work)
    this.#active.set(job.id, this.#current)
    forgetOldest(this.#active, MAX_ACTIVE_JOBS)
    events.push({ _tag: tag, placed: this.#current })
  }

  /** Whether a job begins so late that a server of this specification refuses all its shares for now (5.3.11). */
  #isAhead(minNtime: number, now: number): boolean {
    const { minNtime: least = 0, receivedAt = now } = this.channel?.prevHash ?? {}
    return minNtime > least + (now - receivedAt) / 1000 + MAX_FUTURE_SECONDS
  }

  #ahead({ _tag, jobId }: Mining.NewExtendedMiningJob, minNtime: number, events: Array<PoolEvent>): void {
    const detail = `job ${jobId} begins at ${minNtime}, more than two hours ahead of its previous hash and the time since`
    this.#fail("violation", `${_tag}: ${detail}`, events)
  }

  #checkTarget(target: Uint8Array, events: Array<PoolEvent>): void {
    const fault = impossibleTarget(target)
    if (fault !== undefined) this.#fail("violation", fault, events)
  }

  #refused(errorCode: string, events: Array<PoolEvent>): void {
    const { extranonceSize, userIdentity } = this.#options
    const codes = ErrorCode.openChannel
    const isTooLarge = errorCode === codes.minExtranonceSizeTooLarge || errorCode === codes.unsupportedMinExtranonceSize
    const hint = isTooLarge
      ? `: it gives fewer than the ${extranonceSize} bytes of extranonce that the proxy needs (extranonceSize)`
      : ""
    const message = `it opens no channel for "${printable(userIdentity)}": "${printable(errorCode)}"${hint}`
    this.#fail(isTooLarge ? "extranonce-too-small" : "open-refused", message, events)
  }

  #tooSmall(given: number, missing: number): string {
    const needs = `the proxy needs ${this.#options.extranonceSize} bytes of extranonce for its channels`
    return `${needs}, and it gives ${given}: ${missing} ${missing === 1 ? "byte is" : "bytes are"} missing (extranonceSize)`
  }

  #fail(reason: UpstreamFault["reason"], message: string, events: Array<PoolEvent>): void {
    this.fault = new UpstreamFault({ reason, message })
    events.push({ _tag: "Failed", fault: this.fault })
  }

  #takeDifficulty(shares: ReadonlyArray<PendingShare>): number {
    let sum = 0
    for (const { sequenceNumber } of shares) {
      sum += this.#difficulties.get(sequenceNumber) ?? 0
      this.#difficulties.delete(sequenceNumber)
    }
    return sum
  }
}

/** Whether the message changes the work of a channel. */
const isChange = ({ _tag }: Mining.ToClient): boolean =>
  _tag === "NewMiningJob" ||
  _tag === "NewExtendedMiningJob" ||
  _tag === "SetNewPrevHash" ||
  _tag === "SetTarget" ||
  _tag === "SetExtranoncePrefix"

const forgetOldest = (entries: Map<number, unknown>, limit: number): void => {
  if (entries.size <= limit) return
  for (const key of entries.keys()) {
    if (entries.size <= limit) return
    entries.delete(key)
  }
}
