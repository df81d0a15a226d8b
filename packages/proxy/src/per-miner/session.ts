/**
 * One connection to an upstream with a channel for each miner: a pure machine over `ChannelClient`, which holds the upstream to the
 * rules of the specification. After its first fault it does nothing more: the shell closes the connection.
 */
import {
  ChannelClient,
  type ChannelWork,
  type ClientEvent,
  type ClientOutbox,
  NO_WORK_YET,
  Outbox,
  type SourceShare
} from "@sluice/channels"
import { Target } from "@sluice/core"
import { type ForeignMessage, Mining, printable, WorkerIdentity } from "@sluice/protocol"
import { UpstreamFault } from "../upstream/fault.ts"
import { impossibleTarget } from "../upstream/impossible-target.ts"
import type { PayoutCheck } from "../upstream/payout-check.ts"
import { upstreamJob } from "../upstream/upstream-job.ts"
import type { MinerChannel } from "./miner-channel.ts"
import { type ChannelSession, UpstreamChannel } from "./upstream-channel.ts"

export interface SessionOptions {
  readonly index: number
  /** The identity upstream for that of a miner. */
  readonly identityOf: (identity: string) => string
  /** The flags of the upstream's SetupConnection.Success. */
  readonly flags: number
  /** Whether shares carry the worker's name (extension 0x0002). */
  readonly withWorkers: boolean
  /** Returns why a job is not to be mined, if it pays too little. */
  readonly checkPayout: PayoutCheck | undefined
}

export type SessionEvent =
  /** A channel was opened for the miner. */
  | { readonly _tag: "Opened"; readonly miner: MinerChannel }
  | { readonly _tag: "OpenRefused"; readonly miner: MinerChannel; readonly errorCode: string }
  /** A job to mine came. */
  | { readonly _tag: "Worked"; readonly prevHash: Uint8Array; readonly height: number }
  | { readonly _tag: "Accepted"; readonly count: number; readonly difficulty: number }
  | { readonly _tag: "Refused"; readonly errorCode: string }
  /** The upstream closed the channel of the miner. */
  | { readonly _tag: "Closed"; readonly miner: MinerChannel; readonly reasonCode: string }
  | { readonly _tag: "Reconnect"; readonly host: string; readonly port: number }
  | { readonly _tag: "Failed"; readonly fault: UpstreamFault }

/** An upstream may send this many jobs, targets and prefixes a second for each channel; ten seconds' worth at once. */
const MAX_CHANGES_PER_SECOND = 100
const BURST_SECONDS = 10
/** How long an upstream may take to answer a request for a channel. */
const OPEN_TIMEOUT_MS = 30_000
/** The most requests that an upstream may leave without an answer for longer: at 500 every 30 s, those of five minutes. */
const MAX_EXPIRED = 5_000
/** The most future jobs that are kept for a channel. */
const MAX_FUTURE_JOBS = 64

/** A request for a channel without an answer. */
interface OpenRequest {
  readonly miner: MinerChannel
  readonly at: number
  /** As it was sent. */
  readonly nominalHashRate: number
  readonly maxTarget: Uint8Array
}

export class PerMinerSession implements ChannelSession {
  readonly index: number
  fault: UpstreamFault | undefined
  /** When the connection was set up, in milliseconds. */
  readonly openedAt: number
  readonly #options: SessionOptions
  readonly #client: ChannelClient
  readonly #out: ClientOutbox = new Outbox()
  readonly #requests = new Map<number, OpenRequest>()
  /** The ids of requests that were refused here because no answer came. One may still come. */
  readonly #expired = new Set<number>()
  readonly #channels = new Map<number, UpstreamChannel<MinerChannel>>()
  /** When the upstream last answered a request for a channel; at first `openedAt`. */
  #answeredAt: number
  /** Of the block to be found, as the last coinbase says it. */
  #height = 0
  #room = MAX_CHANGES_PER_SECOND * BURST_SECONDS
  #roomAt: number

  constructor(options: SessionOptions, now: number) {
    this.index = options.index
    this.openedAt = now
    this.#roomAt = now
    this.#answeredAt = now
    this.#options = options
    this.#client = new ChannelClient({
      fixedVersion: (options.flags & Mining.REQUIRES_FIXED_VERSION) !== 0,
      maxFutureJobs: MAX_FUTURE_JOBS
    })
  }

  get channelCount(): number {
    return this.#channels.size
  }

  /** Requests for channels without an answer whose miners still wait. */
  get requestCount(): number {
    return this.#requests.size
  }

  /** Shares without a verdict. */
  get pendingCount(): number {
    let count = 0
    for (const { shares } of this.#channels.values()) count += shares.size
    return count
  }

  takeMessages(): Array<Mining.ToServer> {
    return this.#out.takeMessages()
  }

  /** Requests a channel for a miner. */
  open(miner: MinerChannel, now: number): void {
    const { maxTarget, minExtranonceSize, nominalHashRate } = miner
    const userIdentity = this.#options.identityOf(miner.userIdentity)
    const request = { userIdentity, nominalHashRate, maxTarget }
    const requestId =
      miner.kind === "standard"
        ? this.#client.openStandardChannel(request, this.#out)
        : this.#client.openExtendedChannel({ ...request, minExtranonceSize }, this.#out)
    miner.isRequested = true
    this.#requests.set(requestId, { miner, at: now, nominalHashRate, maxTarget })
  }

  receive(messages: ReadonlyArray<Mining.ToClient | ForeignMessage>, now: number): ReadonlyArray<SessionEvent> {
    const events: Array<SessionEvent> = []
    for (const message of messages) {
      if (this.fault !== undefined) break
      this.#receive(message, now, events)
    }
    return events
  }

  /** Whether the upstream opens no channels: it has none open, and has left all requests of the last half minute unanswered. */
  isSilent(now: number): boolean {
    if (this.#channels.size > 0 || now - this.#answeredAt < OPEN_TIMEOUT_MS) return false
    for (const { at } of this.#requests.values()) return now - at >= OPEN_TIMEOUT_MS
    return false
  }

  /** Refuses the requests for channels that have waited too long. An upstream may be slow for one worker and quick for others. */
  expire(now: number): ReadonlyArray<SessionEvent> {
    const events: Array<SessionEvent> = []
    for (const [requestId, { miner, at }] of this.#requests) {
      if (now - at < OPEN_TIMEOUT_MS) break
      this.#requests.delete(requestId)
      this.#expired.add(requestId)
      miner.isRequested = false
      events.push({ _tag: "OpenRefused", miner, errorCode: NO_WORK_YET })
    }
    if (this.#expired.size > MAX_EXPIRED) {
      this.#fail("open-refused", `it has left more than ${MAX_EXPIRED} requests for channels unanswered`, events)
    }
    return events
  }

  /** Ends the session, and with it all its channels. Returns the miners that it leaves without one. */
  end(fault: UpstreamFault): ReadonlyArray<MinerChannel> {
    this.fault ??= fault
    const left = new Set<MinerChannel>()
    for (const { miner } of this.#requests.values()) {
      miner.isRequested = false
      left.add(miner)
    }
    for (const channel of this.#channels.values()) {
      channel.miner.lost(channel)
      left.add(channel.miner)
    }
    this.#requests.clear()
    this.#expired.clear()
    this.#channels.clear()
    return [...left]
  }

  submit(channel: UpstreamChannel, jobId: number, found: SourceShare, now: number): number | undefined {
    if (this.fault !== undefined) return undefined
    const sent = found.via?.message
    const rolled = sent?._tag === "SubmitSharesExtended" ? sent.extranonce : NO_EXTRANONCE
    const extranonce = new Uint8Array(channel.padding + rolled.length)
    extranonce.set(rolled, channel.padding)
    const { nonce, ntime, version } = found
    const sequenceNumber = this.#client.submit(channel.id, { jobId, nonce, ntime, version, extranonce }, now, this.#out)
    const worker = sent === undefined ? undefined : WorkerIdentity.UserIdentity.get(sent)
    const message = this.#out.messages.at(-1)
    if (
      sequenceNumber !== undefined &&
      this.#options.withWorkers &&
      worker !== undefined &&
      message?._tag === sent?._tag
    ) {
      this.#out.messages.pop()
      this.#out.messages.push(WorkerIdentity.UserIdentity.put(message as Mining.SubmitSharesExtended, worker))
    }
    return sequenceNumber
  }

  update(channel: UpstreamChannel, nominalHashRate: number, maxTarget: Uint8Array): void {
    this.#client.updateChannel(channel.id, nominalHashRate, maxTarget, this.#out)
  }

  close(channel: UpstreamChannel, reason: string): void {
    if (!channel.isOpen) return
    const { miner } = this.#channels.get(channel.id)!
    this.#channels.delete(channel.id)
    this.#client.closeChannel(channel.id, printable(reason), this.#out)
    miner.lost(channel)
  }

  forward(message: ForeignMessage): void {
    // The connection's protocol is `Protocol.forwarding` where such messages come from below.
    this.#out.messages.push(message as unknown as Mining.ToServer)
  }

  #receive(message: Mining.ToClient | ForeignMessage, now: number, events: Array<SessionEvent>): void {
    if (message._tag === "ForeignMessage") {
      const channel = this.#channels.get(message.channelId)
      channel?.miner.forwarded(channel, message)
      return
    }
    if (isChange(message) && !this.#hasRoom(now)) {
      const limit = `more than ${MAX_CHANGES_PER_SECOND} jobs, targets and prefixes a second for each channel`
      return this.#fail("too-many-messages", `it sends ${limit}; the last is ${message._tag}`, events)
    }
    const isExtended = message._tag === "NewExtendedMiningJob"
    this.#client.receive([message], now, this.#out)
    const received = this.#out.takeEvents()
    if (isExtended && received[0]?._tag === "JobReceived") this.#look(message, events)
    let worked: SessionEvent | undefined
    for (const event of received) {
      if (this.fault !== undefined) return
      if (event._tag === "WorkChanged") worked = { _tag: "Worked", prevHash: event.work.prevHash, height: this.#height }
      this.#follow(event, now, events)
    }
    if (worked !== undefined && this.fault === undefined) events.push(worked)
  }

  /** Reads the height of a job, and checks whom it pays. */
  #look(message: Mining.NewExtendedMiningJob, events: Array<SessionEvent>): void {
    // Only the extranonce's place matters, so any channel of the group will do.
    const channel = this.#client.channels.get(message.channelId) ?? this.#client.channels.values().next().value
    if (channel === undefined) return
    const job = upstreamJob(message, channel.extranoncePrefix, channel.extranonceSize)
    this.#height = job.height
    const unpaid = this.#options.checkPayout?.(job)
    if (unpaid !== undefined) this.#fail("payout", `job ${job.id} is not mined: ${unpaid}`, events)
  }

  #follow(event: ClientEvent, now: number, events: Array<SessionEvent>): void {
    switch (event._tag) {
      case "ChannelOpened":
        this.#answeredAt = now
        return this.#opened(event, events)
      case "OpenRefused": {
        this.#answeredAt = now
        if (this.#expired.delete(event.requestId)) return
        const { miner } = this.#requests.get(event.requestId)!
        this.#requests.delete(event.requestId)
        miner.isRequested = false
        events.push({ _tag: "OpenRefused", miner, errorCode: printable(event.errorCode) })
        return
      }
      case "WorkChanged": {
        const channel = this.#channels.get(event.channelId)
        if (channel === undefined) return
        const { nbits } = event.work
        if (event.newPrevHash && !Target.nBitsToTarget(nbits, new Uint8Array(32), 0)) {
          const shown = (nbits >>> 0).toString(16).padStart(8, "0")
          return this.#fail("violation", `SetNewPrevHash has nBits ${shown}, which no block can have`, events)
        }
        if (event.work.minNtime > latestNtimeOf(event.work, now)) {
          const detail = "more than two hours ahead of its previous hash and the time since"
          return this.#fail("violation", `job ${event.work.jobId} begins at ${event.work.minNtime}, ${detail}`, events)
        }
        channel.miner.work(channel, event.work, event.newPrevHash, this.#height, now)
        return
      }
      case "TargetChanged": {
        const channel = this.#channels.get(event.channelId)
        if (channel === undefined) return
        const fault = impossibleTarget(event.target)
        if (fault !== undefined) return this.#fail("violation", fault, events)
        channel.miner.targetChanged(channel, event.target)
        return
      }
      case "SharesAccepted": {
        const channel = this.#channels.get(event.channelId)!
        const numbers = event.shares.map(({ sequenceNumber }) => sequenceNumber)
        const difficulty = channel.miner.accepted(channel, numbers)
        events.push({ _tag: "Accepted", count: numbers.length, difficulty })
        return
      }
      case "ShareRefused": {
        const channel = this.#channels.get(event.channelId)!
        const errorCode = printable(event.errorCode)
        channel.miner.refused(channel, event.share.sequenceNumber, errorCode)
        events.push({ _tag: "Refused", errorCode })
        return
      }
      case "UpdateRefused": {
        const channel = this.#channels.get(event.channelId)!
        channel.miner.updateRefused(channel, printable(event.errorCode))
        return
      }
      case "ChannelClosed": {
        const channel = this.#channels.get(event.channelId)!
        this.#channels.delete(event.channelId)
        const { miner } = channel
        const isCurrent = miner.current === channel
        miner.lost(channel)
        if (isCurrent) events.push({ _tag: "Closed", miner, reasonCode: printable(event.reasonCode) })
        return
      }
      case "Reconnect":
        events.push({ _tag: "Reconnect", host: event.host, port: event.port })
        return
      case "ProtocolViolation":
        return this.#fail("violation", `it broke the protocol: ${event.message}`, events)
    }
  }

  #opened(event: ClientEvent & { readonly _tag: "ChannelOpened" }, events: Array<SessionEvent>): void {
    const fault = impossibleTarget(event.target)
    if (fault !== undefined) return this.#fail("violation", fault, events)
    this.#room += MAX_CHANGES_PER_SECOND * BURST_SECONDS
    if (this.#expired.delete(event.requestId)) {
      this.#client.closeChannel(event.channelId, "opened-too-late", this.#out)
      return
    }
    const { maxTarget, miner, nominalHashRate } = this.#requests.get(event.requestId)!
    this.#requests.delete(event.requestId)
    const padding = miner.isOpen ? event.extranonceSize - miner.lease.rollableSize : 0
    const channel = new UpstreamChannel(this, miner, event, padding)
    this.#channels.set(channel.id, channel)
    // Its miner has gone in the meantime.
    if (miner.isClosed) return this.close(channel, "client-disconnected")
    miner.opened(channel, event.extranonceSize)
    // The miner has stated something else since the request. `MinerChannel.update` replaces the target, even by an equal one.
    if (miner.nominalHashRate !== nominalHashRate || miner.maxTarget !== maxTarget) {
      this.update(channel, miner.nominalHashRate, miner.maxTarget)
    }
    events.push({ _tag: "Opened", miner })
  }

  #hasRoom(now: number): boolean {
    const rate = MAX_CHANGES_PER_SECOND * (1 + this.#channels.size)
    this.#room = Math.min(rate * BURST_SECONDS, this.#room + ((now - this.#roomAt) / 1000) * rate)
    this.#roomAt = now
    if (this.#room < 1) return false
    this.#room--
    return true
  }

  #fail(reason: UpstreamFault["reason"], message: string, events: Array<SessionEvent>): void {
    this.fault = new UpstreamFault({ reason, message })
    events.push({ _tag: "Failed", fault: this.fault })
  }
}

const NO_EXTRANONCE = new Uint8Array(0)
/** Consensus lets a header's time be two hours ahead of the clock. */
const MAX_FUTURE_SECONDS = 7200

/** The latest nTime at which a job may begin: with a later one, a server of this specification refuses all its shares (5.3.11). */
const latestNtimeOf = ({ prevHashNtime, prevHashReceivedAt }: ChannelWork, now: number): number =>
  prevHashNtime + (now - prevHashReceivedAt) / 1000 + MAX_FUTURE_SECONDS

/** Whether the message changes the work of a channel. */
const isChange = ({ _tag }: Mining.ToClient): boolean =>
  _tag === "NewMiningJob" ||
  _tag === "NewExtendedMiningJob" ||
  _tag === "SetNewPrevHash" ||
  _tag === "SetTarget" ||
  _tag === "SetExtranoncePrefix"
