/** One connection of a miner or a proxy: its channel server, and the messages that wait to be sent. */
import { type ChannelEvent, ChannelServer, type ChannelServerContext, type ServerOutbox } from "@sluice/channels"
import { Mining, Protocol } from "@sluice/protocol"
import { TokenBucket, type Connection, type ConnectionError, type Receiver, type Rest } from "@sluice/transport"
import { Effect, Semaphore } from "effect"
import type { AcknowledgementRules } from "./acknowledgements.ts"
import { type Held, HeldQueue, HeldStep, isAccepted, type Step } from "./held-step.ts"
import { Recordings } from "./recordings.ts"
import { isAcknowledgement, isAnswer, isError } from "./replies.ts"
import { SendQueue } from "./send-queue.ts"
import { borrow, giveBack } from "./step-outbox.ts"
import type { TrafficLimits } from "./traffic.ts"
import type { MiningServerEvent } from "../event.ts"
import { Recording, type ShareSinkError } from "../shares/share-sink.ts"
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
  /** Answers a read. Returns what has to be waited for. */
  readonly onBatch: (downstream: Downstream, batch: ReadonlyArray<Mining.ToServer>) => Rest<ReadFailure>
  /** Called with the events of each step of the channel server. */
  readonly onEvents: (events: ReadonlyArray<ChannelEvent>) => void
  /** Whether the client's firmware takes SetExtranoncePrefix. */
  readonly takesPrefixes: boolean
  readonly now: () => number
  readonly maxPendingBytes: number
  readonly limits: TrafficLimits
  readonly acknowledgements: AcknowledgementRules
  /** Called when acknowledgements begin to wait, and with `false` when none wait any more. */
  readonly onWaiting: (waits: boolean) => void
  /** Tells statistics and subscribers of events. Returns `Effect.void` itself if there is nothing to wait for. */
  readonly tell: (events: ReadonlyArray<MiningServerEvent>) => Effect.Effect<unknown>
  /** Leaves out shares that could not be recorded. */
  readonly withoutLost: (events: ReadonlyArray<MiningServerEvent>) => ReadonlyArray<MiningServerEvent>
  /** Ends the connection. */
  readonly interrupt: () => void
  readonly late: LateReads
  /** Starts a write in the background. */
  readonly start: (write: Effect.Effect<void>) => void
}

/** Messages are counted together, this part of a second's worth at once: the limit lets those of ten seconds pass. */
const COUNTED_TOGETHER = 0.005
/** Reads of one connection whose shares may be recorded at the same time; beyond that the server waits before it reads more. */
const MAX_HELD = 16
/** The same of all connections together that go on while their shares are recorded. */
const MAX_LATE = 100_000
/**
 * Where acknowledgements may wait so long, shares need no commit of their own, also if they come alone: they wait for the next one, which
 * may take half of it while nothing hurries it.
 */
const PATIENCE_MS = 1_000

/** The reads, of all connections that go on meanwhile, whose shares are being recorded. */
export interface LateReads {
  count: number
}

export type ReadFailure = ConnectionError | ShareSinkError

export class Downstream implements Receiver<ReadonlyArray<Mining.ToServer>, ReadFailure> {
  // What each share touches stands first and side by side: a line of memory that is not in the cache costs as much as ten of code.
  #machine: ChannelServer
  readonly #work: Work
  /** How many changes of work were announced to the channel server. */
  #seen: number
  /** Why the server ends the connection; undefined while it does not. */
  evicted: Eviction | undefined
  /** Whether `take` runs. */
  #isStepping = false
  /** Replies that wait until shares are recorded, and what came behind them: nothing may overtake them. */
  #held: HeldQueue = NONE_HELD
  /** Whether recording takes long, so that only acknowledgements wait. */
  #isLate = false
  /** The messages of the last steps, for `send` or `takeReplies`. */
  #messages: ReadonlyArray<Mining.ToClient> = NO_MESSAGES
  /** `undefined` if no acknowledgement waits for company. */
  readonly #rules: AcknowledgementRules | undefined
  #lastShareAt = -Infinity
  /** The channel of the last share, to touch it. */
  #lastChannel: ChannelServer["lastChannel"]
  /** Whether acknowledgements wait for company. */
  #isWaiting = false
  /** Of the shares that are not acknowledged yet; `undefined` before the first one that is not recorded at once. */
  #recordings: Recordings | undefined
  /** Messages that the bucket has not seen yet, and how many it sees at once. */
  #uncounted = 0
  readonly #countedTogether: number
  readonly queue: SendQueue<Mining.ToClient>

  readonly id: number
  readonly connection: MiningConnection
  readonly openedAt: number
  /** When the first share came whose acknowledgement waits. */
  acknowledgedSince = 0
  #group: WorkGroup
  /** Whether the connection has ended, and nothing more is held or released. */
  #isEnded = false
  /** The reader, while it waits. */
  #waiter: { readonly mayGoOn: () => boolean; readonly resume: () => void } | undefined
  readonly #options: DownstreamOptions
  readonly #received: TokenBucket
  /** Created on first use. */
  #errors: TokenBucket | undefined
  /** Created on first use. */
  #semaphore: Semaphore.Semaphore | undefined

  constructor(connection: MiningConnection, options: DownstreamOptions) {
    const { contextFor, id, limits, now, work } = options
    this.id = id
    this.connection = connection
    this.queue = new SendQueue(connection)
    this.openedAt = now()
    this.#options = options
    this.#work = work
    this.#group = work.common
    this.#seen = work.changeCount
    this.#machine = new ChannelServer(id, connection.setup.flags, contextFor(work.common))
    this.#rules = connection.answersEach === true ? undefined : options.acknowledgements
    this.#countedTogether = limits.maxMessagesPerSecond * COUNTED_TOGETHER
    this.#received = new TokenBucket(limits.maxMessagesPerSecond, this.openedAt)
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
    this.#group = group
    this.#seen = this.#work.changeCount
    this.#machine = new ChannelServer(this.id, this.connection.setup.flags, this.#options.contextFor(group))
  }

  /** Counts messages of the peer, and returns how many milliseconds to wait before reading from it again. Looks at some together. */
  slowDown(count: number, now: number): number {
    this.#uncounted += count
    if (this.#uncounted < this.#countedTogether) return 0
    const uncounted = this.#uncounted
    this.#uncounted = 0
    return this.#received.take(uncounted, now)
  }

  /**
   * Answers a read in a step of the channel server, which begins with the latest changes of work, and returns its events. The
   * acknowledgements wait for company if another read came shortly before, so that the next one is expected shortly too: until there are
   * enough of them, or something else is said. If `isUrgent`, they do not. The messages wait for `takeReplies` and `answer`.
   */
  read(batch: ReadonlyArray<Mining.ToServer>, now: number, isUrgent = false): ReadonlyArray<ChannelEvent> {
    const machine = this.#machine
    const recordings = this.#recordings
    if (recordings !== undefined) {
      // New work does not wait until these are recorded.
      if (this.#seen !== this.#work.changeCount && !recordings.all.isRecorded) this.send()
      this.#acknowledgeEnough(recordings)
    }
    const out = this.#begin()
    machine.take(batch, now, out)
    if (this.#lastChannel !== machine.lastChannel) this.#lastChannel = machine.lastChannel
    if (machine.unacknowledged > 0) {
      if (isUrgent || !this.#mayWait(out, now)) {
        // A client takes its oldest shares for those that are accepted, so it has to know before which are not. Only shares of earlier
        // reads go first, where each has its verdict when it comes.
        if (this.#isWaiting && this.#work.openChannel === undefined) {
          const replies = out.takeMessages()
          machine.acknowledge(now, out, now)
          // Targets and jobs that follow these shares are newer than the replies.
          const later = out.takeMessages()
          const others = later.filter((message) => !isAcknowledgement(message))
          out.messages.push(...later.filter(isAcknowledgement), ...replies, ...others)
        }
        machine.acknowledge(now, out)
      } else {
        if (!this.#isWaiting) {
          this.#isWaiting = true
          this.acknowledgedSince = now
          this.#options.onWaiting(true)
        }
        // Most reads end here.
        if (out.events.length === 0) {
          giveBack(out)
          return NO_EVENTS
        }
      }
    }
    return this.#finish(out)
  }

  /** Acknowledges recorded shares, if one more would have to be acknowledged with them, and that would have to wait until it is recorded. */
  #acknowledgeEnough({ recordedBefore }: Recordings): void {
    if (this.#rules === undefined || this.#machine.unacknowledged < this.#rules.after - 1) return
    this.#acknowledge(Recording.done, recordedBefore)
    this.#waitOn(recordedBefore)
  }

  /** Those that are not acknowledged now have waited since then. */
  #waitOn(since: number): void {
    if (!this.#isWaiting) return
    this.acknowledgedSince = since
    this.#options.onWaiting(false)
    this.#options.onWaiting(true)
  }

  #mayWait(out: ServerOutbox, now: number): boolean {
    if (this.#rules === undefined) return false
    const { after, withinMs } = this.#rules
    const isAlone = now - this.#lastShareAt >= withinMs
    this.#lastShareAt = now
    const isSilent = out.messages.length === 0 && this.#messages.length === 0
    return !isAlone && isSilent && this.#machine.unacknowledged < after
  }

  /**
   * Runs another step of the channel server, and returns its events. It begins with the latest changes of work, and with the
   * acknowledgements that wait. The messages wait for `send`, or for `takeReplies` and `answer`.
   */
  run(step: (machine: ChannelServer, out: ServerOutbox) => void): ReadonlyArray<ChannelEvent> {
    this.acknowledge()
    const out = this.#begin()
    step(this.#machine, out)
    return this.#finish(out)
  }

  /** Reviews the difficulties of the channels every few seconds, in a step of the channel server; acknowledgements go on to wait. */
  review(now: number): ReadonlyArray<ChannelEvent> {
    const out = this.#begin()
    this.#machine.tick(now, out)
    return this.#finish(out)
  }

  #begin(): ServerOutbox {
    this.#catchUp()
    // What waits behind an acknowledgement hurries it, and it may be recorded at once.
    if (this.#messages.length > 0 && this.#isHolding) this.#held.hurry()
    if (this.#messages.length > 0 && this.#isHolding) {
      const messages = this.#takeMessages()
      const run = () => this.#announce(messages)
      const hurry = () => {}
      const held = { hurry, run, runEarly: run, drop: run, since: Infinity, isAnnouncement: true, isReady: true }
      this.#keep(held)
    }
    return borrow()
  }

  #finish(out: ServerOutbox): ReadonlyArray<ChannelEvent> {
    const events = out.events.length === 0 ? NO_EVENTS : out.takeEvents()
    this.#collect(out)
    if (this.#isWaiting && this.#machine.unacknowledged === 0) {
      this.#isWaiting = false
      this.#options.onWaiting(false)
    }
    this.#options.onEvents(events)
    return events
  }

  /** Keeps the messages of an outbox, and gives it back. */
  #collect(out: ServerOutbox): void {
    if (out.messages.length > 0) {
      const messages = out.takeMessages()
      this.#messages = this.#messages.length === 0 ? messages : [...this.#messages, ...messages]
    }
    giveBack(out)
  }

  /** Takes the messages of the last step, so that `send` does not send them. */
  takeReplies(): ReadonlyArray<Mining.ToClient> {
    return this.#messages.length === 0 ? NO_MESSAGES : this.#takeMessages()
  }

  /** Shares of the last step are being recorded: nothing acknowledges them, or those before them, until that is done. */
  waitFor(recording: Recording, since: number): void {
    this.#recordings ??= new Recordings()
    this.#recordings.add(recording, since)
    const { withinMs } = this.#rules ?? AT_ONCE
    if (withinMs > 0 && withinMs < PATIENCE_MS) recording.hurry()
  }

  /**
   * Tells the events of a step and queues its replies: at once, or when the shares that it acknowledges are recorded and all that is
   * before it is queued. Returns what has to be waited for.
   */
  answer(step: Step, known?: Recording): Effect.Effect<unknown> {
    const acknowledges = step.events.some(isAccepted)
    const recording = known ?? (acknowledges ? this.#recordings?.take() : undefined) ?? Recording.done
    if (recording.isRecorded && !this.#isHolding && (!acknowledges || this.#held.length === 0)) {
      const told = this.#options.tell(step.events)
      step.reply(step.replies, true)
      return told
    }
    const held = new HeldStep(step, recording, (events) => this.#tellBeside(events))
    if (recording.failure !== undefined) {
      // The connection ends, and nothing of this leaves.
      held.drop(this.#options.withoutLost)
      return Effect.void
    }
    this.hold(held)
    if (recording.isRecorded) this.release(held)
    else this.#releaseAfter(recording, held, step.isPatient === true)
    return Effect.void
  }

  /**
   * Whether a step of a read is only about shares that were accepted, and their acknowledgement may wait: then the commit that would come
   * anyway is soon enough, and shares that come alone do not cost a commit each.
   */
  isPatient(events: ReadonlyArray<ChannelEvent>, replies: ReadonlyArray<Mining.ToClient>): boolean {
    const mayWait = this.#rules !== undefined && this.#rules.withinMs >= PATIENCE_MS
    return mayWait && events.every(isAccepted) && replies.every(isAcknowledgement)
  }

  /** Tells the events of a step whose messages are announcements, behind those of the steps that are held. */
  tell(events: ReadonlyArray<ChannelEvent>): Effect.Effect<unknown> {
    return this.answer({ events, replies: NO_MESSAGES, since: this.#options.now(), reply: () => {} })
  }

  #tellBeside(events: ReadonlyArray<MiningServerEvent>): void {
    if (events.length === 0) return
    const told = this.#options.tell(events)
    if (told !== Effect.void) this.#options.start(Effect.asVoid(told))
  }

  /** Acknowledges all shares whose acknowledgement waits: at once, or when they are recorded. */
  acknowledge(): void {
    const recordedBefore = this.#recordedBefore
    if (recordedBefore < Infinity) this.#acknowledge(Recording.done, recordedBefore)
    this.#acknowledge()
  }

  get #recordedBefore(): number {
    return this.#recordings?.recordedBefore ?? Infinity
  }

  #acknowledge(recording?: Recording, before?: number): void {
    const machine = this.#machine
    if (machine.unacknowledged === 0) return
    const since = this.acknowledgedSince
    const now = this.#options.now()
    const out = this.#begin()
    machine.acknowledge(now, out, before)
    const events = this.#finish(out)
    const reply: Step["reply"] = (some) => this.reply(some, now)
    const told = this.answer({ events, replies: this.takeReplies(), since, reply }, recording)
    if (told !== Effect.void) this.#options.start(Effect.asVoid(told))
  }

  /** Sends the acknowledgements that have waited long enough. Those whose shares are being recorded wait on, but hurry. */
  sendAcknowledgements(): void {
    const recordedBefore = this.#recordedBefore
    const isLong = recordedBefore <= this.acknowledgedSince
    this.#acknowledge(Recording.done, recordedBefore)
    if (this.#isWaiting && isLong) this.#recordings!.all.hurry()
    this.#waitOn(recordedBefore)
    this.#drain()
  }

  /** Queues replies to the peer. Evicts a peer that causes too many errors. */
  reply(replies: ReadonlyArray<Mining.ToClient>, now: number): void {
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
    this.#keep(held)
    if (!this.#isLate) return
    this.#options.late.count++
    held.runEarly()
  }

  #keep(held: Held): void {
    if (this.#held.length > 0 && !this.#isLate) this.#held.hurry()
    if (this.#held === NONE_HELD) this.#held = new HeldQueue()
    this.#held.push(held)
  }

  /** Queues what is held, when everything before is queued. */
  release(held: Held): void {
    held.isReady = true
    if (!this.#isEnded) this.#release()
  }

  /** Releases what is held when its shares are recorded. */
  #releaseAfter(recording: Recording, held: Held, isPatient: boolean): void {
    if (!isPatient) recording.hurry()
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

  /** Whether all messages wait for those before them. */
  get #isHolding(): boolean {
    return this.#held.length > 0 && !this.#isLate
  }

  /**
   * If replies have waited since then, or since before the clock was set back, sends everything but acknowledgements from now on until
   * all shares are recorded, and the server reads on: new work and blocks must not wait for a full disk.
   */
  goOn(since: number): void {
    const { first } = this.#held
    if (this.#isLate || first === undefined || first.isAnnouncement) return
    if (first.since > since && first.since <= this.#options.now()) return
    this.#isLate = true
    const held = this.#held.takeAll()
    this.#held = new HeldQueue(held.filter(({ isAnnouncement }) => !isAnnouncement))
    this.#options.late.count += this.#held.length
    for (const one of held) one.runEarly()
    this.send()
    this.#drain()
    this.#resumeReader()
  }

  #release(): void {
    for (let held = this.#held.first; held?.isReady === true; held = this.#held.first) {
      this.#held.shift()
      if (this.#held.length === 0) this.#held = NONE_HELD
      if (this.#isLate) this.#options.late.count--
      held.run()
    }
    if (this.#held.length === 0) {
      this.#isLate = false
      this.send()
    }
    // Also if more is held behind it: what is released never waits for that.
    this.#drain()
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
    this.#held.hurry()
    return this.#held.length === 0 ? Effect.void : this.#wait(() => this.#held.length === 0)
  }

  #wait(mayGoOn: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      // The fiber may have given way to others since this was made.
      if (mayGoOn()) return resume(Effect.void)
      this.#waiter = { mayGoOn, resume: () => resume(Effect.sync(() => (this.#waiter = undefined))) }
      return Effect.sync(() => (this.#waiter = undefined))
    })
  }

  #resumeReader(): void {
    if (this.#waiter?.mayGoOn() === true) this.#waiter.resume()
  }

  /** Queues the announcements that wait behind replies, which are not sent: for a connection that ends before they may be. */
  dropReplies(): void {
    const held = this.#held.takeAll()
    this.#held = NONE_HELD
    if (this.#isLate) this.#options.late.count -= held.length
    this.#isLate = false
    this.#isEnded = true
    for (const one of held) one.drop(this.#options.withoutLost)
    this.#announce(this.#takeMessages())
  }

  /**
   * Sends announcements: changes of work and other messages that the peer did not ask for. It does not wait for the write; if the
   * write fails, the connection's reader fails too and says why. Evicts a peer for which too many bytes wait.
   */
  send(): void {
    // Also while the messages wait: the source remembers only its latest changes.
    this.#catchUp()
    if (this.#isHolding) {
      if (this.#messages.length > 0) this.#held.hurry()
      return
    }
    if (this.#messages.length > 0) {
      this.#announce(this.#takeMessages())
      // They leave in the same write.
      this.#acknowledge(Recording.done, this.#recordedBefore)
    }
    if (!this.queue.isEmpty) this.#drain()
  }

  /** Sends a message behind those of the channel server. */
  sendMessage(message: Mining.ToClient): void {
    this.#messages = [...this.#messages, message]
    this.send()
  }

  evict(eviction: Eviction): void {
    if (this.evicted !== undefined) return
    this.evicted = eviction
    if (!this.#isStepping) this.#options.interrupt()
  }

  /**
   * Answers a read in a step outside of the reader's fiber. If the step evicts the peer, the fiber ends after it and not in the
   * middle of it.
   */
  take(batch: ReadonlyArray<Mining.ToServer>): Rest<ReadFailure> {
    this.#isStepping = true
    try {
      const rest = this.#options.onBatch(this, batch)
      return this.evicted === undefined
        ? rest
        : Effect.andThen(Effect.sync(this.#options.interrupt), rest ?? Effect.void)
    } finally {
      this.#isStepping = false
    }
  }

  touch(): number {
    const looks = (this.#lastChannel?.touch() ?? 0) ^ this.#machine.touch() ^ (this.#recordings?.touch() ?? 0)
    return looks ^ this.queue.announcedBytes ^ (this.#lastShareAt < this.openedAt ? 1 : 0)
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
    for (const message of messages) this.queue.announce(message, encodedSize(message))
  }

  /** Takes the messages that wait. Evicts a client that cannot be told of its new prefix, and leaves it its answers. */
  #takeMessages(): ReadonlyArray<Mining.ToClient> {
    const messages = this.#messages
    this.#messages = NO_MESSAGES
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
    const work = this.#work
    if (this.#seen === work.changeCount) return
    const out = borrow()
    for (const change of work.changesSince(this.#group, this.#seen)) {
      if (change._tag !== "Ignored") this.#machine.announce(change, out)
    }
    this.#collect(out)
    this.#seen = work.changeCount
  }
}

const { encodedSize } = Protocol.forwarding(Mining.protocol).toClient
/** All connections share it while they hold nothing: a look at its length costs nothing then. */
const NONE_HELD = new HeldQueue()
const NO_EVENTS: ReadonlyArray<ChannelEvent> = []
/** What is acknowledged at once is hurried where it is held. */
const AT_ONCE = { withinMs: 0 }
const NO_MESSAGES: ReadonlyArray<Mining.ToClient> = []
