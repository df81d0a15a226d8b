/**
 * All upstreams of a proxy with a channel upstream for each miner, as one pure machine of `(event, now) -> messages and events`: their
 * sessions, the choice of the one in use, and the miners' channels, which go over to another upstream when the choice changes.
 */
import { NO_WORK_YET, type SourceChannel, type SourceShare } from "@sluice/channels"
import type { WorkSourceState } from "@sluice/mining-server"
import type { Mining } from "@sluice/protocol"
import { formatEndpoint, type ServerAddress } from "@sluice/transport"
import { UpstreamChoice } from "../upstream/choice.ts"
import { UpstreamFault } from "../upstream/fault.ts"
import type { UpstreamEvent } from "../upstream/machine.ts"
import type { PayoutCheck } from "../upstream/payout-check.ts"
import { redirected } from "../upstream/redirect.ts"
import { UpstreamTally } from "../upstream/upstream-tally.ts"
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

interface Upstream {
  session: PerMinerSession | undefined
  /** Where it is connected, or will be the next time. */
  server: ServerAddress
  readonly tally: UpstreamTally
}

export class PerMinerMachine {
  readonly work: PerMinerWork
  readonly #options: PerMinerMachineOptions
  readonly #upstreams: ReadonlyArray<Upstream>
  readonly #choice: UpstreamChoice
  readonly #miners = new Set<MinerChannel>()
  /** Requests of miners without an answer. */
  readonly #opening = new Map<MinerChannel, { readonly done: Done; readonly at: number }>()
  /** Miners that need a channel at the upstream in use. */
  readonly #homeless = new Set<MinerChannel>()
  #state: WorkSourceState = { _tag: "Connecting" }
  #lastLoss: { readonly server: string; readonly reason: string } | undefined
  #events: Array<UpstreamEvent> = []

  constructor(options: PerMinerMachineOptions) {
    const { idleMs, returnAfterMs, silenceMs, upstreams, work } = options
    this.#options = options
    this.work = work
    this.#upstreams = upstreams.map(({ server }) => ({ session: undefined, server, tally: new UpstreamTally() }))
    this.#choice = new UpstreamChoice({ count: upstreams.length, returnAfterMs, silenceMs, idleMs })
  }

  /** The upstream in use, by its place in the list. */
  get active(): number | undefined {
    return this.#choice.active
  }

  get state(): WorkSourceState {
    return this.#state
  }

  /** The counts of an upstream, and whether it is connected. */
  upstream(index: number): Pick<Upstream, "tally" | "server"> & { readonly isOpen: boolean; readonly pending: number } {
    const { server, session, tally } = this.#upstreams[index]!
    return { server, tally, isOpen: session !== undefined, pending: session?.pendingCount ?? 0 }
  }

  takeEvents(): ReadonlyArray<UpstreamEvent> {
    this.flush()
    const events = this.#events
    this.#events = []
    return events
  }

  /** Sends what miners' channels have for their upstreams. */
  flush(): void {
    for (const [index, { session }] of this.#upstreams.entries()) {
      const messages = session?.takeMessages() ?? []
      if (messages.length > 0) this.#events.push({ _tag: "Send", index, messages })
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
    this.#upstreams[index]!.session = new PerMinerSession({ ...setup, index, identityOf, checkPayout }, now)
    this.#choice.ready(index, now)
    this.#settle(now)
  }

  /** Messages of one read. */
  received(index: number, messages: ReadonlyArray<Mining.ToClient>, now: number): void {
    const { session } = this.#upstreams[index]!
    if (session === undefined) return
    for (const event of session.receive(messages, now)) this.#follow(session, event, now)
    this.#settle(now)
  }

  /** The connection ended, or none could be made. */
  lost(index: number, reason: string, now: number): void {
    const upstream = this.#upstreams[index]!
    const { session } = upstream
    upstream.session = undefined
    this.#end(index, session, new UpstreamFault({ reason: "disconnected", message: reason }))
    this.#settle(now)
  }

  /** The connection could not be made at an address that Reconnect named: the next attempt is at the configured one. */
  forgetRedirect(index: number): void {
    this.#upstreams[index]!.server = this.#options.upstreams[index]!.server
  }

  /** Call it every second. */
  tick(now: number): void {
    for (const { index, newerAt, silentMs } of this.#choice.silent(now)) {
      // An upstream without channels has nobody to send jobs to.
      if (this.#upstreams[index]!.session?.channelCount === 0) continue
      const since =
        newerAt === undefined ? "" : `, and ${this.#options.upstreams[newerAt]!.name} has announced a new block since`
      this.fail(index, "silence", `it has sent no job for ${Math.round(silentMs / 1000)} s${since}`, now)
    }
    for (const [index, { session }] of this.#upstreams.entries()) {
      if (session?.isSilent(now) !== true) continue
      this.fail(index, "open-refused", "it has not answered a request for a channel within 30 s", now)
    }
    for (const [miner, { at }] of this.#opening) {
      if (now - at >= WAIT_MS && !miner.isRequested) this.#answer(miner, NO_WORK_YET)
    }
    for (const miner of this.#miners) miner.tick(now)
    this.#settle(now)
  }

  /** Ends a session for a reason that its messages do not show. */
  fail(index: number, reason: UpstreamFault["reason"], message: string, now: number): void {
    const { session } = this.#upstreams[index]!
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
    if (index !== undefined) this.#upstreams[index]!.tally.passedOn++
  }

  #follow(session: PerMinerSession, event: SessionEvent, now: number): void {
    const { index } = session
    const { tally } = this.#upstreams[index]!
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
        return this.#choice.worked(index, { job: event, prevHash: event.prevHash }, now)
      case "Accepted":
        tally.accepted += event.count
        tally.acceptedDifficulty += event.difficulty
        return
      case "Refused":
        tally.refuse(event.errorCode)
        this.#events.push({ _tag: "Refused", index, errorCode: event.errorCode })
        return
      case "Closed":
        return event.miner.end(event.reasonCode)
      case "Reconnect":
        return this.#reconnect(session, event.host, event.port, now)
      case "Failed":
        this.#end(index, session, event.fault)
        this.#events.push({ _tag: "Failed", index, fault: event.fault })
    }
  }

  /** Follows a Reconnect. It is a planned end, unless the upstream has sent the proxy here only just now. */
  #reconnect(session: PerMinerSession, host: string, port: number, now: number): void {
    const { index, openedAt } = session
    const upstream = this.#upstreams[index]!
    const to = redirected(upstream.server, host, port)
    if (to === undefined) {
      this.#events.push({ _tag: "RedirectIgnored", index, to: formatEndpoint({ host, port }) })
      return
    }
    upstream.server = to
    this.#events.push({ _tag: "Redirected", index, to })
    const reason = now - openedAt < this.#options.returnAfterMs ? "reconnect-again" : "reconnect"
    this.fail(index, reason, `it asked the proxy to connect to ${formatEndpoint(to)} (Reconnect)`, now)
  }

  #end(index: number, session: PerMinerSession | undefined, fault: UpstreamFault): void {
    if (session !== undefined) {
      this.#upstreams[index]!.tally.unanswered += session.pendingCount
      for (const miner of session.end(fault)) if (!miner.isClosed) this.#homeless.add(miner)
      this.#lastLoss = { server: this.#options.upstreams[index]!.name, reason: fault.message }
    }
    this.#choice.failed(index, session?.fault?.reason === "reconnect")
  }

  /** Chooses the upstream to use, gives miners their channels there, and tells the state. */
  #settle(now: number): void {
    const choice = this.#choice.choose(now)
    if (choice !== undefined) {
      this.#events.push({ _tag: "Chosen", ...choice })
      for (const miner of this.#miners) this.#homeless.add(miner)
    }
    this.#house(now)
    const isWell = ({ session }: Upstream) => session !== undefined && session.fault === undefined
    const session = this.#inUse ?? this.#upstreams.find(isWell)?.session
    const state: WorkSourceState =
      session !== undefined
        ? { _tag: "Connected", server: this.#options.upstreams[session.index]!.name }
        : this.#lastLoss === undefined
          ? { _tag: "Connecting" }
          : { _tag: "Disconnected", ...this.#lastLoss }
    if (isSameState(this.#state, state)) return
    this.#state = state
    this.#events.push({ _tag: "State", state })
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
    return this.active === undefined ? undefined : this.#upstreams[this.active]!.session
  }
}

const isSameState = (a: WorkSourceState, b: WorkSourceState): boolean =>
  a._tag === b._tag && ("server" in a ? a.server : "") === ("server" in b ? b.server : "")
