/**
 * A miner's channel of a proxy that opens a channel upstream for each: the source of work of that channel. It outlives the channel
 * upstream. When the proxy goes over to another upstream, a channel is opened there, and the miner mines for it from its first job on.
 * The one before takes shares for its own jobs until it is closed or lost.
 */
import {
  type ChannelWork,
  type ExtranonceLease,
  type Job,
  type Announcement,
  Jobs,
  NO_VERDICT,
  type SourceChange,
  type SourceChannel,
  type SourceShare
} from "@sluice/channels"
import { Target } from "@sluice/core"
import { ErrorCode, type ForeignMessage, type Mining } from "@sluice/protocol"
import { creditOf } from "../credit.ts"
import type { ChannelSession, SubmittedShare, UpstreamChannel } from "./upstream-channel.ts"

/** How long a channel stays open after its miner has gone over to another upstream. */
const RETIRED_MS = 10_000

/** The `origin` of a job: the channel upstream, and the job's id there. */
class MinerJobOrigin {
  readonly channel: UpstreamChannel
  readonly jobId: number
  readonly difficulty: number

  constructor(channel: UpstreamChannel, { jobId, nbits, target }: ChannelWork) {
    this.channel = channel
    this.jobId = jobId
    this.difficulty = creditOf(target, nbits)
  }
}

/** The proxy, as a miner's channel needs it. */
export interface MinerChannelHost {
  readonly changed: () => void
  readonly closed: (miner: MinerChannel) => void
  /** Messages for an upstream wait to be sent. */
  readonly wake: () => void
}

export class MinerChannel implements SourceChannel {
  readonly kind: "standard" | "extended"
  /** The identity of its miner. */
  readonly userIdentity: string
  nominalHashRate: number
  maxTarget: Uint8Array
  readonly jobs: Jobs
  lease: ExtranonceLease = { prefix: EMPTY, rollableSize: 0, index: -1 }
  target: Uint8Array = EMPTY
  onChange = (): void => {}
  /** Whether the miner has its channel. */
  isOpen = false
  isClosed = false
  /** The channel upstream whose jobs are mined. */
  current: UpstreamChannel | undefined
  /** A channel at the next upstream that has sent no work yet. */
  next: UpstreamChannel | undefined
  /** Whether a channel was requested upstream that has no answer yet. */
  isRequested = false
  readonly #minExtranonceSize: number
  #retired: Array<{ readonly channel: UpstreamChannel; readonly until: number }> = []
  #changes: Array<SourceChange> = []
  /** The prefix and the target that the miner was told last. */
  #prefix = EMPTY
  #told = EMPTY
  #hasForwarded = false
  /** Updates since the last tick: the upstream answers each, and what it sends is limited for all miners together. */
  #updates = 0
  readonly #host: MinerChannelHost

  constructor(
    request: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel,
    firstJobId: number,
    host: MinerChannelHost
  ) {
    this.#host = host
    this.kind = request._tag === "OpenStandardMiningChannel" ? "standard" : "extended"
    this.userIdentity = request.userIdentity
    this.nominalHashRate = request.nominalHashRate
    this.maxTarget = request.maxTarget.slice()
    this.#minExtranonceSize = request._tag === "OpenExtendedMiningChannel" ? request.minExtranonceSize : 0
    this.jobs = new Jobs({ firstJobId, versionRollingAllowed: true })
  }

  /** The least bytes to roll that an upstream must give. The size never changes once the channel is open (5.3.10). */
  get minExtranonceSize(): number {
    return this.isOpen ? this.lease.rollableSize : this.#minExtranonceSize
  }

  /** Whether the miner has a channel there, or goes over to one. */
  isAt(session: ChannelSession): boolean {
    return (this.next ?? this.current)?.session === session
  }

  /** An upstream has opened a channel. The first one opens the miner's. */
  opened(channel: UpstreamChannel, extranonceSize: number): void {
    this.isRequested = false
    if (this.isOpen) {
      this.next?.session.close(this.next, "superseded")
      this.next = channel
      return
    }
    this.isOpen = true
    this.current = channel
    this.target = channel.target
    this.#told = channel.target
    this.#prefix = channel.extranoncePrefix
    this.lease = { ...this.lease, prefix: channel.extranoncePrefix, rollableSize: extranonceSize }
  }

  /** The channel upstream mines this work from now on. */
  work(channel: UpstreamChannel, work: ChannelWork, isNewPrevHash: boolean, height: number, now: number): void {
    if (channel === this.next) this.#changeTo(channel, now)
    if (channel !== this.current) return
    const { jobs } = this
    if (work._tag === "ExtendedWork") this.#tellPrefix(work.extranoncePrefix, channel.padding)
    const job = jobOf(channel, work, height, jobs.nextId)
    const { minNtime: ntime, nbits, prevHash: hash } = work
    const made: Array<Announcement> = []
    if (isNewPrevHash) {
      const target = new Uint8Array(32)
      Target.nBitsToTarget(nbits, target, 0)
      made.push(jobs.addFutureJob(job.id, job), jobs.setPrevHash(job.id, { hash, nbits, ntime, target }, now)!)
    } else made.push(jobs.activateJob(job, now, undefined, ntime))
    this.#change(...made)
  }

  /** The channel upstream has another target for its later jobs. */
  targetChanged(channel: UpstreamChannel, target: Uint8Array): void {
    channel.target = target
    if (channel === this.current) this.#tellTarget(target)
  }

  /** Submits a share to the upstream of its job, and returns which one that is. `undefined` if the share has its verdict at once. */
  submit(found: SourceShare, now: number): number | undefined {
    const { channel, difficulty, jobId } = originOf(found.job)
    const key = found.via?.key
    if (!channel.isOpen) {
      this.#refuse(key, NO_VERDICT)
      return undefined
    }
    const sequenceNumber = channel.session.submit(channel, jobId, found, now)
    if (sequenceNumber === undefined) {
      this.#refuse(key, ErrorCode.submitShares.staleShare)
      return undefined
    }
    channel.shares.set(sequenceNumber, { key, difficulty })
    return channel.session.index
  }

  /** Returns the sum of the difficulties. */
  accepted(channel: UpstreamChannel, sequenceNumbers: ReadonlyArray<number>): number {
    let sum = 0
    const keys: Array<number> = []
    for (const sequenceNumber of sequenceNumbers) {
      const share = take(channel, sequenceNumber)
      sum += share?.difficulty ?? 0
      if (share?.key !== undefined) keys.push(share.key)
    }
    if (keys.length > 0) this.#change({ _tag: "SharesAccepted", keys })
    return sum
  }

  refused(channel: UpstreamChannel, sequenceNumber: number, errorCode: string): void {
    this.#refuse(take(channel, sequenceNumber)?.key, errorCode)
  }

  updateRefused(channel: UpstreamChannel, errorCode: string): void {
    if (channel === this.current) this.#change({ _tag: "UpdateRefused", errorCode })
  }

  forwarded(channel: UpstreamChannel, message: ForeignMessage): void {
    if (channel !== this.current) return
    this.#hasForwarded = true
    this.#change({ _tag: "Forwarded", message: { ...message, content: message.content.slice() } })
  }

  /** A channel upstream was closed or lost. Its shares get no verdict. */
  lost(channel: UpstreamChannel): void {
    channel.isOpen = false
    for (const { key } of channel.shares.values()) this.#refuse(key, NO_VERDICT)
    channel.shares.clear()
    this.#retired = this.#retired.filter((one) => one.channel !== channel)
    if (channel === this.current) this.current = undefined
    if (channel === this.next) this.next = undefined
  }

  /** Ends the miner's channel for a reason that came from upstream. */
  end(reasonCode: string): void {
    if (this.isClosed) return
    this.#change({ _tag: "Closed", reasonCode })
  }

  /** Sends the last update that was held back, and closes channels whose miner has gone over to another upstream a while ago. */
  tick(now: number): void {
    if (this.#updates > 1) this.#sendUpdate()
    this.#updates = this.#updates > 1 ? 1 : 0
    for (const { channel, until } of this.#retired) {
      if (now >= until) channel.session.close(channel, "the miner has another upstream")
    }
  }

  takeChanges(): ReadonlyArray<SourceChange> {
    if (this.#changes.length === 0) return NO_CHANGES
    const changes = this.#changes
    this.#changes = []
    return changes
  }

  /** The first update after a tick reaches the upstream at once; of others the last one does, at the next tick. */
  update(nominalHashRate: number, maxTarget: Uint8Array): void {
    this.nominalHashRate = nominalHashRate
    this.maxTarget = maxTarget.slice()
    if (this.#updates++ > 0) return
    this.#sendUpdate()
    this.#host.wake()
  }

  #sendUpdate(): void {
    const { maxTarget, nominalHashRate } = this
    for (const channel of [this.current, this.next]) channel?.session.update(channel, nominalHashRate, maxTarget)
  }

  close(reasonCode: string): void {
    if (this.isClosed) return
    this.isClosed = true
    const all = [this.current, this.next, ...this.#retired.map(({ channel }) => channel)]
    for (const channel of all) channel?.session.close(channel, reasonCode)
    this.#host.closed(this)
    this.#host.wake()
  }

  forward(message: ForeignMessage): void {
    const channel = this.current
    if (channel === undefined) return
    this.#hasForwarded = true
    channel.session.forward({ ...message, channelId: channel.id, content: message.content.slice() })
    this.#host.wake()
  }

  #changeTo(channel: UpstreamChannel, now: number): void {
    const before = this.current
    this.current = channel
    this.next = undefined
    if (before !== undefined) this.#retired.push({ channel: before, until: now + RETIRED_MS })
    // Both ends of an extension must begin anew (3.6.4).
    if (this.#hasForwarded) this.#change({ _tag: "EndpointChanged" })
    this.#hasForwarded = false
    this.#tellTarget(channel.target)
  }

  #tellTarget(target: Uint8Array): void {
    if (equal(target, this.#told)) return
    this.#told = target
    this.#change({ _tag: "NewTarget", target, since: this.jobs.activations })
  }

  /** A standard channel gets merkle roots, so its miner needs no prefix. */
  #tellPrefix(upstreamPrefix: Uint8Array, padding: number): void {
    const prefix = padding === 0 ? upstreamPrefix : new Uint8Array([...upstreamPrefix, ...new Uint8Array(padding)])
    if (equal(prefix, this.#prefix)) return
    this.#prefix = prefix
    this.#change({ _tag: "NewPrefix", prefix, fromJobId: this.jobs.nextId })
  }

  #refuse(key: number | undefined, errorCode: string): void {
    if (key !== undefined) this.#change({ _tag: "ShareRefused", key, errorCode })
  }

  #change(...changes: ReadonlyArray<SourceChange>): void {
    if (this.isClosed) return
    this.#changes.push(...changes)
    this.#host.changed()
    this.onChange()
  }
}

/** Makes the job with this id here. All that is known of a standard channel's job is the merkle root. */
const jobOf = (channel: UpstreamChannel, work: ChannelWork, height: number, id: number): Job => {
  const { version, versionRollingAllowed } = work
  const common = { id, height, version, versionRollingAllowed, origin: new MinerJobOrigin(channel, work) }
  if (work._tag === "StandardWork") {
    const coinbase = { coinbasePrefix: EMPTY, coinbaseSuffix: EMPTY, merklePath: [], merklePathBytes: EMPTY }
    return { ...common, ...coinbase, merkleRoot: work.merkleRoot }
  }
  const { coinbasePrefix, coinbaseSuffix, merklePath: merklePathBytes } = work
  const merklePath = Array.from({ length: merklePathBytes.length / 32 }, (_, index) =>
    merklePathBytes.subarray(index * 32, index * 32 + 32)
  )
  return { ...common, coinbasePrefix, coinbaseSuffix, merklePath, merklePathBytes }
}

/** Throws `TypeError` for a job of another source. */
const originOf = ({ id, origin }: Job): MinerJobOrigin => {
  if (origin instanceof MinerJobOrigin) return origin
  throw new TypeError(`job ${id} was not made of the job of a miner's channel upstream`)
}

const take = ({ shares }: UpstreamChannel, sequenceNumber: number): SubmittedShare | undefined => {
  const share = shares.get(sequenceNumber)
  shares.delete(sequenceNumber)
  return share
}

const EMPTY: Uint8Array = new Uint8Array(0)
const NO_CHANGES: ReadonlyArray<SourceChange> = []
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
