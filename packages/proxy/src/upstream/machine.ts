/**
 * All upstreams of a proxy as one pure machine of `(event, now) -> messages and events`: their sessions, the choice of the one in
 * use, the work for the miners below, and the shares for each. A share goes to the upstream whose job it is for, and to no other.
 */
import type { ExtranonceSpace, SourceShare } from "@sluice/channels"
import type { DownstreamLoad, WorkSourceState } from "@sluice/mining-server"
import type { Mining } from "@sluice/protocol"
import type { ServerAddress } from "@sluice/transport"
import type { Choice } from "./choice.ts"
import type { UpstreamEvent } from "./event.ts"
import { UpstreamFault } from "./fault.ts"
import { LoadReport } from "./load-report.ts"
import type { PayoutCheck } from "./payout-check.ts"
import { UpstreamRoster, type UpstreamView } from "./roster.ts"
import { type SessionOptions, UpstreamSession } from "./session.ts"
import type { KeptShare, SessionEvent, SourceSession } from "./source-session.ts"
import { LEAST_SALT, originOf } from "./upstream-job.ts"
import type { UpstreamTally } from "./upstream-tally.ts"
import { UpstreamWork } from "./upstream-work.ts"

export interface UpstreamMachineOptions {
  /** The preferred one first. */
  readonly upstreams: ReadonlyArray<{
    readonly server: ServerAddress
    /** Its address for people. */
    readonly name: string
    readonly userIdentity: string
    /** Makes the session of a new connection; by default one that mines the upstream's jobs. */
    readonly makeSession?: (options: SessionOptions, now: number) => SourceSession
  }>
  readonly space: ExtranonceSpace
  readonly firstJobId: number
  readonly returnAfterMs: number
  readonly silenceMs: number
  readonly idleMs: number
  /** As in `ChoiceOptions`. */
  readonly isOwn?: (index: number) => boolean
  /** While there is no new job, miners get the present one again so often. */
  readonly repeatAfterMs: number
  readonly checkPayout: PayoutCheck | undefined
}

/** How long an upstream may take to open the channel. */
const OPEN_TIMEOUT_MS = 10_000
/** A channel that states less than the hash rate divided by this is replaced when its upstream takes over. */
const LARGE_FACTOR = 2
/** The most shares that wait for the connection of an upstream. */
const MAX_KEPT = 1_000

/** What the setup of a connection has settled. */
export interface UpstreamSetup {
  /** The flags of SetupConnection.Success. */
  readonly flags: number
  /** Whether shares carry the worker's name (extension 0x0002). */
  readonly withWorkers: boolean
}

interface Upstream {
  /** The setup of the present connection. */
  setup: UpstreamSetup | undefined
  session: SourceSession | undefined
  kept: Array<KeptShare>
  readonly tally: UpstreamTally
}

export class UpstreamMachine {
  readonly work: UpstreamWork
  readonly #options: UpstreamMachineOptions
  readonly #upstreams: ReadonlyArray<Upstream>
  readonly #roster: UpstreamRoster
  readonly #load = new LoadReport()
  #serial = 0

  constructor(options: UpstreamMachineOptions) {
    const { firstJobId, space, upstreams } = options
    this.#options = options
    this.work = new UpstreamWork({ space, firstJobId })
    const roster = (this.#roster = new UpstreamRoster(options))
    this.#upstreams = upstreams.map((_, index) => ({
      setup: undefined,
      session: undefined,
      kept: [],
      tally: roster.of(index).tally
    }))
  }

  /** The upstream in use, by its place in the list. */
  get active(): number | undefined {
    return this.#roster.choice.active
  }

  get state(): WorkSourceState {
    return this.#roster.state
  }

  /** The counts of an upstream, and whether its channel is open. */
  upstream(index: number): UpstreamView {
    const { session } = this.#upstreams[index]!
    return { ...this.#roster.of(index), isOpen: session?.isOpen ?? false, pending: session?.pendingCount ?? 0 }
  }

  /** The events since the last call. */
  takeEvents(): ReadonlyArray<UpstreamEvent> {
    return this.#roster.takeEvents()
  }

  /** A connection is set up: asks for its channel. */
  connected(index: number, setup: UpstreamSetup, now: number): void {
    this.#upstreams[index]!.setup = setup
    // An upstream in reserve has no miners.
    this.#open(index, setup, this.active === undefined ? this.#load.hashRate : 0, now)
  }

  /** Messages of one read. */
  received(index: number, messages: ReadonlyArray<Mining.ToClient>, now: number): void {
    const { session } = this.#upstreams[index]!
    if (session !== undefined) this.deliver(session, session.receive(messages, now), now)
  }

  /** Follows the events of a session, unless another one has taken its place. */
  deliver(session: SourceSession, events: ReadonlyArray<SessionEvent>, now: number): void {
    if (this.#upstreams[session.index]!.session !== session) return
    for (const event of events) this.#follow(session, event, now)
    this.#send(session)
    this.#settle(now)
  }

  /** Whether an upstream has failed since the start. */
  hasFailed(index: number): boolean {
    return this.#roster.choice.hasFailed(index)
  }

  /** The present session of an upstream. */
  session(index: number): SourceSession | undefined {
    return this.#upstreams[index]!.session
  }

  /** Puts a session that has no connection into the list. */
  attach(session: SourceSession): void {
    this.#upstreams[session.index]!.session = session
  }

  /** The connection ended, or none could be made. */
  lost(index: number, reason: string, now: number): void {
    const upstream = this.#upstreams[index]!
    const { session } = upstream
    upstream.session = undefined
    if (session !== undefined) {
      this.#end(session, new UpstreamFault({ reason: "disconnected", message: reason }))
    }
    this.#roster.ended(index, session, reason)
    this.#settle(now)
  }

  /** The connection could not be made at an address that Reconnect named: the next attempt is at the configured one. */
  forgetRedirect(index: number): void {
    this.#roster.forgetRedirect(index)
  }

  /** Call it every second. */
  tick(now: number): void {
    const { repeatAfterMs } = this.#options
    for (const [index, message] of this.#roster.silent(now)) this.fail(index, "silence", message, now)
    for (const [index, { session }] of this.#upstreams.entries()) {
      if (session === undefined || session.fault !== undefined || session.isOpen) continue
      if (now - session.openedAt < OPEN_TIMEOUT_MS) continue
      this.fail(index, "open-refused", `it has opened no channel within ${OPEN_TIMEOUT_MS / 1000} s`, now)
    }
    if (this.active !== undefined && this.#load.due(now) !== undefined) this.#stateRate()
    if (now - this.work.announcedAt >= repeatAfterMs && this.work.waiting === 0) this.work.repeat()
    this.#settle(now)
  }

  /** Ends a session for a reason that its messages do not show. */
  fail(index: number, reason: UpstreamFault["reason"], message: string, now: number): void {
    const { session } = this.#upstreams[index]!
    if (session === undefined || session.fault !== undefined) return
    const fault = new UpstreamFault({ reason, message })
    session.fail(fault)
    this.deliver(session, [{ _tag: "Failed", fault }], now)
  }

  /** Takes the load of the server below. */
  observe(load: DownstreamLoad, now: number): void {
    this.#load.observe(load)
    if (this.active !== undefined && this.#load.due(now) !== undefined) this.#stateRate()
  }

  /** Passes shares on to the upstreams of their jobs, or keeps them until those upstreams are connected again. */
  submit(shares: ReadonlyArray<SourceShare>, now: number): void {
    for (const found of shares) this.#submit(found, now)
    for (const { session } of this.#upstreams) if (session !== undefined) this.#send(session)
  }

  #submit(found: SourceShare, now: number): void {
    const { job, session: origin } = originOf(found.job)
    const upstream = this.#upstreams[origin.index]!
    const { session, tally } = upstream
    if (session === origin && session.fault === undefined) return tally.submitted(session.submit(found, now))
    const placed = origin.placedOf(job)
    if (placed === undefined) tally.late++
    else if (session?.current === undefined) this.#keep(upstream, { found, placed })
    else tally.submitted(session.resubmit({ found, placed }, now))
  }

  /** Closes all channels: for a proxy that stops. */
  close(): void {
    for (const { session } of this.#upstreams) {
      if (session === undefined) continue
      session.close("the proxy stops")
      this.#send(session)
    }
  }

  #follow(session: SourceSession, event: SessionEvent, now: number): void {
    const { index } = session
    const upstream = this.#upstreams[index]!
    switch (event._tag) {
      case "Opened":
        this.#roster.push({ _tag: "Opened", index })
        return
      case "FutureJob":
        this.#roster.choice.heard(index, now)
        if (this.#isMinedFor(index, event.isUnproven)) this.work.add({ _tag: "FutureJob", session, job: event.job })
        return
      case "NewJob":
      case "NewPrevHash":
        if (event.isUnproven !== true) this.#roster.choice.worked(index, event.placed, now)
        if (this.#isMinedFor(index, event.isUnproven))
          this.work.add({ _tag: event._tag, session, placed: event.placed })
        return this.#sendKept(upstream, session, now)
      case "Proven":
        return this.#roster.choice.worked(index, event.placed, now)
      case "Unwell":
        this.#roster.push({ _tag: "Unwell", index, message: event.message })
        return this.#roster.ended(index, session, event.message)
      case "KeptSent":
        upstream.tally.passedOn += event.count
        return
      case "KeptLost":
        upstream.tally.lost += event.count
        return
      case "Accepted":
        return this.#roster.accepted(index, event)
      case "Refused":
        return this.#roster.refused(index, event.errorCode)
      case "Reconnect":
        return this.#reconnect(session, event, now)
      case "Failed":
        this.#roster.ended(index, session, event.fault.message)
        this.#roster.push({ _tag: "Failed", index, fault: event.fault })
    }
  }

  #open(index: number, setup: UpstreamSetup, nominalHashRate: number, now: number): void {
    const { checkPayout, space, upstreams } = this.#options
    const { makeSession, userIdentity } = upstreams[index]!
    const extranonceSize = space.fullSize + LEAST_SALT
    const serial = ++this.#serial
    const isReplacing = this.#upstreams[index]!.session !== undefined
    const make = makeSession ?? ((options: SessionOptions) => new UpstreamSession(options, now))
    const session = make(
      { ...setup, index, serial, userIdentity, extranonceSize, nominalHashRate, checkPayout, isReplacing },
      now
    )
    this.#upstreams[index]!.session = session
    this.#send(session)
  }

  #reconnect(session: SourceSession, to: { readonly host: string; readonly port: number }, now: number): void {
    const end = this.#roster.redirect(session, to.host, to.port, now)
    if (end !== undefined) this.fail(session.index, ...end, now)
  }

  /** Chooses the upstream to use, and tells the state. */
  #settle(now: number): void {
    const choice = this.#roster.choice.choose(now)
    if (choice !== undefined) this.#change(choice, now)
    const session = this.#sessionInUse() ?? this.#upstreams.find(({ session }) => session?.isOpen)?.session
    this.#roster.tell(session)
  }

  #change({ index, why }: Choice, now: number): void {
    const { setup } = this.#upstreams[index]!
    const session = this.#upstreams[index]!.session!
    this.#roster.push({ _tag: "Chosen", index, why })
    // Upstreams in reserve have no miners.
    for (const { session } of this.#upstreams) {
      if (session === undefined || session.index === index) continue
      session.update(0)
      session.use(false, now)
      this.#send(session)
    }
    const rate = this.#load.state(now)
    if (rate > session.statedRate * LARGE_FACTOR && !session.keepsChannel) {
      return this.#openAnother(session, setup!, now)
    }
    this.work.begin(session)
    this.#stateRate()
    this.deliver(session, session.use(true, now), now)
  }

  /**
   * Puts a channel with the hash rate of all miners in the place of a reserve's, which states none and so has far too easy a target:
   * another target would hold for later jobs only (5.3.21), and shares for the present one would be credited with next to nothing.
   */
  #openAnother(session: SourceSession, setup: UpstreamSetup, now: number): void {
    const { index } = session
    session.close("another channel for the hash rate of all miners takes its place")
    this.#send(session)
    this.#end(session, new UpstreamFault({ reason: "replaced", message: "another channel took its place" }))
    this.#open(index, setup, this.#load.hashRate, now)
  }

  #stateRate(): void {
    const session = this.#sessionInUse()
    if (session === undefined) return
    session.update(this.#load.hashRate)
    this.#send(session)
  }

  #sessionInUse(): SourceSession | undefined {
    return this.active === undefined ? undefined : this.#upstreams[this.active]!.session
  }

  /** Whether miners mine this upstream's jobs: while none can be used, they get those of the last one. */
  #isMinedFor(index: number, isUnproven = false): boolean {
    return isUnproven ? this.#roster.choice.last === index : this.active === index
  }

  /** Ends a session whose connection or channel is no more. Shares that it has kept wait for the next one. */
  #end(session: SourceSession, fault: UpstreamFault): void {
    const upstream = this.#upstreams[session.index]!
    upstream.tally.unanswered += session.pendingCount
    for (const share of session.takeKept()) this.#keep(upstream, share)
    session.fail(fault)
  }

  #keep({ kept, tally }: Upstream, share: KeptShare): void {
    kept.push(share)
    if (kept.length <= MAX_KEPT) return
    kept.shift()
    tally.lost++
  }

  /** Sends the shares that waited for this upstream, as far as a job of the new session has the same headers. */
  #sendKept(upstream: Upstream, session: SourceSession, now: number): void {
    if (upstream.kept.length === 0) return
    const kept = upstream.kept
    upstream.kept = []
    let lost = 0
    for (const share of kept) {
      const submitted = session.resubmit(share, now)
      upstream.tally.submitted(submitted)
      if (submitted === undefined) lost++
    }
    this.#send(session)
    this.#roster.push({ _tag: "KeptShares", index: session.index, sent: kept.length - lost, lost })
  }

  #send(session: SourceSession): void {
    if (!session.hasMessages) return
    this.#roster.push({ _tag: "Send", index: session.index, messages: session.takeMessages() })
  }
}
