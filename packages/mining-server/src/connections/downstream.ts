/** One connection of a miner or a proxy: its channel server, and the messages that wait to be sent. */
import {
  type ChannelEvent,
  ChannelServer,
  type ChannelServerContext,
  NO_VERDICT,
  Outbox,
  type ServerOutbox,
  TOO_MANY_SHARES_PER_SECOND
} from "@sluice/channels"
import { ErrorCode, Mining, Protocol } from "@sluice/protocol"
import { TokenBucket, type Connection, type Rest } from "@sluice/transport"
import { Effect, Semaphore } from "effect"
import { type AcknowledgementRules, Acknowledgements } from "./acknowledgements.ts"
import { SendQueue } from "./send-queue.ts"
import type { TrafficLimits } from "./traffic.ts"
import type { Recording } from "../shares/share-sink.ts"
import type { Work, WorkGroup } from "../work-source/work-source.ts"

export type MiningConnection = Connection<Mining.ToServer, Mining.ToClient>

/** Why the server ends a connection: a reason for metrics, and a message for people. */
export interface Eviction {
  readonly reason: "no_channel" | "slow_reader" | "too_many_errors" | "no_templates" | "new_prefix" | "share_log"
  readonly message: string
}

export interface DownstreamOptions {
  readonly id: number
  readonly work: Work
  /** Makes the context of the channel server for connections of a group. */
  readonly contextFor: (group: WorkGroup) => ChannelServerContext
  /** Called with the events of each step of the channel server. */
  readonly onEvents: (events: ReadonlyArray<ChannelEvent>) => void
  /** Whether the client's firmware takes SetExtranoncePrefix. */
  readonly takesPrefixes: boolean
  readonly now: number
  readonly maxPendingBytes: number
  readonly limits: TrafficLimits
  readonly acknowledgements: AcknowledgementRules
  /** Called when acknowledgements begin to wait, and with `false` when none wait any more. */
  readonly onWaiting: (waits: boolean) => void
  /** Ends the connection. */
  readonly interrupt: () => void
  readonly late: LateReads
  /** Starts a write in the background. */
  readonly start: (write: Effect.Effect<void>) => void
}

/** What waits for its place in the order of messages: replies to a read whose shares are being recorded, or announcements behind them. */
export interface Held {
  readonly isAnnouncement: boolean
  /** Whether only what is before it is waited for. */
  isReady: boolean
  /** When it began to wait. */
  readonly since: number
  /** Queues the messages. */
  run(): void
  /** Queues all but acknowledgements, if recording takes long; `run` queues these later. */
  runEarly(): void
  /** Called in the place of `run` when the connection ends first. */
  drop(): void
}

/** Acknowledgements that are due before their shares are recorded. */
class HeldAcknowledgements implements Held {
  readonly isAnnouncement = false
  isReady = false
  readonly since: number
  readonly #messages: ReadonlyArray<Mining.ToClient>
  readonly #queue: SendQueue<Mining.ToClient>

  constructor(messages: ReadonlyArray<Mining.ToClient>, since: number, queue: SendQueue<Mining.ToClient>) {
    this.#messages = messages
    this.since = since
    this.#queue = queue
  }

  run(): void {
    for (const message of this.#messages) this.#queue.reply(message)
  }

  runEarly(): void {}

  drop(): void {}
}

/** Reads of one connection whose shares may be recorded at the same time; beyond that the server waits before it reads more. */
const MAX_HELD = 16
/** The same of all connections together that go on while their shares are recorded. */
const MAX_LATE = 100_000

/** The reads, of all connections that go on meanwhile, whose shares are being recorded. */
export interface LateReads {
  count: number
}

export class Downstream {
  readonly id: number
  readonly connection: MiningConnection
  readonly queue: SendQueue<Mining.ToClient>
  readonly openedAt: number
  /** Why the server ends the connection; undefined while it does not. */
  evicted: Eviction | undefined
  #machine: ChannelServer
  #group: WorkGroup
  /** How many changes of work were announced to the channel server. */
  #seen: number
  /** Replies that wait until shares are recorded, and what came behind them: nothing may overtake them. */
  #held: Array<Held> = []
  /** Whether recording takes long, so that only acknowledgements wait. */
  #isLate = false
  /** Whether the connection has ended, and nothing more is held or released. */
  #isEnded = false
  /** The reader, while it waits. */
  #waiter: { readonly mayGoOn: () => boolean; readonly resume: () => void } | undefined
  /** Whether `stepBeside` runs a step. */
  #isStepping = false
  readonly #out = new Outbox<Mining.ToClient, ChannelEvent>()
  readonly #options: DownstreamOptions
  /** `undefined` if no acknowledgement waits for company. */
  readonly #acknowledgements: Acknowledgements | undefined
  readonly #messages: TokenBucket
  /** Created on first use. */
  #errors: TokenBucket | undefined
  /** Created on first use. */
  #semaphore: Semaphore.Semaphore | undefined

  constructor(connection: MiningConnection, options: DownstreamOptions) {
    const { contextFor, id, limits, now, work } = options
    this.id = id
    this.connection = connection
    this.queue = new SendQueue(connection)
    this.openedAt = now
    this.#options = options
    this.#group = work.common
    this.#seen = work.changeCount
    this.#machine = new ChannelServer(id, connection.setup.flags, contextFor(work.common))
    this.#acknowledgements =
      connection.answersEach === true ? undefined : new Acknowledgements(options.acknowledgements)
    this.#messages = new TokenBucket(limits.maxMessagesPerSecond, now)
  }

  get machine(): ChannelServer {
    return this.#machine
  }

  /** The group whose jobs the connection mines. */
  get group(): WorkGroup {
    return this.#group
  }

  /** Moves a connection without channels to another group. */
  moveTo(group: WorkGroup): void {
    const { contextFor, work } = this.#options
    this.#group = group
    this.#seen = work.changeCount
    this.#machine = new ChannelServer(this.id, this.connection.setup.flags, contextFor(group))
  }

  /** Counts messages of the peer, and returns how many milliseconds to wait before reading from it again. */
  slowDown(count: number, now: number): number {
    return this.#messages.take(count, now)
  }

  /**
   * Announces the latest changes of work to the channel server, then runs the step and returns its events. Messages wait for
   * `send`, or for `takeReplies` and then `reply` or `release`.
   */
  run(step: (machine: ChannelServer, out: ServerOutbox) => void): ReadonlyArray<ChannelEvent> {
    this.#catchUp()
    if (this.#out.messages.length > 0 && this.mustHold()) {
      const messages = this.#takeMessages()
      const run = () => this.#announce(messages)
      this.#held.push({ run, runEarly: run, drop: run, since: Infinity, isAnnouncement: true, isReady: true })
    }
    step(this.#machine, this.#out)
    const events = this.#out.events.length === 0 ? NO_EVENTS : this.#out.takeEvents()
    this.#options.onEvents(events)
    return events
  }

  /** Takes the messages of the last step, so that `send` does not send them. */
  takeReplies(): ReadonlyArray<Mining.ToClient> {
    return this.#out.messages.length === 0 ? NO_MESSAGES : this.#takeMessages()
  }

  /** When the first acknowledgement that waits came. */
  get acknowledgedSince(): number {
    return this.#acknowledgements?.since ?? Infinity
  }

  /**
   * Queues the replies to a read. If they are acknowledgements and nothing else, they may wait for others, unless `isUrgent`.
   */
  replyToRead(replies: ReadonlyArray<Mining.ToClient>, now: number, isUrgent: boolean): void {
    const acknowledgements = this.#acknowledgements
    if (acknowledgements === undefined || !replies.every(isAcknowledgement)) return this.reply(replies, now)
    if (replies.length > 0 && acknowledgements.add(replies, now)) {
      if (!isUrgent) return this.#options.onWaiting(true)
    }
    this.acknowledge()
  }

  /**
   * Adds acknowledgements of shares that are being recorded to those that wait for company; if they may not wait, for the recording alone.
   * Returns false, and does not add them, if there are other replies or some are held already.
   */
  acknowledgeLater(
    replies: ReadonlyArray<Mining.ToClient>,
    now: number,
    isUrgent: boolean,
    recording: Recording
  ): boolean {
    const acknowledgements = this.#acknowledgements
    const areAll = replies.length > 0 && replies.every(isAcknowledgement)
    // Those that wait go first.
    if (!areAll || acknowledgements?.areOf(recording) === false) this.acknowledge()
    if (acknowledgements === undefined || !areAll || this.#held.length > 0) return false
    if (acknowledgements.add(replies, now, recording) && !isUrgent) this.#options.onWaiting(true)
    else this.acknowledge()
    return true
  }

  /** Queues the acknowledgements that wait; holds those whose shares are being recorded. */
  acknowledge(): void {
    const acknowledgements = this.#acknowledgements
    if (acknowledgements === undefined || acknowledgements.isEmpty) return
    this.#options.onWaiting(false)
    const { openSince, recording } = acknowledgements
    for (const message of acknowledgements.take()) this.queue.reply(message)
    const open = acknowledgements.takeOpen()
    if (open.length === 0) return
    const held = new HeldAcknowledgements(open, openSince, this.queue)
    this.hold(held)
    this.releaseAfter(recording, held)
  }

  /** Sends the acknowledgements that wait. */
  sendAcknowledgements(): void {
    this.acknowledge()
    this.#drain()
  }

  /** Queues replies to the peer. Evicts a peer that causes too many errors. */
  reply(replies: ReadonlyArray<Mining.ToClient>, now: number): void {
    if (replies.length > 0) this.acknowledge()
    let errors = 0
    for (const message of replies) {
      if (isError(message)) errors++
      this.queue.reply(message)
    }
    if (errors === 0) return
    const { maxErrorsPerSecond } = this.#options.limits
    this.#errors ??= new TokenBucket(maxErrorsPerSecond, now)
    if (this.#errors.take(errors, now) > 0) {
      const message = `more than ${maxErrorsPerSecond} of its messages a second cause errors (maxErrorsPerSecond)`
      this.evict({ reason: "too_many_errors", message })
    }
  }

  /**
   * As `reply`, for messages that the source of work caused. Those that are no answers count as announcements, whether the peer
   * reads or not.
   */
  pass(messages: ReadonlyArray<Mining.ToClient>, now: number): void {
    this.reply(messages.filter(isAnswer), now)
    this.#announce(messages.filter((message) => !isAnswer(message)))
    this.#drain()
  }

  /**
   * Runs an exchange when the one before it is complete: the reader of the connection and the source of work both cause some, where
   * channels are the source's.
   */
  oneByOne<A, E>(exchange: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return (this.#semaphore ??= Semaphore.makeUnsafe(1)).withPermits(1)(Effect.suspend(exchange))
  }

  /** Keeps a place in the order of messages: what comes later waits behind it, announcements too, until `release`. */
  hold(held: Held): void {
    this.#held.push(held)
    if (!this.#isLate) return
    this.#options.late.count++
    held.runEarly()
  }

  /** Queues what is held, when everything before is queued. */
  release(held: Held): void {
    held.isReady = true
    if (!this.#isEnded) this.#release()
  }

  /** Releases what is held when its shares are recorded. */
  releaseAfter(recording: Recording, held: Held): void {
    recording.onEnd((failure) => {
      if (failure !== undefined) return
      try {
        this.release(held)
      } catch (defect) {
        // The sink goes on with the shares of others.
        this.evict({ reason: "share_log", message: `a defect behind a share: ${String(defect)}` })
      }
    })
  }

  /** Whether something waits until shares are recorded. */
  get hasHeld(): boolean {
    return this.#held.length > 0
  }

  /**
   * Whether all messages wait for those before them. Acknowledgements whose shares are being recorded stop to wait for company, because
   * something comes behind them.
   */
  mustHold(): boolean {
    if (this.#acknowledgements?.hasOpen === true) this.acknowledge()
    return this.#isHolding
  }

  get #isHolding(): boolean {
    return this.#held.length > 0 && !this.#isLate
  }

  /**
   * If replies have waited since then, sends everything but acknowledgements from now on until all shares are recorded, and the server
   * reads on: new work and blocks must not wait for a full disk.
   */
  goOn(since: number): void {
    if (this.#acknowledgements?.hasOpen === true && this.#acknowledgements.openSince <= since) this.acknowledge()
    const held = this.#held
    if (this.#isLate || held.length === 0 || held[0]!.since > since) return
    this.#isLate = true
    this.#held = held.filter(({ isAnnouncement }) => !isAnnouncement)
    this.#options.late.count += this.#held.length
    for (const one of held) one.runEarly()
    this.send()
    this.#drain()
    this.#resumeReader()
  }

  #release(): void {
    while (this.#held[0]?.isReady === true) {
      const held = this.#held.shift()!
      if (this.#isLate) this.#options.late.count--
      held.run()
    }
    if (this.#held.length === 0) {
      this.#isLate = false
      this.send()
    }
    if (!this.#isHolding) this.#drain()
    this.#resumeReader()
  }

  /** Waits while shares of too many reads are being recorded; undefined if they are not. */
  get room(): Rest<never> {
    return this.#hasRoom ? undefined : this.#wait(() => this.#hasRoom)
  }

  get #hasRoom(): boolean {
    return this.#isLate ? this.#options.late.count < MAX_LATE : this.#held.length < MAX_HELD
  }

  /** Waits until the shares of all reads are recorded. */
  get released(): Effect.Effect<void> {
    return this.#held.length === 0 ? Effect.void : this.#wait(() => this.#held.length === 0)
  }

  #wait(mayGoOn: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.#waiter = { mayGoOn, resume: () => resume(Effect.sync(() => (this.#waiter = undefined))) }
      return Effect.sync(() => (this.#waiter = undefined))
    })
  }

  #resumeReader(): void {
    if (this.#waiter?.mayGoOn() === true) this.#waiter.resume()
  }

  /** Queues the announcements that wait behind replies, which are not sent: for a connection that ends before they may be. */
  dropReplies(): void {
    const held = this.#held
    this.#held = []
    if (this.#isLate) this.#options.late.count -= held.length
    this.#isLate = false
    this.#isEnded = true
    for (const one of held) one.drop()
    this.#announce(this.#takeMessages())
  }

  /**
   * Sends announcements: changes of work and other messages that the peer did not ask for. It does not wait for the write; if the
   * write fails, the connection's reader fails too and says why. Evicts a peer for which too many bytes wait.
   */
  send(): void {
    // Also while the messages wait: the source remembers only its latest changes.
    this.#catchUp()
    if (this.#out.messages.length > 0) {
      if (this.mustHold()) return
      this.#announce(this.#takeMessages())
    } else if (this.#isHolding) return
    if (this.queue.announcedBytes > 0) this.#drain()
  }

  /** Sends a message behind those of the channel server. */
  sendMessage(message: Mining.ToClient): void {
    this.#out.messages.push(message)
    this.send()
  }

  evict(eviction: Eviction): void {
    if (this.evicted !== undefined) return
    this.evicted = eviction
    if (!this.#isStepping) this.#options.interrupt()
  }

  /**
   * Runs a step of the connection's reader outside of its fiber. If the step evicts the peer, the fiber ends after it and not in the
   * middle of it.
   */
  stepBeside<E>(step: () => Rest<E>): Rest<E> {
    this.#isStepping = true
    try {
      const rest = step()
      return this.evicted === undefined
        ? rest
        : Effect.andThen(Effect.sync(this.#options.interrupt), rest ?? Effect.void)
    } finally {
      this.#isStepping = false
    }
  }

  /** Writes at once, or else in the background. */
  #drain(): void {
    if (!this.queue.drainNow()) this.#options.start(this.queue.drainBeside)
  }

  #announce(messages: ReadonlyArray<Mining.ToClient>): void {
    const { announcedBytes } = this.queue
    if (announcedBytes > this.#options.maxPendingBytes) {
      this.evict({
        reason: "slow_reader",
        message: `it does not read: ${announcedBytes} bytes wait for it (maxPendingBytes)`
      })
    }
    if (messages.length > 0) this.acknowledge()
    for (const message of messages) this.queue.announce(message, encodedSize(message))
  }

  /** Takes the messages that wait. Evicts a client that cannot be told of its new prefix, and leaves it its answers. */
  #takeMessages(): ReadonlyArray<Mining.ToClient> {
    const messages = this.#out.takeMessages()
    if (this.#options.takesPrefixes || !this.#missesNewPrefix) return messages
    const from = messages.findIndex(({ _tag }) => _tag === "SetExtranoncePrefix")
    if (from < 0) return messages
    const message = "its work has another extranonce prefix now, which its firmware does not take: it must reconnect"
    this.evict({ reason: "new_prefix", message })
    return messages.filter((message, index) => index < from || isAnswer(message))
  }

  /** Whether the client makes coinbases with prefixes, but cannot be told of a new one. */
  get #missesNewPrefix(): boolean {
    if (this.#options.takesPrefixes || this.#machine.channelCount === 0) return false
    return (this.connection.setup.flags & Mining.REQUIRES_STANDARD_JOBS) === 0
  }

  #catchUp(): void {
    const { work } = this.#options
    if (this.#seen === work.changeCount) return
    for (const change of work.changesSince(this.#group, this.#seen)) {
      if (change._tag !== "Ignored") this.#machine.announce(change, this.#out)
    }
    this.#seen = work.changeCount
  }
}

const { encodedSize } = Protocol.forwarding(Mining.protocol).toClient
const NO_EVENTS: ReadonlyArray<ChannelEvent> = []
const NO_MESSAGES: ReadonlyArray<Mining.ToClient> = []

export const isAcknowledgement = (message: Mining.ToClient): message is Mining.SubmitSharesSuccess =>
  message._tag === "SubmitShares.Success"

/** Whether the message answers one of the peer's. */
const isAnswer = ({ _tag }: Mining.ToClient): boolean => _tag.endsWith(".Success") || _tag.endsWith(".Error")

/** Stale shares and too many shares are no mistakes: honest peers send them. */
const NO_MISTAKES: ReadonlySet<string> = new Set([
  ErrorCode.submitShares.staleShare,
  TOO_MANY_SHARES_PER_SECOND,
  NO_VERDICT
])

/** Whether the message answers a mistake of the peer. */
const isError = (message: Mining.ToClient): boolean => {
  switch (message._tag) {
    case "SubmitShares.Error":
      return !NO_MISTAKES.has(message.errorCode)
    case "SetCustomMiningJob.Error":
      // The client may have had the message on its way when the new block came.
      return message.errorCode !== ErrorCode.setCustomMiningJob.staleChainTip
    case "OpenMiningChannel.Error":
    case "UpdateChannel.Error":
      return true
    default:
      return false
  }
}
