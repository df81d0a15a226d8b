/** One connection of a miner or a proxy: its machine of @sluice/channels, and the messages that wait to be sent. */
import {
  type ChannelEvent,
  ChannelServer,
  type ChannelServerContext,
  Outbox,
  type ServerOutbox,
  TOO_MANY_SHARES_PER_SECOND
} from "@sluice/channels"
import { ErrorCode, Mining } from "@sluice/protocol"
import { Allowance, type Connection } from "@sluice/transport"
import type { Effect } from "effect"
import { Outgoing } from "./outgoing.ts"
import type { TrafficLimits } from "./traffic.ts"
import type { Work, WorkGroup } from "../work/work-source.ts"

export type MiningConnection = Connection<Mining.ToServer, Mining.ToClient>

/** Why the server ends a connection: a reason for counts, and a sentence for people. */
export interface Eviction {
  readonly reason: "no_channel" | "slow_reader" | "too_many_errors" | "no_templates"
  readonly message: string
}

export interface SessionOptions {
  readonly id: number
  readonly work: Work
  /** The machine's context for connections of a group. */
  readonly contextFor: (group: WorkGroup) => ChannelServerContext
  /** Called with the machine's events after each step. */
  readonly onEvents: (events: ReadonlyArray<ChannelEvent>) => void
  readonly now: number
  readonly maxPendingBytes: number
  readonly limits: TrafficLimits
  /** Ends the connection. */
  readonly interrupt: () => void
  /** Starts a write that nobody waits for. */
  readonly start: (write: Effect.Effect<void>) => void
}

export class Session {
  readonly id: number
  readonly connection: MiningConnection
  readonly outgoing: Outgoing<Mining.ToClient>
  readonly openedAt: number
  /** Why the server ends it, if it does. */
  evicted: Eviction | undefined
  #machine: ChannelServer
  #group: WorkGroup
  /** How many changes of work the machine was told of. */
  #seen: number
  /** Whether replies wait until shares are on record: nothing may overtake them. */
  #isHeld = false
  readonly #out = new Outbox<Mining.ToClient, ChannelEvent>()
  readonly #options: SessionOptions
  readonly #messages: Allowance
  readonly #errors: Allowance

  constructor(connection: MiningConnection, options: SessionOptions) {
    const { contextFor, id, limits, now, work } = options
    this.id = id
    this.connection = connection
    this.outgoing = new Outgoing(connection.send, connection.standing?.queued)
    this.openedAt = now
    this.#options = options
    this.#group = work.common
    this.#seen = work.changeCount
    this.#machine = new ChannelServer(id, connection.setup.flags, contextFor(work.common))
    this.#messages = new Allowance(limits.maxMessagesPerSecond, now)
    this.#errors = new Allowance(limits.maxErrorsPerSecond, now)
  }

  get machine(): ChannelServer {
    return this.#machine
  }

  /** The connections that it shares its jobs with. */
  get group(): WorkGroup {
    return this.#group
  }

  /** Puts a connection without channels into another group. */
  moveTo(group: WorkGroup): void {
    const { contextFor, work } = this.#options
    this.#group = group
    this.#seen = work.changeCount
    this.#machine = new ChannelServer(this.id, this.connection.setup.flags, contextFor(group))
  }

  /** Counts messages of the peer and gives the milliseconds to wait before reading from it again. */
  slowDown(count: number, now: number): number {
    return this.#messages.take(count, now)
  }

  /**
   * Runs the machine, which first learns the latest changes of work, and gives its events. Its messages wait for `send`, or for
   * `takeReplies` and then `reply` or `release`.
   */
  run(step: (machine: ChannelServer, out: ServerOutbox) => void): ReadonlyArray<ChannelEvent> {
    this.#catchUp()
    step(this.#machine, this.#out)
    const events = this.#out.events.length === 0 ? NO_EVENTS : this.#out.takeEvents()
    this.#options.onEvents(events)
    return events
  }

  /** Takes the machine's messages out: `send` does not send them any more. */
  takeReplies(): ReadonlyArray<Mining.ToClient> {
    return this.#out.messages.length === 0 ? NO_MESSAGES : this.#out.takeMessages()
  }

  /** Queues replies to the peer. Evicts a peer whose messages are mostly refused. */
  reply(replies: ReadonlyArray<Mining.ToClient>, now: number): void {
    let errors = 0
    for (const message of replies) {
      if (isError(message)) errors++
      this.outgoing.reply(message)
    }
    if (errors > 0 && this.#errors.take(errors, now) > 0) {
      const { maxErrorsPerSecond } = this.#options.limits
      const message = `more than ${maxErrorsPerSecond} of its messages a second are wrong (max-errors-per-second)`
      this.evict({ reason: "too_many_errors", message })
    }
  }

  /** Lets nothing be sent until `release`: announcements wait behind the replies. */
  hold(): void {
    this.#isHeld = true
  }

  /** Queues the replies, and behind them the announcements that came in the meantime. */
  release(replies: ReadonlyArray<Mining.ToClient>, now: number): void {
    this.#isHeld = false
    this.reply(replies, now)
    this.send()
  }

  /**
   * Sends changes of work and other messages that the machine sends by itself, and waits for nothing. If the write fails, the
   * connection's reader fails too and says why. Evicts a peer that lets too many bytes wait.
   */
  send(): void {
    if (this.#isHeld) return
    this.#catchUp()
    const { outgoing } = this
    if (this.#out.messages.length > 0) {
      const { announcedBytes } = outgoing
      if (announcedBytes > this.#options.maxPendingBytes) {
        this.evict({ reason: "slow_reader", message: `it does not read: ${announcedBytes} bytes wait for it` })
      }
      for (const message of this.#out.takeMessages()) this.sendMessage(message)
    }
    if (outgoing.announcedBytes > 0) this.#options.start(outgoing.drainBeside)
  }

  /** Queues a message that the peer did not ask for. */
  sendMessage(message: Mining.ToClient): void {
    this.outgoing.announce(message, encodedSize(message))
  }

  evict(eviction: Eviction): void {
    if (this.evicted !== undefined) return
    this.evicted = eviction
    this.#options.interrupt()
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

const { encodedSize } = Mining.protocol.toClient
const NO_EVENTS: ReadonlyArray<ChannelEvent> = []
const NO_MESSAGES: ReadonlyArray<Mining.ToClient> = []

/** Whether the message answers a mistake of the peer. Honest peers have stale shares, and too many of them, too. */
const isError = (message: Mining.ToClient): boolean => {
  switch (message._tag) {
    case "SubmitShares.Error":
      return message.errorCode !== ErrorCode.submitShares.staleShare && message.errorCode !== TOO_MANY_SHARES_PER_SECOND
    case "OpenMiningChannel.Error":
    case "UpdateChannel.Error":
    case "SetCustomMiningJob.Error":
      return true
    default:
      return false
  }
}
