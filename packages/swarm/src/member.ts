/**
 * One connection of the swarm: opens its channels, follows their work, and tracks their shares. A pure machine around
 * `ChannelClient` of @sluice/channels: messages and the time in, frames out.
 */
import {
  ChannelClient,
  type ClientEvent,
  type ClientOutbox,
  Outbox,
  type PendingShare,
  type ChannelWork
} from "@sluice/channels"
import { ShareCheck } from "@sluice/core"
import { type FoundShare, merkleRootOf } from "@sluice/miner"
import { Mining } from "@sluice/protocol"
import { Schema } from "effect"
import { type Mined, SwarmChannel } from "./channel.ts"
import { badShare, type BadShare, GARBAGE, type PendingBadShare } from "./misbehaviour.ts"
import { requiresStandardJobs, type SwarmPlan } from "./options.ts"
import type { SwarmMessage } from "./swarm-dialer.ts"
import { count, type Tally } from "./tally.ts"

/** Shared by all members: it is emptied after each call of a client. */
const out: ClientOutbox = new Outbox()

/** The member must leave its connection: it was redirected, or it cannot go on. */
export class MemberEnded extends Schema.TaggedError<MemberEnded>("sluice/swarm/MemberEnded")("MemberEnded", {
  reason: Schema.Literals(["violation", "no-channel", "reconnect"]),
  message: Schema.String
}) {}

/** The address of the server's Reconnect. An empty host or port 0 mean the current one. */
export interface Redirect {
  readonly host: string
  readonly port: number
}

/** A channel of a member. */
export type MemberChannel = SwarmChannel<Member>

/** The part of the swarm that a member uses. */
export interface MemberHost {
  readonly plan: SwarmPlan
  readonly tally: Tally
  /** Called when a channel gets work, for the first time or again. */
  onWork(channel: MemberChannel, isFirst: boolean, now: number): void
}

export class Member {
  /** The member reads only once a minute. */
  readonly isSlow: boolean
  /** Why the member must leave its connection; undefined while it need not. */
  ended: MemberEnded | undefined = undefined
  redirect: Redirect | undefined = undefined
  /** The member has sent garbage, so the server is expected to end the connection. */
  sentGarbage = false
  isWriting = false
  readonly #userIdentity: string
  readonly #host: MemberHost
  readonly #client: ChannelClient
  readonly #channels = new Map<number, MemberChannel>()
  #messages: Array<SwarmMessage> = []
  /** A channel had work before the current batch of messages. */
  #isWorking = false
  /** The current batch has a new target, whose job is for one channel. */
  #isRetargeted = false

  /** `serverFlags` are the flags of SetupConnection.Success. `number` counts from 1. */
  constructor(number: number, serverFlags: number, isSlow: boolean, host: MemberHost) {
    const { plan } = host
    this.isSlow = isSlow
    this.#host = host
    this.#userIdentity = `${plan.user}.${number}`
    this.#client = new ChannelClient({
      requiresStandardJobs: requiresStandardJobs(plan),
      fixedVersion: (serverFlags & Mining.REQUIRES_FIXED_VERSION) !== 0
    })
    const { kind, nominalHashRate, server } = plan
    const minExtranonceSize = server.security._tag === "v1" ? MIN_V1_EXTRANONCE_SIZE : MIN_EXTRANONCE_SIZE
    const request = { userIdentity: this.#userIdentity, nominalHashRate, maxTarget: ANY_TARGET }
    for (let i = 0; i < plan.channels; i++) {
      if (kind === "standard") this.#client.openStandardChannel(request, out)
      else this.#client.openExtendedChannel({ ...request, minExtranonceSize }, out)
    }
    this.#sendAll()
  }

  get hasMessages(): boolean {
    return this.#messages.length > 0
  }

  /** Takes the messages to send, for one write. */
  takeMessages(): ReadonlyArray<SwarmMessage> {
    const messages = this.#messages
    this.#messages = []
    return messages
  }

  isOpen(channel: MemberChannel): boolean {
    return this.#channels.get(channel.client.channelId) === channel
  }

  receive(messages: ReadonlyArray<Mining.ToClient>, now: number): void {
    this.#client.receive(messages, now, out)
    for (const event of out.takeEvents()) this.#onEvent(event, now)
    this.#isWorking ||= this.#hasWork
    this.#isRetargeted = false
  }

  /** Submits a valid share, which the channel gives up. */
  submit(channel: MemberChannel, { share, work }: Mined, now: number): void {
    const { tally } = this.#host
    const { channelId, jobId } = share
    const sequenceNumber = this.#client.submit(channelId, share, now, out)
    if (sequenceNumber === undefined) {
      tally.tooLate++
      return
    }
    tally.submitted++
    channel.sent(share)
    if (channel.unacknowledged !== undefined) {
      const [userIdentity, hash] = [this.#userIdentity, hashOf(work, share)]
      channel.unacknowledged.set(sequenceNumber, { userIdentity, channelId, sequenceNumber, jobId, hash })
    }
    this.#sendAll()
  }

  /** Sends a bad share of this kind. Returns false if none can be made. */
  misbehave(channel: MemberChannel, bad: BadShare, now: number): boolean {
    const { tally } = this.#host
    if (bad === "garbage") {
      this.sentGarbage = true
      this.#messages.push(GARBAGE)
      tally.bad.garbage.sent++
      return true
    }
    const share = badShare(channel, bad)
    if (share === undefined) return false
    const { channelId } = channel.client
    const { extranonce, jobId, nonce, ntime, version } = share
    const sequenceNumber = channel.client.nextSequenceNumber()
    const pending: PendingBadShare = { sequenceNumber, jobId, submittedAt: now, bad }
    channel.client.pending.add(pending)
    const fields = { channelId, sequenceNumber, jobId, nonce, ntime, version }
    this.#send(
      channel.client.kind === "standard"
        ? { _tag: "SubmitSharesStandard", ...fields }
        : { _tag: "SubmitSharesExtended", ...fields, extranonce }
    )
    tally.bad[bad].sent++
    return true
  }

  /** Called when the connection has ended. */
  close(): void {
    for (const channel of this.#channels.values()) this.#forget(channel)
  }

  /** Encodes what the client has put into the outbox. */
  #sendAll(): void {
    for (const message of out.takeMessages()) this.#send(message)
  }

  #send(message: Mining.ToServer): void {
    this.#messages.push(message)
  }

  #onEvent(event: ClientEvent, now: number): void {
    const { plan, tally } = this.#host
    switch (event._tag) {
      case "ChannelOpened": {
        const channel = new SwarmChannel<Member>(
          this,
          this.#client.channels.get(event.channelId)!,
          plan.onAcknowledged !== undefined
        )
        this.#channels.set(event.channelId, channel)
        tally.channelsOpened++
        tally.channelsOpen++
        return
      }
      case "OpenRefused":
        count(tally.channelsRefused, event.errorCode)
        if (this.#channels.size === 0) {
          this.ended = new MemberEnded({ reason: "no-channel", message: `no channel: ${event.errorCode}` })
        }
        return
      case "ChannelClosed": {
        const channel = this.#channels.get(event.channelId)
        if (channel === undefined) return
        count(tally.channelsClosed, event.reasonCode)
        this.#forget(channel)
        if (this.#channels.size === 0) {
          this.ended = new MemberEnded({ reason: "no-channel", message: `the channel is closed: ${event.reasonCode}` })
        }
        return
      }
      case "JobReceived":
        // The ids of jobs are the connection's own, so jobs of two connections cannot be compared.
        if (plan.server.security._tag === "v1") return
        // Ignores jobs of a new channel or target: they do not measure how long a job takes to reach all connections.
        if (this.#isWorking && !this.#isRetargeted && tally.jobArrivals.record(event.jobId, now)) tally.jobs++
        return
      case "WorkChanged": {
        const channel = this.#channels.get(event.channelId)
        if (channel === undefined) return
        const isFirst = channel.work === undefined
        if (event.newPrevHash && !isFirst) {
          const key = Buffer.from(event.work.prevHash).toString("latin1")
          if (tally.prevHashArrivals.record(key, now)) tally.prevHashes++
        }
        channel.begin(event.work, event.newPrevHash, plan.sharesPerMinute)
        this.#host.onWork(channel, isFirst, now)
        return
      }
      case "TargetChanged":
        this.#isRetargeted = true
        return
      case "SharesAccepted": {
        const channel = this.#channels.get(event.channelId)
        tally.difficultySum += Number(event.difficultySum)
        for (const share of event.shares) {
          if (isBad(share)) {
            tally.bad[share.bad].accepted++
            continue
          }
          tally.accepted++
          if (!this.isSlow) tally.acknowledgement.record(now - share.submittedAt)
          const acknowledged = channel?.answered(share.sequenceNumber)
          if (acknowledged !== undefined) plan.onAcknowledged?.(acknowledged)
        }
        return
      }
      case "ShareRefused":
        if (isBad(event.share)) return
        count(tally.refused, event.errorCode)
        this.#channels.get(event.channelId)?.answered(event.share.sequenceNumber)
        return
      case "Reconnect":
        this.redirect = { host: event.host, port: event.port }
        this.ended = new MemberEnded({ reason: "reconnect", message: "the server sent Reconnect" })
        return
      case "ProtocolViolation":
        count(tally.violations, event.rule)
        this.ended = new MemberEnded({ reason: "violation", message: event.message })
        return
      default:
    }
  }

  get #hasWork(): boolean {
    for (const { work } of this.#channels.values()) if (work !== undefined) return true
    return false
  }

  #forget(channel: MemberChannel): void {
    const { tally } = this.#host
    this.#channels.delete(channel.client.channelId)
    tally.channelsOpen--
    if (channel.work !== undefined) tally.channelsWorking--
    tally.unanswered += channel.honestPending
  }
}

const ANY_TARGET = new Uint8Array(32).fill(0xff)
/** Bytes of extranonce to request: enough for a miner that also rolls nonce and version. */
const MIN_EXTRANONCE_SIZE = 4
/** V1 pools give 4 bytes to a connection, which all of its channels share. */
const MIN_V1_EXTRANONCE_SIZE = 2

const isBad = (share: PendingShare): share is PendingBadShare => "bad" in share

/** The header's hash, 64 hex digits in display order. */
const hashOf = (work: ChannelWork, { extranonce, nonce, ntime, version }: FoundShare): string => {
  const root = work._tag === "StandardWork" ? work.merkleRoot : merkleRootOf(check, work, extranonce)
  check.hash(version, work.prevHash, root, ntime, work.nbits, nonce)
  return Buffer.from(check.digest.toReversed()).toString("hex")
}

const check = new ShareCheck()
