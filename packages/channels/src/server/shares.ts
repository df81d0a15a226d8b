/**
 * The shares of one connection: checks each, answers it, and reports those that the source of its job wants. Where a channel of the
 * source stands behind the share's channel, the share waits for the verdict of that.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import { ErrorCode, type Mining, printable, WorkerIdentity } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import type { Job } from "../jobs/job.ts"
import { NO_VERDICT, type Via } from "../jobs/source-channel.ts"
import type { SourceShare } from "../jobs/source-share.ts"
import { type LateBlock, LateBlocks } from "../shares/late-blocks.ts"
import { ShareAllowance } from "../shares/share-allowance.ts"
import { refusalOfJob, type ShareValidator, TOO_MANY_SHARES_PER_SECOND } from "../shares/share-validator.ts"
import type { Channel } from "./channel.ts"
import type { ChannelServerContext, ConnectionState } from "./connection-state.ts"
import type { ChannelInfo, ServerOutbox, ShareAccepted, ShareRefused } from "./event.ts"
import { followWork } from "./targets.ts"

export type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

export class Shares {
  // What each share touches stands first and side by side, as in `Downstream` of @sluice/mining-server.
  /** The channel of the last share. */
  last: Channel | undefined
  readonly #allowance: ShareAllowance
  readonly #channels: ReadonlyMap<number, Channel>
  readonly #validator: ShareValidator
  readonly #onAccepted: ChannelServerContext["onAccepted"]
  readonly #batchSize: number
  /** Created on first use. */
  #lateBlocks: LateBlocks | undefined
  /** Channels with accepted shares to acknowledge. */
  #unacknowledged: Array<Channel> = []
  /** How many shares these have. */
  waiting = 0
  readonly #state: ConnectionState
  readonly #context: ChannelServerContext

  constructor(state: ConnectionState) {
    this.#state = state
    this.#channels = state.channels
    this.#context = state.context
    const { onAccepted, policy, validator } = state.context
    this.#allowance = new ShareAllowance(policy.maxSharesPerSecond)
    this.#validator = validator
    this.#onAccepted = onAccepted
    this.#batchSize = policy.shareBatchSize
  }

  /** Answers a share, or lets it wait for its verdict. If it is accepted, its acknowledgement waits for company, or for `acknowledge`. */
  receive(message: Share, now: number, out: ServerOutbox): void {
    const { channelId, jobId, sequenceNumber } = message
    const channels = this.#channels
    const validator = this.#validator
    const last = this.last
    const channel = last?.id === channelId ? last : channels.get(channelId)
    if (channel !== last) this.last = channel
    const jobs = channel?.jobs ?? this.#context.jobs
    const kind = message._tag === "SubmitSharesStandard" ? "standard" : "extended"
    if (channel === undefined || channel.kind !== kind) {
      return this.#refuse(channel, message, ErrorCode.submitShares.invalidChannelId, now, out)
    }
    const active = jobs.active(jobId)
    if (active === undefined || (channel.checked?.active !== active && !channel.has(active, jobs))) {
      const errorCode = active === undefined ? refusalOfJob(jobId, channel, jobs) : ErrorCode.submitShares.invalidJobId
      return this.#refuse(channel, message, errorCode, now, out)
    }
    const hasRoom = this.#allowance.hasRoom(channels.size, now) && channel.source?.hasRoom !== false
    const errorCode =
      message._tag === "SubmitSharesStandard"
        ? validator.standard(channel, active, jobs, message, hasRoom, now)
        : validator.extended(channel, active, jobs, message, message.extranonce, hasRoom, now)
    const { difficulty, hashDifficulty, isBlock, isForSource } = validator
    if (errorCode !== undefined) {
      this.#refuse(channel, message, errorCode, now, out, validator.isHashed)
      if (errorCode !== TOO_MANY_SHARES_PER_SECOND || channel.source !== undefined) return
      // The miner did this work, so the difficulty follows it. Fewer shares come then.
      channel.vardiff.record(difficulty, channel.current.difficulty, now)
      return followWork(this.#state, channel, now, out)
    }

    this.#allowance.take()
    const { info } = channel
    const { height } = active.job
    const share: ShareAccepted = {
      _tag: "ShareAccepted",
      channel: info,
      at: now,
      sequenceNumber,
      jobId,
      height,
      difficulty,
      hashDifficulty,
      hash: validator.hash.slice(),
      worker: workerOf(message),
      isBlock
    }
    const { source } = channel
    if (source === undefined) this.accept(channel, share, now, out)
    const via = source === undefined ? undefined : { channel: source.channel, key: source.add(share), message }
    if (isBlock) {
      this.#late.note(validator.hash)
      const block = { channel: info, job: active.job, lease: channel.leaseOf(jobId) }
      this.#acknowledge(channel, now, out)
      this.#foundBlock(block, message, share.hash, undefined, out, via)
    } else if (isForSource || source !== undefined) {
      const found = sourceShare(info, active.job, channel.leaseOf(jobId), message, share.hash, false, via)
      out.events.push({ _tag: "ShareForSource", channel: info, found })
    }
  }

  /** As `ChannelServer.touch`. */
  touch(): number {
    return this.#channels.size ^ this.#allowance.touch()
  }

  /** Keeps a share that is accepted for its acknowledgement. A batch of them is acknowledged at once. */
  accept(channel: Channel, share: ShareAccepted, now: number, out: ServerOutbox): void {
    if (channel.pendingCount === 0) this.#unacknowledged.push(channel)
    channel.accept(share)
    this.waiting++
    this.#onAccepted?.(share)
    if (channel.pendingCount >= this.#batchSize) this.#acknowledge(channel, now, out)
  }

  /** The source accepts shares. They are acknowledged as soon as all older shares of the channel have their verdicts. */
  acceptWaiting(channel: Channel, keys: ReadonlyArray<number>, now: number, out: ServerOutbox): void {
    for (const key of keys) channel.source!.accept(key)
    this.#release(channel, now, out)
  }

  /** The source refuses a share, which may be what later ones have waited for. */
  refuseWaiting(channel: Channel, refused: { key: number; errorCode: string }, now: number, out: ServerOutbox): void {
    const share = channel.source!.refuse(refused.key)
    if (share === undefined) return
    answerRefused(share, refused.errorCode, out)
    this.#release(channel, now, out)
  }

  /** Refuses all shares of a channel that wait for a verdict. A client that has closed the channel is not told (5.3.9). */
  endWaiting(channel: Channel, isTold: boolean, now: number, out: ServerOutbox): void {
    for (const share of channel.source?.refuseAll() ?? []) {
      if (isTold) answerRefused(share, NO_VERDICT, out)
      else out.events.push(refusedEvent(share, NO_VERDICT))
    }
    this.#release(channel, now, out)
  }

  /** Accepts the shares that have waited for verdicts on older ones only. */
  #release(channel: Channel, now: number, out: ServerOutbox): void {
    for (const share of channel.source?.takeAccepted() ?? []) this.accept(channel, share, now, out)
  }

  /** Acknowledges all accepted shares that came before a time. */
  acknowledge(now: number, out: ServerOutbox, before: number): void {
    const channels = this.#unacknowledged
    if (channels.length === 0) return
    for (const channel of channels) this.#acknowledge(channel, now, out, before)
    this.#unacknowledged = before === Infinity ? [] : channels.filter(({ pendingCount }) => pendingCount > 0)
  }

  /** Acknowledges accepted shares of a channel, and lets its difficulty follow them. */
  #acknowledge(channel: Channel, now: number, out: ServerOutbox, before = Infinity): void {
    const message = channel.takeAcknowledgement(out.events, before)
    if (message === undefined) return
    this.waiting -= message.newSubmitsAcceptedCount
    // A shell acknowledges nothing while nothing waits, so that the list would grow with each share.
    if (this.waiting === 0) this.#unacknowledged = []
    out.messages.push(message)
    if (channel.source === undefined) followWork(this.#state, channel, now, out)
  }

  /** Forgets a channel that is closed. */
  forget(channel: Channel): void {
    if (this.last === channel) this.last = undefined
  }

  /** Remembers one of `open` channels before it is closed, because its shares may still be blocks. */
  close(channel: Channel, open: number, now: number): void {
    this.#late.close(channel, open, now)
  }

  /** Call it every few seconds. */
  tick(now: number): void {
    this.#lateBlocks?.tick(now)
  }

  get #late(): LateBlocks {
    return (this.#lateBlocks ??= new LateBlocks(this.#state.context.policy.maxSharesPerSecond))
  }

  #foundBlock(
    { channel, job, lease }: LateBlock,
    message: Share,
    hash: Uint8Array,
    refusal: string | undefined,
    out: ServerOutbox,
    via?: Via
  ): void {
    const found = sourceShare(channel, job, lease, message, hash, true, via)
    out.events.push({
      _tag: "BlockFound",
      channel,
      refusal,
      height: job.height,
      hash: hashToDisplay(found.hash),
      found
    })
  }

  /** Refuses a share. If the share is a block nevertheless, reports the block. */
  #refuse(
    channel: Channel | undefined,
    message: Share,
    errorCode: string,
    now: number,
    out: ServerOutbox,
    isHashed = false
  ): void {
    const { channelId, sequenceNumber } = message
    out.messages.push({ _tag: "SubmitShares.Error", channelId, sequenceNumber, errorCode })
    out.events.push({
      _tag: "ShareRefused",
      connectionId: this.#state.id,
      channelId,
      channel: channel?.info,
      sequenceNumber,
      errorCode
    })
    const { channels, context } = this.#state
    // A hashed share is known to be no block here. If a duplicate is one, its first copy was reported.
    if (isHashed && !context.validator.isBlock) return
    if (errorCode === ErrorCode.submitShares.duplicateShare) return
    const source = channel?.source?.channel
    const placing = { validator: context.validator, jobs: channel?.jobs ?? context.jobs }
    const block = this.#late.find(message, channel, placing, channels.size, now)
    if (block === undefined) return
    const via = source === undefined ? undefined : { channel: source, key: undefined, message }
    this.#foundBlock(block, message, context.validator.hash.slice(), errorCode, out, via)
  }
}

/** Refuses a share that waited for its verdict. */
const answerRefused = (share: ShareAccepted, errorCode: string, out: ServerOutbox): void => {
  const { channel, sequenceNumber } = share
  out.messages.push({ _tag: "SubmitShares.Error", channelId: channel.channelId, sequenceNumber, errorCode })
  out.events.push(refusedEvent(share, errorCode))
}

/** The event for a share that waited for its verdict and is refused. */
const refusedEvent = ({ channel, sequenceNumber }: ShareAccepted, errorCode: string): ShareRefused => {
  const { channelId, connectionId } = channel
  return { _tag: "ShareRefused", connectionId, channelId, channel, sequenceNumber, errorCode }
}

const NO_EXTRANONCE = new Uint8Array(0)

const sourceShare = (
  { userIdentity }: ChannelInfo,
  job: Job,
  { prefix }: ExtranonceLease,
  message: Share,
  hash: Uint8Array,
  isBlock: boolean,
  via?: Via
): SourceShare => {
  const { nonce, ntime, version } = message
  const rolled = message._tag === "SubmitSharesExtended" ? message.extranonce : NO_EXTRANONCE
  const extranonce = new Uint8Array(prefix.length + rolled.length)
  extranonce.set(prefix)
  extranonce.set(rolled, prefix.length)
  const worker = workerOf(message)
  const share = { job, userIdentity, worker, version, ntime, nonce, extranonce, hash, isBlock }
  return via === undefined ? share : { ...share, via }
}

/** The worker that a share names, without control characters. */
const workerOf = (message: Share): string | undefined => {
  const worker = WorkerIdentity.UserIdentity.get(message)
  return worker === undefined ? undefined : printable(worker.userIdentity)
}
