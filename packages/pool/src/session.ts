/** One miner's connection: its machine, and what waits to be sent. The decisions are in @sluice/channels. */
import { Server } from "@sluice/channels"
import { ErrorCode, Mining } from "@sluice/protocol"
import { Allowance, type Connection } from "@sluice/transport"
import type { Effect } from "effect"
import { Outgoing } from "./outgoing.ts"
import type { TrafficLimits } from "./traffic.ts"
import type { Payee, Work } from "./work.ts"

export type MiningConnection = Connection<Mining.ToServer, Mining.ToClient>

/** Why the pool ends a connection: a reason for counts, and a sentence for people. */
export interface Eviction {
  readonly reason: "no_channel" | "slow_reader" | "too_many_errors" | "no_templates" | "share_log"
  readonly message: string
}

export interface SessionOptions {
  readonly id: number
  readonly work: Work
  /** What its channels have their prefixes from. */
  readonly space: Server.ConnectionContext["space"]
  /** Called with what its machine tells, as soon as it is done. */
  readonly onEvents: (events: ReadonlyArray<Server.ChannelEvent>) => void
  readonly now: number
  readonly maxPendingBytes: number
  readonly limits: TrafficLimits
  /** Ends the connection. */
  readonly interrupt: () => void
  /** Begins a write that nobody waits for. */
  readonly start: (write: Effect.Effect<void>) => void
}

export class Session {
  readonly id: number
  readonly connection: MiningConnection
  readonly outgoing: Outgoing<Mining.ToClient>
  readonly openedAt: number
  /** Why it is to end, if the pool wants that. */
  evicted: Eviction | undefined
  #machine: Server.Connection
  #payee: Payee
  /** How much of the news its machine was told. */
  #heard: number
  readonly #out = new Server.Outbox()
  readonly #options: SessionOptions
  readonly #messages: Allowance
  readonly #errors: Allowance

  constructor(connection: MiningConnection, options: SessionOptions) {
    const { id, limits, now, work } = options
    this.id = id
    this.connection = connection
    this.outgoing = new Outgoing(connection.send, connection.standing?.queued)
    this.openedAt = now
    this.#options = options
    this.#payee = work.pool
    this.#heard = work.newsEnd
    this.#machine = this.#makeMachine()
    this.#messages = new Allowance(limits.maxMessagesPerSecond, now)
    this.#errors = new Allowance(limits.maxErrorsPerSecond, now)
  }

  get machine(): Server.Connection {
    return this.#machine
  }

  /** Who is paid for what it mines. */
  get payee(): Payee {
    return this.#payee
  }

  /** Before its first channel: from now on it mines for this one. */
  mineFor(payee: Payee): void {
    this.#payee = payee
    this.#heard = this.#options.work.newsEnd
    this.#machine = this.#makeMachine()
  }

  /** Counts messages that came, and gives the milliseconds to wait before it is read from again. */
  slowDown(count: number, now: number): number {
    return this.#messages.take(count, now)
  }

  /**
   * Lets the machine speak, of news first, and gives what it has to tell; `send`, or `takeSaid` and `settle`, then have to
   * send what it said.
   */
  tell(speak: (machine: Server.Connection, out: Server.Outbox) => void): ReadonlyArray<Server.ChannelEvent> {
    this.#hearNews()
    speak(this.#machine, this.#out)
    const events = this.#out.events.length === 0 ? NOTHING : this.#out.takeEvents()
    this.#options.onEvents(events)
    return events
  }

  /** What the machine said: nobody else sends it from now on. */
  takeSaid(): ReadonlyArray<Mining.ToClient> {
    return this.#out.messages.length === 0 ? NOTHING_SAID : this.#out.takeMessages()
  }

  /** Queues what the machine said in answer to the peer. A peer that is mostly refused is dropped. */
  settle(said: ReadonlyArray<Mining.ToClient>, now: number): void {
    let errors = 0
    for (const message of said) {
      if (isError(message)) errors++
      this.outgoing.reply(message)
    }
    if (errors > 0 && this.#errors.take(errors, now) > 0) {
      const { maxErrorsPerSecond } = this.#options.limits
      const message = `more than ${maxErrorsPerSecond} of its messages a second are wrong (max-errors-per-second)`
      this.evict({ reason: "too_many_errors", message })
    }
  }

  /**
   * Sends news and what the machine said without being asked, and waits for nothing. Where that fails the connection is
   * over, and its reader says why. A peer for whom too much of it waits already is dropped.
   */
  send(): void {
    this.#hearNews()
    const { outgoing } = this
    if (this.#out.messages.length > 0) {
      const { announcedBytes } = outgoing
      if (announcedBytes > this.#options.maxPendingBytes) {
        this.evict({ reason: "slow_reader", message: `it does not read: ${announcedBytes} bytes wait for it` })
      }
      for (const message of this.#out.takeMessages()) this.say(message)
    }
    if (outgoing.announcedBytes > 0) this.#options.start(outgoing.drainBeside)
  }

  /** Queues a message that the peer did not ask for. */
  say(message: Mining.ToClient): void {
    this.outgoing.announce(message, encodedSize(message))
  }

  evict(eviction: Eviction): void {
    if (this.evicted !== undefined) return
    this.evicted = eviction
    this.#options.interrupt()
  }

  #makeMachine(): Server.Connection {
    const context = { ...this.#payee.context, space: this.#options.space }
    return new Server.Connection(this.id, this.connection.setup.flags, context)
  }

  #hearNews(): void {
    const { work } = this.#options
    if (this.#heard === work.newsEnd) return
    for (const announcement of work.newsFor(this.#payee, this.#heard)) {
      if (announcement._tag !== "Ignored") this.#machine.announce(announcement, this.#out)
    }
    this.#heard = work.newsEnd
  }
}

const { encodedSize } = Mining.protocol.toClient
const NOTHING: ReadonlyArray<Server.ChannelEvent> = []
const NOTHING_SAID: ReadonlyArray<Mining.ToClient> = []

/** Whether it answers what the peer should not have sent. */
const isError = (message: Mining.ToClient): boolean => {
  switch (message._tag) {
    case "SubmitShares.Error":
      return message.errorCode !== ErrorCode.submitShares.staleShare
    case "OpenMiningChannel.Error":
    case "UpdateChannel.Error":
    case "SetCustomMiningJob.Error":
      return true
    default:
      return false
  }
}
