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
  HASHES_PER_DIFFICULTY,
  isHashRate,
  isMaxTarget,
  type Outbox,
  refusalToOpen
} from "@sluice/channels"
import { ErrorCode, Mining, printable } from "@sluice/protocol"
import {
  BIP323_MASK,
  Client,
  type Line,
  type LineError,
  ParamsError,
  type RefusedError,
  SilenceError,
  type Subscription,
  wholeDifficulty
} from "@sluice/stratum-v1"
import type { Credentials } from "./credentials.ts"
import { Extranonce2Space } from "./extranonce2-space.ts"
import { PoolChannel, type SubmittedShare } from "./pool-channel.ts"
import {
  allowsVersionRolling,
  coinbaseFault,
  creditOf,
  extendedJob,
  newPrevHash,
  type PoolJob,
  standardJob
} from "./pool-job.ts"
import { NO_ANSWER, shareErrorCode } from "./share-error-code.ts"

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
  /** How long the pool may take to send the first job after it authorized a worker. */
  readonly jobWithinMs: number
  readonly client: Client.Options
}

/** Something for the log. */
export type PoolEvent =
  | { readonly _tag: "PoolMessage"; readonly text: string }
  | { readonly _tag: "WorkerRefused"; readonly worker: string; readonly text: string }
  | { readonly _tag: "ShareRefused"; readonly errorCode: string; readonly text: string }
  | { readonly _tag: "RedirectIgnored"; readonly host: string }
  | { readonly _tag: "Malformed"; readonly error: ParamsError }

export type PoolFailure = LineError | ParamsError | RefusedError | SilenceError

export type PoolOutbox = Outbox<Mining.ToClient, PoolEvent>

type OpenRequest = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel
type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

/** A channel that was requested and is not open yet: its worker is not authorized, or there is no job. */
interface Opening {
  readonly request: OpenRequest
  readonly lease: ExtranonceLease
  readonly worker: string
  readonly since: number
}

/** How many jobs the machine remembers. Pools send one or two a minute. */
const MAX_JOBS = 64
/** The share rate for which the machine suggests a difficulty. Pools aim at about as many. */
const SHARES_PER_MINUTE = 6
/** The longest host of client.reconnect: as long as a host name can be. */
const MAX_HOST = 253

export class PoolMachine {
  /** Why the connection must end. Deliver the messages first. */
  failure: PoolFailure | undefined = undefined
  readonly #options: PoolMachineOptions
  readonly #client: Client.Connection
  readonly #groupId: number
  readonly #channels = new Map<number, PoolChannel>()
  readonly #shares = new Map<number, { readonly channel: PoolChannel; readonly share: SubmittedShare }>()
  /** Channels with a verdict since the last acknowledgement. */
  readonly #judged = new Set<PoolChannel>()
  readonly #workers = new Map<string, "asked" | "authorized">()
  #openings: Array<Opening> = []

  #subscription: Subscription | undefined
  #space = new Extranonce2Space(0)
  #versionMask = 0
  /** REQUIRES_FIXED_VERSION, once the client was told. */
  #isFixedVersion: boolean | undefined
  #current: PoolJob | undefined
  readonly #jobs = new Map<number, PoolJob>()
  #nextJobId: number
  #epoch = 0
  #suggestedRate = 0
  #redirect: { readonly at: number; readonly message: Mining.ToClient } | undefined

  constructor(now: number, options: PoolMachineOptions) {
    this.#options = options
    this.#client = new Client.Connection(now, options.client)
    this.#groupId = options.nextId()
    // Devices drop ids that they know, so the ids of two connections differ (as JobIds of mining-server).
    this.#nextJobId = Math.floor(now / 100) >>> 0
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

  /** The socket was closed: shares without an answer are refused. */
  end(now: number, out: PoolOutbox): void {
    this.#handle(this.#client.end(now), now, out)
  }

  /** Call it every second or so. */
  tick(now: number, out: PoolOutbox): void {
    this.#handle(this.#client.tick(now), now, out)
    if (this.#redirect !== undefined && now >= this.#redirect.at) {
      out.messages.push(this.#redirect.message)
      this.#redirect = undefined
    }
    const [oldest] = this.#openings
    if (oldest === undefined || this.#current !== undefined) return
    const waitedMs = now - oldest.since
    if (waitedMs >= this.#options.jobWithinMs)
      this.#fail(new SilenceError({ awaited: "mining.notify", waitedMs }), now, out)
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
    const count = this.#channels.size + this.#openings.length
    const refusal = refusalToOpen(
      request,
      this.#options.setupFlags,
      count,
      this.#space.maxRollableSize,
      defaultChannelPolicy
    )
    if (refusal !== undefined) return refuseToOpen(request, refusal, out)
    const minRollable = request._tag === "OpenExtendedMiningChannel" ? request.minExtranonceSize : undefined
    const lease = this.#space.take(minRollable, this.#epoch)
    if (lease === undefined) return refuseToOpen(request, EXTRANONCE_SPACE_EXHAUSTED, out)
    const { password, worker } = this.#options.credentials(request.userIdentity)
    this.#openings.push({ request, lease, worker, since: now })
    if (!this.#workers.has(worker)) {
      this.#workers.set(worker, "asked")
      this.#client.authorize(worker, password, now)
    }
    this.#suggest(now)
    this.#openReady(out)
  }

  /** Opens the channels whose workers are authorized, if there is a job. */
  #openReady(out: PoolOutbox): void {
    const current = this.#current
    if (current === undefined || this.#openings.length === 0) return
    const waiting = this.#openings
    this.#openings = []
    for (const opening of waiting) {
      if (this.#workers.get(opening.worker) === "authorized") this.#opened(opening, current, out)
      else this.#openings.push(opening)
    }
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
      this.#jobFor(channel, current, undefined),
      newPrevHash(current, channelId)
    )
  }

  #refuseWorker(worker: string, text: string, out: PoolOutbox): void {
    this.#workers.delete(worker)
    out.events.push({ _tag: "WorkerRefused", worker, text })
    const refused = this.#openings.filter((opening) => opening.worker === worker)
    this.#openings = this.#openings.filter((opening) => opening.worker !== worker)
    for (const { lease, request } of refused) {
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
    if (this.#current === undefined || !channel.retarget(this.#current.job.target)) return
    out.messages.push({ _tag: "SetTarget", channelId: channel.channelId, maximumTarget: channel.target })
  }

  /**
   * Suggests the difficulty of the hash rate of all channels, where that has changed by a factor of two. Not before a worker is
   * authorized: ckpool then applies the suggestion and does not say so.
   */
  #suggest(now: number): void {
    if (![...this.#workers.values()].some((state) => state === "authorized")) return
    let rate = 0
    for (const { nominalHashRate } of this.#channels.values()) rate += nominalHashRate
    for (const { request } of this.#openings) rate += request.nominalHashRate
    if (rate === 0 || (rate < this.#suggestedRate * 2 && rate > this.#suggestedRate / 2)) return
    this.#suggestedRate = rate
    const difficulty = (rate * 60) / SHARES_PER_MINUTE / HASHES_PER_DIFFICULTY
    this.#client.suggestDifficulty(wholeDifficulty(difficulty), now)
  }

  #close(id: number): void {
    const channel = this.#channels.get(id)
    const closed = channel !== undefined ? [channel] : id === this.#groupId ? [...this.#channels.values()] : []
    for (const { channelId, lease, usedIn } of closed) {
      this.#channels.delete(channelId)
      this.#space.giveBack(lease, usedIn)
    }
    if (closed.length === 0) return
    // A worker without a channel is authorized again where it comes back, so that there are no more names than channels.
    const used = new Set([...this.#channels.values(), ...this.#openings].map(({ worker }) => worker))
    for (const worker of this.#workers.keys()) if (!used.has(worker)) this.#workers.delete(worker)
  }

  #submit(message: Share, now: number, out: PoolOutbox): void {
    const { channelId, jobId, nonce, ntime, sequenceNumber, version } = message
    const channel = this.#channels.get(channelId)
    const poolJob = this.#jobs.get(jobId)
    const errorCode = this.#refusalOfShare(message, channel, poolJob)
    if (errorCode !== undefined || channel === undefined || poolJob === undefined) {
      return refuseShare(channelId, sequenceNumber, errorCode!, out)
    }
    const rolled = message._tag === "SubmitSharesExtended" ? message.extranonce : NOTHING
    const extranonce2 = Buffer.concat([channel.lease.prefix, rolled])
    const number = this.#client.submit(poolJob.job, channel.worker, { extranonce2, ntime, nonce, version }, now)
    if (number === undefined) return refuseShare(channelId, sequenceNumber, NO_ANSWER, out)
    this.#shares.set(number, { channel, share: channel.submitted(sequenceNumber, poolJob.difficulty) })
    channel.usedIn = this.#epoch
  }

  /** Why a share cannot be submitted to the pool. */
  #refusalOfShare(message: Share, channel: PoolChannel | undefined, poolJob: PoolJob | undefined): string | undefined {
    const codes = ErrorCode.submitShares
    const kind = message._tag === "SubmitSharesStandard" ? "standard" : "extended"
    if (channel?.kind !== kind) return codes.invalidChannelId
    const { firstJobId, lease } = channel
    const wasSent = (message.jobId - firstJobId) >>> 0 < (this.#nextJobId - firstJobId) >>> 0
    if (!wasSent) return codes.invalidJobId
    if (poolJob === undefined) return codes.staleShare
    if (message._tag === "SubmitSharesExtended" && message.extranonce.length !== lease.rollableSize) {
      return codes.badExtranonceSize
    }
    const { notify, versionMask } = poolJob.job
    const changed = message.version ^ notify.version
    if (changed === 0) return undefined
    if (!poolJob.versionRollingAllowed) return codes.versionRollingNotAllowed
    return (changed & ~versionMask) === 0 ? undefined : codes.invalidNonRollableVersionBit
  }

  #handle(events: ReadonlyArray<Client.ClientEvent>, now: number, out: PoolOutbox): void {
    // Of the jobs of one read only the last is news.
    const latest = events.findLast((event) => event._tag === "JobReceived")
    for (const event of events) {
      if (this.failure !== undefined && event._tag !== "ShareAnswered") continue
      switch (event._tag) {
        case "Subscribed":
          this.#subscribed(event.subscription, now, out)
          break
        case "Authorized":
          if (event.refusal !== undefined) this.#refuseWorker(event.worker, event.refusal.text, out)
          else {
            this.#workers.set(event.worker, "authorized")
            this.#suggest(now)
            this.#openReady(out)
          }
          break
        case "VersionMaskChanged":
          this.#versionMask = event.mask
          break
        case "JobReceived":
          if (event === latest) this.#notify(event.job, now, out)
          break
        case "ShareAnswered":
          this.#answered(event, out)
          break
        case "ReconnectAsked":
          this.#reconnect(event, now, out)
          break
        case "Message":
          out.events.push({ _tag: "PoolMessage", text: event.text })
          break
        case "Malformed":
          // Without the job the miners would go on with one that the pool may have given up.
          if (event.error.method === "mining.notify" || event.error.method === "mining.set_extranonce") {
            this.#fail(event.error, now, out)
          } else out.events.push(event)
          break
        case "Failed":
          this.failure = event.error
      }
    }
    for (const channel of this.#judged) {
      const message = channel.takeAcknowledgement()
      if (message !== undefined && this.#channels.has(channel.channelId)) out.messages.push(message)
    }
    this.#judged.clear()
  }

  #subscribed(subscription: Subscription, now: number, out: PoolOutbox): void {
    const fault = sizeFault("mining.subscribe", subscription)
    if (fault !== undefined) return this.#fail(fault, now, out)
    this.#subscription = subscription
    this.#space = new Extranonce2Space(subscription.extranonce2Size)
  }

  #notify(job: Client.Job, now: number, out: PoolOutbox): void {
    const fault = this.#changeExtranonce(job, out) ?? coinbaseFault(job) ?? this.#versionFault(job)
    if (fault !== undefined) return this.#fail(fault, now, out)
    const before = this.#current?.job.notify
    const { nbits, ntime, prevHash } = job.notify
    const isNewPrevHash = before?.nbits !== nbits || Buffer.compare(before.prevHash, prevHash) !== 0
    if (isNewPrevHash) this.#epoch++
    const current: PoolJob = {
      id: this.#nextJobId,
      job,
      versionRollingAllowed: this.#isFixedVersion !== true && allowsVersionRolling(job.versionMask),
      difficulty: creditOf(job.target),
      epoch: this.#epoch
    }
    this.#nextJobId = (current.id + 1) >>> 0
    this.#current = current
    this.#jobs.set(current.id, current)
    for (const id of this.#jobs.keys()) {
      if (this.#jobs.size <= MAX_JOBS) break
      this.#jobs.delete(id)
    }
    // A target holds for the jobs that follow it (5.3.21), as a difficulty does in V1.
    for (const channel of this.#channels.values()) this.#retarget(channel, out)
    this.#announce(current, isNewPrevHash ? undefined : ntime, out)
    this.#openReady(out)
  }

  /** Sends a job to all channels; without `minNtime` as a future job with its SetNewPrevHash. */
  #announce(current: PoolJob, minNtime: number | undefined, out: PoolOutbox): void {
    if (this.#channels.size === 0) return
    const ids = this.#requires(Mining.REQUIRES_STANDARD_JOBS) ? [...this.#channels.keys()] : [this.#groupId]
    for (const id of ids) {
      const channel = this.#channels.get(id)
      out.messages.push(
        channel === undefined ? extendedJob(current, id, minNtime) : this.#jobFor(channel, current, minNtime)
      )
      if (minNtime === undefined) out.messages.push(newPrevHash(current, id))
    }
  }

  #jobFor(channel: PoolChannel, job: PoolJob, minNtime: number | undefined): Mining.ToClient {
    return channel.kind === "standard"
      ? standardJob(job, channel.channelId, minNtime, channel.lease.prefix)
      : extendedJob(job, channel.channelId, minNtime)
  }

  /** Adopts the job's extranonce. Channels can get another prefix (5.3.10), but no other size. */
  #changeExtranonce(job: Client.Job, out: PoolOutbox): ParamsError | undefined {
    const { extranonce1, extranonce2Size } = job
    const known = this.#subscription!
    if (known.extranonce2Size === extranonce2Size && Buffer.compare(known.extranonce1, extranonce1) === 0)
      return undefined
    const fault = sizeFault("mining.set_extranonce", job)
    if (fault !== undefined) return fault
    const isSameSize = known.extranonce2Size === extranonce2Size && known.extranonce1.length === extranonce1.length
    if (!isSameSize) {
      if (this.#space.isHeld) {
        return new ParamsError({
          method: "mining.set_extranonce",
          field: "extranonce2Size",
          expected: `an extranonce1 of ${known.extranonce1.length} bytes and an extranonce2 of ${known.extranonce2Size}, as open channels have`,
          actual: `${extranonce1.length} and ${extranonce2Size}`
        })
      }
      this.#space = new Extranonce2Space(extranonce2Size)
    }
    this.#subscription = { ...known, extranonce1, extranonce2Size }
    for (const channel of this.#channels.values()) {
      const extranoncePrefix = this.#prefixOf(channel)
      out.messages.push({ _tag: "SetExtranoncePrefix", channelId: channel.channelId, extranoncePrefix })
    }
    return undefined
  }

  /** A client that was told that it may roll the version, or requires it, cannot be told otherwise on this connection. */
  #versionFault({ versionMask }: Client.Job): ParamsError | undefined {
    if (this.#isFixedVersion !== false || allowsVersionRolling(versionMask)) return undefined
    return new ParamsError({
      method: "mining.set_version_mask",
      field: "mask",
      expected: "version rolling as the pool allowed it before",
      actual: hexMask(versionMask)
    })
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
    if (!isAllowed || (host?.length ?? 0) > MAX_HOST) {
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

  #requires(flag: number): boolean {
    return (this.#options.setupFlags & flag) !== 0
  }

  #fail(failure: PoolFailure, now: number, out: PoolOutbox): void {
    if (this.failure !== undefined) return
    this.failure = failure
    this.#handle(this.#client.end(now), now, out)
  }
}

const NOTHING = new Uint8Array(0)

const hexMask = (mask: number): string => (mask & BIP323_MASK).toString(16).padStart(8, "0")

/** Why channels of V2 cannot have this extranonce. */
const sizeFault = (
  method: string,
  { extranonce1, extranonce2Size }: Pick<Subscription, "extranonce1" | "extranonce2Size">
): ParamsError | undefined => {
  const size = extranonce1.length + extranonce2Size
  if (size <= Mining.MAX_EXTRANONCE_SIZE) return undefined
  return new ParamsError({
    method,
    field: "extranonce2Size",
    expected: `at most ${Mining.MAX_EXTRANONCE_SIZE} bytes with extranonce1, as Stratum V2 has them`,
    actual: `${extranonce1.length} and ${extranonce2Size}`
  })
}

const refuseToOpen = ({ requestId }: OpenRequest, errorCode: string, out: PoolOutbox): void => {
  out.messages.push({ _tag: "OpenMiningChannel.Error", requestId, errorCode })
}

const refuseShare = (channelId: number, sequenceNumber: number, errorCode: string, out: PoolOutbox): void => {
  out.messages.push({ _tag: "SubmitShares.Error", channelId, sequenceNumber, errorCode })
}
