/**
 * All upstreams of a proxy with a channel upstream for each miner, as one pure machine of `(event, now) -> messages and events`: their
 * sessions, the choice of the one in use, and the miners' channels, which go over to another upstream when the choice changes.
 */
import { NO_WORK_YET, type SourceChannel, type SourceShare } from "@sluice/channels"
import type { WorkSourceState } from "@sluice/mining-server"
import type { Mining } from "@sluice/protocol"
import type { ServerAddress } from "@sluice/transport"
import type { UpstreamEvent } from "../upstream/event.ts"
import { UpstreamFault } from "../upstream/fault.ts"
import type { PayoutCheck } from "../upstream/payout-check.ts"
import { UpstreamRoster, type UpstreamView } from "../upstream/roster.ts"
import { MinerChannel } from "./miner-channel.ts"
import { PerMinerSession, type SessionEvent } from "./session.ts"
import type { PerMinerWork } from "./work.ts"

export interface PerMinerMachineOptions {
  /** The preferred one first. */
  readonly upstreams: ReadonlyArray<{
    readonly server: ServerAddress
    /** Its address for people. */
    readonly name: string
    /** The identity upstream for that of a miner. */
    readonly identityOf: (identity: string) => string
  }>
  readonly work: PerMinerWork
  readonly firstJobId: number
  readonly returnAfterMs: number
  readonly silenceMs: number
  readonly idleMs: number
  readonly checkPayout: PayoutCheck | undefined
  /** Called when a miner's channel has messages for an upstream outside of a step: call `flush`. */
  readonly wake: () => void
}

type Request = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel
type Done = (result: SourceChannel | string) => void

/** How long a miner waits for the first upstream. */
const WAIT_MS = 30_000
/** The most requests for channels that one upstream is sent without an answer. */
const MAX_REQUESTS = 500

export class PerMinerMachine {
  readonly work: PerMinerWork
  readonly #options: PerMinerMachineOptions
  /** The sessions of the connections that are set up. */
  readonly #sessions: Array<PerMinerSession | undefined>
  readonly #roster: UpstreamRoster
  readonly #miners = new Set<MinerChannel>()
  /** Requests of miners without an answer. */
  readonly #opening = new Map<MinerChannel, { readonly done: Done; readonly at: number }>()
  /** Miners that need a channel at the upstream in use. */
  readonly #homeless = new Set<MinerChannel>()

  constructor(options: PerMinerMachineOptions) {
    this.#options = options
    this.work = options.work
    this.#sessions = options.upstreams.map(() => undefined)
    this.#roster = new UpstreamRoster(options)
  }

  /** The upstream in use, by its place in the list. */
  get active(): number | undefined {
    return this.#roster.choice.active
  }

  get state(): WorkSourceState {
    return this.#roster.state
  }

  /** The counts of an upstream, and whether it is connected. */
  upstream(index: number): UpstreamView {
    const session = this.#sessions[index]
    return { ...this.#roster.of(index), isOpen: session !== undefined, pending: session?.pendingCount ?? 0 }
  }

  takeEvents(): ReadonlyArray<UpstreamEvent> {
    this.flush()
    return this.#roster.takeEvents()
  }

  /** Sends what miners' channels have for their upstreams. */
  flush(): void {
    for (const [index, session] of this.#sessions.entries()) {
      const messages = session?.takeMessages() ?? []
      if (messages.length > 0) this.#roster.push({ _tag: "Send", index, messages })
    }
  }

  /** Requests a channel for a miner, at once or when there is an upstream. `done` gets the channel, or an error code. */
  open(request: Request, now: number, done: Done): MinerChannel {
    const miner = new MinerChannel(request, this.#options.firstJobId, {
      changed: () => this.work.waiting++,
      closed: (miner) => this.#forget(miner),
      wake: this.#options.wake
    })
    this.#miners.add(miner)
    this.#opening.set(miner, { done, at: now })
    this.#homeless.add(miner)
    this.#house(now)
    return miner
  }

  /** A connection is set up. */
  connected(index: number, setup: { readonly flags: number; readonly withWorkers: boolean }, now: number): void {
    const { checkPayout, upstreams } = this.#options
    const { identityOf } = upstreams[index]!
    this.#sessions[index] = new PerMinerSession({ ...setup, index, identityOf, checkPayout }, now)
    this.#roster.choice.ready(index, now)
    this.#settle(now)
  }

  /** Messages of one read. */
  received(index: number, messages: ReadonlyArray<Mining.ToClient>, now: number): void {
    const session = this.#sessions[index]
    if (session === undefined) return
    for (const event of session.receive(messages, now)) this.#follow(session, event, now)
    this.#settle(now)
  }

  /** The connection ended, or none could be made. */
  lost(index: number, reason: string, now: number): void {
    const session = this.#sessions[index]
    this.#sessions[index] = undefined
    this.#end(index, session, new UpstreamFault({ reason: "disconnected", message: reason }))
    this.#settle(now)
  }

  /** The connection could not be made at an address that Reconnect named: the next attempt is at the configured one. */
  forgetRedirect(index: number): void {
    this.#roster.forgetRedirect(index)
  }

  /** Call it every second. */
  tick(now: number): void {
    for (const [index, message] of this.#roster.silent(now)) {
      // An upstream without channels has nobody to send jobs to.
      if (this.#sessions[index]?.channelCount !== 0) this.fail(index, "silence", message, now)
    }
    for (const [index, session] of this.#sessions.entries()) {
      if (session === undefined) continue
      if (session.isSilent(now)) {
        this.fail(index, "open-refused", "it has not answered a request for a channel within 30 s", now)
      } else for (const event of session.expire(now)) this.#follow(session, event, now)
    }
    for (const [miner, { at }] of this.#opening) {
      if (now - at >= WAIT_MS && !miner.isRequested) this.#answer(miner, NO_WORK_YET)
    }
    for (const miner of this.#miners) miner.tick(now)
    this.#settle(now)
  }

  /** Ends a session for a reason that its messages do not show. */
  fail(index: number, reason: UpstreamFault["reason"], message: string, now: number): void {
    const session = this.#sessions[index]
    if (session === undefined || session.fault !== undefined) return
    this.#follow(session, { _tag: "Failed", fault: new UpstreamFault({ reason, message }) }, now)
    this.#settle(now)
  }

  /** Closes all channels: for a proxy that stops. */
  close(): void {
    for (const miner of this.#miners) miner.close("the proxy stops")
  }

  /** Passes shares on to the upstreams of their jobs. Without one, a share has its verdict at once. */
  submit(shares: ReadonlyArray<SourceShare>, now: number): void {
    for (const found of shares) this.#submit(found, now)
  }

  #submit(found: SourceShare, now: number): void {
    const miner = found.via?.channel
    if (!(miner instanceof MinerChannel)) throw new TypeError("a share came without its miner's channel")
    const index = miner.submit(found, now)
    if (index !== undefined) this.#roster.tallies[index]!.passedOn++
  }

  #follow(session: PerMinerSession, event: SessionEvent, now: number): void {
    const { index } = session
    switch (event._tag) {
      case "Opened":
        this.#answer(event.miner, event.miner)
        // Another upstream has come into use while this one opened the channel.
        if (index !== this.active) this.#homeless.add(event.miner)
        return
      case "OpenRefused":
        if (event.miner.isOpen) event.miner.end(event.errorCode)
        return this.#answer(event.miner, event.errorCode)
      case "Worked":
        return this.#roster.choice.worked(index, { job: event, prevHash: event.prevHash }, now)
      case "Accepted":
        return this.#roster.accepted(index, event)
      case "Refused":
        return this.#roster.refused(index, event.errorCode)
      case "Closed":
        return event.miner.end(event.reasonCode)
      case "Reconnect":
        return this.#reconnect(session, event, now)
      case "Failed":
        this.#end(index, session, event.fault)
        this.#roster.push({ _tag: "Failed", index, fault: event.fault })
    }
  }

  #reconnect(session: PerMinerSession, to: { readonly host: string; readonly port: number }, now: number): void {
    const end = this.#roster.redirect(session, to.host, to.port, now)
    if (end !== undefined) this.fail(session.index, ...end, now)
  }

  #end(index: number, session: PerMinerSession | undefined, fault: UpstreamFault): void {
    if (session !== undefined) {
      this.#roster.tallies[index]!.unanswered += session.pendingCount
      for (const miner of session.end(fault)) if (!miner.isClosed) this.#homeless.add(miner)
    }
    this.#roster.ended(index, session, fault.message)
  }

  /** Chooses the upstream to use, gives miners their channels there, and tells the state. */
  #settle(now: number): void {
    const choice = this.#roster.choice.choose(now)
    if (choice !== undefined) {
      this.#roster.push({ _tag: "Chosen", ...choice })
      for (const miner of this.#miners) this.#homeless.add(miner)
    }
    this.#house(now)
    const isWell = (session: PerMinerSession | undefined) => session !== undefined && session.fault === undefined
    this.#roster.tell(this.#inUse ?? this.#sessions.find(isWell))
  }

  /** Requests channels at the upstream in use for miners that need one there. */
  #house(now: number): void {
    const session = this.#inUse
    if (session === undefined) return
    for (const miner of this.#homeless) {
      if (session.requestCount >= MAX_REQUESTS) return
      this.#homeless.delete(miner)
      // An upstream that still owes an answer brings the miner back here with it.
      if (!miner.isClosed && !miner.isRequested && !miner.isAt(session)) session.open(miner, now)
    }
  }

  #answer(miner: MinerChannel, result: SourceChannel | string): void {
    const opening = this.#opening.get(miner)
    if (opening === undefined) return
    this.#opening.delete(miner)
    if (typeof result === "string") this.#forget(miner)
    opening.done(result)
  }

  #forget(miner: MinerChannel): void {
    this.#miners.delete(miner)
    this.#homeless.delete(miner)
    this.#opening.delete(miner)
  }

  get #inUse(): PerMinerSession | undefined {
    return this.active === undefined ? undefined : this.#sessions[this.active]
  }
}
