/**
 * One V1 pool as the server's end of a mining connection: a pure machine of `(lines of the pool | messages of the client, now) ->
 * lines, messages and events`. It reads no clock and no socket; `now` is in milliseconds.
 *
 * The pool decides about every share: the machine hashes none, submits each share of a job that it remembers, and answers with
 * the pool's answer. It refuses by itself only what a submit of V1 cannot say. All channels share the connection, its jobs and
 * its target; each authorizes a worker of its own and has a part of extranonce2.
 *
 * A job of another previous hash becomes a future job and the SetNewPrevHash that names it; every other job, clean or not, is a
 * job for the previous hash in force. Shares of earlier jobs still go to the pool, which refuses them where it must.
 */
import {
  defaultChannelPolicy,
  EXTRANONCE_SPACE_EXHAUSTED,
  type ExtranonceLease,
  isHashRate,
  isMaxTarget,
  refusalToOpen
} from "@sluice/channels"
import { ErrorCode, Mining, printable } from "@sluice/protocol"
import { Client, type Line, type LineError, SilenceError, type Subscription } from "@sluice/stratum-v1"
import { isHost } from "@sluice/transport"
import { refusalOfShare, type Share } from "./check-share.ts"
import type { Credentials } from "./credentials.ts"
import { Extranonce2Space } from "./extranonce2-space.ts"
import { type Opening, Openings, type OpenRequest } from "./openings.ts"
import { PoolChannel, type SubmittedShare } from "./pool-channel.ts"
import type { PoolFailure, PoolOutbox } from "./pool-event.ts"
import { brokenCoinbase, otherExtranonce, revokedVersionBits, tooLargeExtranonce } from "./pool-faults.ts"
import { allowsVersionRolling, extendedJob, newPrevHash, type PoolJob, standardJob } from "./pool-job.ts"
import { PoolJobs } from "./pool-jobs.ts"
import { NO_ANSWER, shareErrorCode } from "./share-error-code.ts"
import { Suggestion } from "./suggestion.ts"

export interface PoolMachineOptions {
  /** The flags in the client's SetupConnection (5.3.1). */
  readonly setupFlags: number
  /** The pool's host, to decide whether client.reconnect leads elsewhere. */
  readonly host: string
  readonly credentials: (userIdentity: string) => Credentials
  /** Whether client.reconnect may lead to any host. */
  readonly followAnywhere: boolean
  /** Gives the next id for a channel or a group, unique among all machines of the client's connection. */
  readonly nextId: () => number
  /** How long the pool may take to send the first job after a channel was requested. */
  readonly jobWithinMs: number
  readonly client: Client.Options
}

/** The longest host of client.reconnect: as long as a host name can be. */
const MAX_HOST = 253

export class PoolMachine {
  /** Why the connection must end. Deliver the messages first. */
  failure: PoolFailure | undefined = undefined
  readonly #options: PoolMachineOptions
  readonly #client: Client.Connection
  readonly #groupId: number
  readonly #openings = new Openings()
  readonly #channels = new Map<number, PoolChannel>()
  readonly #jobs: PoolJobs
  readonly #suggestion = new Suggestion()
  /** Shares that wait for the pool's answer, by the number of their submit. */
  readonly #shares = new Map<number, { readonly channel: PoolChannel; readonly share: SubmittedShare }>()
  /** Channels with a verdict since the last acknowledgement. */
  readonly #judged = new Set<PoolChannel>()
  #subscription: Subscription | undefined
  #space = new Extranonce2Space(0)
  #versionMask = 0
  /** REQUIRES_FIXED_VERSION, once the client was told. */
  #isFixedVersion: boolean | undefined
  #hasEnded = false
  #redirect: { readonly at: number; readonly message: Mining.ToClient } | undefined

  constructor(now: number, options: PoolMachineOptions) {
    this.#options = options
    this.#client = new Client.Connection(now, options.client)
    this.#groupId = options.nextId()
    this.#jobs = new PoolJobs(now)
  }

  /** Whether the pool has given this connection an extranonce: then channels can be opened. */
  get isSubscribed(): boolean {
    return this.#subscription !== undefined
  }

  get channelCount(): number {
    return this.#channels.size
  }

  get channelIds(): Iterable<number> {
    return this.#channels.keys()
  }

  /** Whether this is the id of an open channel or of their group. */
  has(id: number): boolean {
    return this.#channels.has(id) || id === this.#groupId
  }

  /**
   * The flags of SetupConnection.Success for the version bits that the pool allows, to be asked once when it is subscribed. From
   * then on the pool may not take back what the flags say.
   */
  takeFlags(): number {
    this.#isFixedVersion = !allowsVersionRolling(this.#versionMask)
    return this.#isFixedVersion ? Mining.REQUIRES_FIXED_VERSION : 0
  }

  start(now: number): void {
    this.#client.start(now)
  }

  takeLines(): ReadonlyArray<string> {
    return this.#client.takeLines()
  }

  /** The messages of the client. */
  send(messages: ReadonlyArray<Mining.ToServer>, now: number, out: PoolOutbox): void {
    for (const message of messages) this.#send(message, now, out)
  }

  /** The lines of one read. */
  receive(lines: ReadonlyArray<Line>, now: number, out: PoolOutbox): void {
    this.#handle(this.#client.receive(lines, now), now, out)
  }

  /** The reader of lines failed. */
  fail(error: LineError, now: number, out: PoolOutbox): void {
    this.#handle(this.#client.fail(error, now), now, out)
  }

  /** The socket was closed: shares without an answer are refused. Requests for channels end with the connection. */
  end(now: number, out: PoolOutbox): void {
    this.#hasEnded = true
    this.#handle(this.#client.end(now), now, out)
  }

  /** Call it every second or so. */
  tick(now: number, out: PoolOutbox): void {
    this.#handle(this.#client.tick(now), now, out)
    if (this.#redirect !== undefined && now >= this.#redirect.at) {
      out.messages.push(this.#redirect.message)
      this.#redirect = undefined
    }
    const { oldest } = this.#openings
    if (oldest === undefined || this.#jobs.current !== undefined) return
    const waitedMs = now - oldest.since
    const isLate = waitedMs >= this.#options.jobWithinMs
    if (isLate) this.#fail(new SilenceError({ awaited: "mining.notify", waitedMs }), now, out)
  }

  #send(message: Mining.ToServer, now: number, out: PoolOutbox): void {
    switch (message._tag) {
      case "OpenStandardMiningChannel":
      case "OpenExtendedMiningChannel":
        return this.#open(message, now, out)
      case "SubmitSharesStandard":
      case "SubmitSharesExtended":
        return this.#submit(message, now, out)
      case "UpdateChannel":
        return this.#update(message, now, out)
      case "CloseChannel":
        return this.#close(message.channelId)
      case "SetCustomMiningJob": {
        const { channelId, requestId } = message
        const errorCode = ErrorCode.setCustomMiningJob.jdNotSupported
        out.messages.push({ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode })
      }
    }
  }

  #open(request: OpenRequest, now: number, out: PoolOutbox): void {
    const { setupFlags } = this.#options
    const count = this.#channels.size + this.#openings.size
    const refusal = refusalToOpen(request, setupFlags, count, this.#space.maxRollableSize, defaultChannelPolicy)
    if (refusal !== undefined) return refuseToOpen(request, refusal, out)
    const lease = this.#take(request)
    if (lease === undefined) return refuseToOpen(request, EXTRANONCE_SPACE_EXHAUSTED, out)
    const { password, worker } = this.#options.credentials(request.userIdentity)
    if (this.#openings.add({ request, lease, worker, since: now })) this.#client.authorize(worker, password, now)
    this.#suggest(now)
    this.#openReady(out)
  }

  #take(request: OpenRequest): ExtranonceLease | undefined {
    const minRollable = request._tag === "OpenExtendedMiningChannel" ? request.minExtranonceSize : undefined
    return this.#space.take(minRollable, this.#jobs.epoch)
  }

  /** Opens the channels whose workers are authorized, if there is a job. */
  #openReady(out: PoolOutbox): void {
    const { current } = this.#jobs
    if (current === undefined || this.#openings.size === 0) return
    for (const opening of this.#openings.takeReady()) this.#opened(opening, current, out)
  }

  #opened({ lease, request, worker }: Opening, current: PoolJob, out: PoolOutbox): void {
    const { maxTarget, nominalHashRate, requestId } = request
    const kind = request._tag === "OpenStandardMiningChannel" ? "standard" : "extended"
    const channelId = this.#options.nextId()
    const fields = { channelId, kind, worker, lease, nominalHashRate, maxTarget } as const
    const channel = new PoolChannel(fields, current.job.target, current.id)
    this.#channels.set(channelId, channel)
    const { target } = channel
    const extranoncePrefix = this.#prefixOf(channel)
    const opened = { requestId, channelId, target, extranoncePrefix, groupChannelId: this.#groupId }
    out.messages.push(
      kind === "standard"
        ? { _tag: "OpenStandardMiningChannel.Success", ...opened }
        : { _tag: "OpenExtendedMiningChannel.Success", ...opened, extranonceSize: lease.rollableSize },
      jobFor(channel, current, undefined),
      newPrevHash(current, channelId)
    )
  }

  #refuseWorker(worker: string, text: string, out: PoolOutbox): void {
    out.events.push({ _tag: "WorkerRefused", worker, text })
    for (const { lease, request } of this.#openings.refused(worker)) {
      this.#space.giveBack(lease, undefined)
      refuseToOpen(request, ErrorCode.openChannel.unknownUser, out)
    }
  }

  #update({ channelId, maximumTarget, nominalHashRate }: Mining.UpdateChannel, now: number, out: PoolOutbox): void {
    const channel = this.#channels.get(channelId)
    const errorCode =
      channel === undefined
        ? ErrorCode.updateChannel.invalidChannelId
        : !isHashRate(nominalHashRate)
          ? ErrorCode.updateChannel.invalidNominalHashrate
          : !isMaxTarget(maximumTarget)
            ? ErrorCode.openChannel.maxTargetOutOfRange
            : undefined
    if (channel === undefined || errorCode !== undefined) {
      out.messages.push({ _tag: "UpdateChannel.Error", channelId, errorCode: errorCode! })
      return
    }
    channel.maxTarget = maximumTarget.slice()
    channel.nominalHashRate = nominalHashRate
    this.#retarget(channel, out)
    this.#suggest(now)
  }

  #retarget(channel: PoolChannel, out: PoolOutbox): void {
    const { current } = this.#jobs
    if (current === undefined || !channel.retarget(current.job.target)) return
    out.messages.push({ _tag: "SetTarget", channelId: channel.channelId, maximumTarget: channel.target })
  }

  /**
   * Suggests the difficulty of the hash rate of all channels. Not before a worker is authorized: ckpool then applies the
   * suggestion and does not say so.
   */
  #suggest(now: number): void {
    if (!this.#openings.hasAuthorized) return
    let rate = this.#openings.hashRate
    for (const { nominalHashRate } of this.#channels.values()) rate += nominalHashRate
    const difficulty = this.#suggestion.next(rate)
    if (difficulty !== undefined) this.#client.suggestDifficulty(difficulty, now)
  }

  #close(id: number): void {
    const channel = this.#channels.get(id)
    const closed = channel !== undefined ? [channel] : id === this.#groupId ? [...this.#channels.values()] : []
    for (const { channelId, lease, usedIn } of closed) {
      this.#channels.delete(channelId)
      this.#space.giveBack(lease, usedIn)
    }
    if (closed.length > 0) this.#openings.keepWorkers(this.#channels.values())
  }

  #submit(message: Share, now: number, out: PoolOutbox): void {
    const { channelId, jobId, nonce, ntime, sequenceNumber, version } = message
    const channel = this.#channels.get(channelId)
    const poolJob = this.#jobs.get(jobId)
    const errorCode = refusalOfShare(message, channel, this.#jobs)
    if (errorCode !== undefined || channel === undefined || poolJob === undefined) {
      return refuseShare(channelId, sequenceNumber, errorCode!, out)
    }
    const rolled = message._tag === "SubmitSharesExtended" ? message.extranonce : NOTHING
    const extranonce2 = Buffer.concat([channel.lease.prefix, rolled])
    const number = this.#client.submit(poolJob.job, channel.worker, { extranonce2, ntime, nonce, version }, now)
    if (number === undefined) return refuseShare(channelId, sequenceNumber, NO_ANSWER, out)
    this.#shares.set(number, { channel, share: channel.submitted(sequenceNumber, poolJob.difficulty) })
    channel.usedIn = this.#jobs.epoch
  }

  #handle(events: ReadonlyArray<Client.ClientEvent>, now: number, out: PoolOutbox): void {
    // Of the jobs of one read only the last is news.
    const latest = events.findLast((event) => event._tag === "JobReceived")
    for (const event of events) {
      if (event._tag === "JobReceived" && event !== latest) continue
      if (this.failure === undefined || event._tag === "ShareAnswered") this.#handleOne(event, now, out)
    }
    for (const channel of this.#judged) {
      const message = channel.takeAcknowledgement()
      if (message !== undefined && this.#channels.has(channel.channelId)) out.messages.push(message)
    }
    this.#judged.clear()
  }

  #handleOne(event: Client.ClientEvent, now: number, out: PoolOutbox): void {
    switch (event._tag) {
      case "Subscribed":
        return this.#subscribed(event.subscription, now, out)
      case "Authorized":
        if (this.#hasEnded) return
        if (event.refusal !== undefined) return this.#refuseWorker(event.worker, event.refusal.text, out)
        this.#openings.authorized(event.worker)
        this.#suggest(now)
        return this.#openReady(out)
      case "VersionMaskChanged":
        this.#versionMask = event.mask
        return
      case "JobReceived":
        return this.#notify(event.job, now, out)
      case "ShareAnswered":
        return this.#answered(event, out)
      case "ReconnectAsked":
        return this.#reconnect(event, now, out)
      case "Message":
        out.events.push({ _tag: "PoolMessage", text: event.text })
        return
      case "Malformed": {
        // Without the job the miners would go on with one that the pool may have given up.
        const { method } = event.error
        if (method === "mining.notify" || method === "mining.set_extranonce") return this.#fail(event.error, now, out)
        out.events.push(event)
        return
      }
      case "Failed":
        this.failure = event.error
    }
  }

  #subscribed(subscription: Subscription, now: number, out: PoolOutbox): void {
    const fault = tooLargeExtranonce("mining.subscribe", subscription)
    if (fault !== undefined) return this.#fail(fault, now, out)
    this.#subscription = subscription
    this.#space = new Extranonce2Space(subscription.extranonce2Size)
  }

  #notify(job: Client.Job, now: number, out: PoolOutbox): void {
    const isAllowed = allowsVersionRolling(job.versionMask)
    // A client that was told that it may roll the version cannot be told otherwise on this connection.
    const isRevoked = this.#isFixedVersion === false && !isAllowed
    const fault =
      this.#changeExtranonce(job, out) ??
      brokenCoinbase(job) ??
      (isRevoked ? revokedVersionBits(job.versionMask) : undefined)
    if (fault !== undefined) return this.#fail(fault, now, out)
    const { epoch } = this.#jobs
    const current = this.#jobs.add(job, isAllowed && this.#isFixedVersion !== true)
    // A target holds for the jobs that follow it (5.3.21), as a difficulty does in V1.
    for (const channel of this.#channels.values()) this.#retarget(channel, out)
    this.#announce(current, current.epoch === epoch ? job.notify.ntime : undefined, out)
    this.#openReady(out)
  }

  /** Sends a job to all channels; without `minNtime` as a future job with its SetNewPrevHash. */
  #announce(current: PoolJob, minNtime: number | undefined, out: PoolOutbox): void {
    if (this.#channels.size === 0) return
    const requiresStandardJobs = (this.#options.setupFlags & Mining.REQUIRES_STANDARD_JOBS) !== 0
    for (const channel of requiresStandardJobs ? this.#channels.values() : [undefined]) {
      const id = channel?.channelId ?? this.#groupId
      out.messages.push(channel === undefined ? extendedJob(current, id, minNtime) : jobFor(channel, current, minNtime))
      if (minNtime === undefined) out.messages.push(newPrevHash(current, id))
    }
  }

  /** Adopts the job's extranonce, if that is possible. */
  #changeExtranonce(job: Client.Job, out: PoolOutbox) {
    const { extranonce1, extranonce2Size } = job
    const known = this.#subscription!
    const hasSameSize = known.extranonce2Size === extranonce2Size
    if (hasSameSize && Buffer.compare(known.extranonce1, extranonce1) === 0) return undefined
    const fault = tooLargeExtranonce("mining.set_extranonce", job) ?? otherExtranonce(known, job, this.#channels.size)
    if (fault !== undefined) return fault
    this.#subscription = { ...known, extranonce1, extranonce2Size }
    if (!hasSameSize) this.#divideAgain(out)
    for (const channel of this.#channels.values()) {
      const extranoncePrefix = this.#prefixOf(channel)
      out.messages.push({ _tag: "SetExtranoncePrefix", channelId: channel.channelId, extranoncePrefix })
    }
    return undefined
  }

  /** Divides an extranonce2 of another size among the channels that are being opened. */
  #divideAgain(out: PoolOutbox): void {
    this.#space = new Extranonce2Space(this.#subscription!.extranonce2Size)
    for (const opening of this.#openings.takeAll()) {
      const lease = this.#take(opening.request)
      if (lease === undefined) refuseToOpen(opening.request, EXTRANONCE_SPACE_EXHAUSTED, out)
      else this.#openings.add({ ...opening, lease })
    }
  }

  #answered({ refusal, share: number }: Client.ShareAnswered, out: PoolOutbox): void {
    const known = this.#shares.get(number)
    if (known === undefined) return
    this.#shares.delete(number)
    const { channel, share } = known
    share.verdict = refusal === undefined ? "accepted" : "refused"
    this.#judged.add(channel)
    if (refusal === undefined || !this.#channels.has(channel.channelId)) return
    const errorCode = shareErrorCode(refusal)
    refuseShare(channel.channelId, share.sequenceNumber, errorCode, out)
    out.events.push({ _tag: "ShareRefused", errorCode, text: refusal.text })
  }

  #reconnect({ host, port, waitSeconds }: Client.ReconnectAsked, now: number, out: PoolOutbox): void {
    const isAllowed = this.#options.followAnywhere || Client.isSameSite(this.#options.host, host)
    const isRight = host === undefined || host === "" || (host.length <= MAX_HOST && isHost(host))
    if (!isAllowed || !isRight) {
      out.events.push({ _tag: "RedirectIgnored", host: printable(host ?? "") })
      return
    }
    const message: Mining.ToClient = { _tag: "Reconnect", newHost: host ?? "", newPort: port ?? 0 }
    if (waitSeconds === 0) out.messages.push(message)
    else this.#redirect = { at: now + waitSeconds * 1000, message }
  }

  #prefixOf({ lease }: PoolChannel): Uint8Array {
    return new Uint8Array(Buffer.concat([this.#subscription!.extranonce1, lease.prefix]))
  }

  #fail(failure: PoolFailure, now: number, out: PoolOutbox): void {
    if (this.failure !== undefined) return
    this.failure = failure
    this.#handle(this.#client.end(now), now, out)
  }
}

const NOTHING = new Uint8Array(0)

const jobFor = (channel: PoolChannel, job: PoolJob, minNtime: number | undefined): Mining.ToClient =>
  channel.kind === "standard"
    ? standardJob(job, channel.channelId, minNtime, channel.lease.prefix)
    : extendedJob(job, channel.channelId, minNtime)

const refuseToOpen = ({ requestId }: OpenRequest, errorCode: string, out: PoolOutbox): void => {
  out.messages.push({ _tag: "OpenMiningChannel.Error", requestId, errorCode })
}

const refuseShare = (channelId: number, sequenceNumber: number, errorCode: string, out: PoolOutbox): void => {
  out.messages.push({ _tag: "SubmitShares.Error", channelId, sequenceNumber, errorCode })
}
