/** One miner's connection: its machine, and what waits to be sent. The decisions are in @sluice/channels. */
import { Server } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import type { Connection } from "@sluice/transport"
import { frameOf } from "./frames.ts"
import { Outgoing } from "./outgoing.ts"

export type MiningConnection = Connection<Mining.ToServer, Mining.ToClient>

export class Session {
  readonly connection: MiningConnection
  readonly machine: Server.Connection
  readonly outgoing: Outgoing
  readonly openedAt: number
  /** Why it is to end, if the pool wants that. */
  evictedFor: string | undefined
  readonly #out = new Server.Outbox()
  readonly #maxPendingBytes: number
  readonly #interrupt: () => void

  /** `interrupt` ends the connection. */
  constructor(
    connection: MiningConnection,
    machine: Server.Connection,
    options: { readonly now: number; readonly maxPendingBytes: number; readonly interrupt: () => void }
  ) {
    this.connection = connection
    this.machine = machine
    this.outgoing = new Outgoing(connection.sendFrames)
    this.openedAt = options.now
    this.#maxPendingBytes = options.maxPendingBytes
    this.#interrupt = options.interrupt
  }

  /** Lets the machine speak and gives what it has to tell; `settle` then has to send what it said. */
  tell(speak: (machine: Server.Connection, out: Server.Outbox) => void): ReadonlyArray<Server.ChannelEvent> {
    speak(this.machine, this.#out)
    return this.#out.events.length === 0 ? NOTHING : this.#out.takeEvents()
  }

  /** Queues what the machine said in answer to the peer. */
  settle(): void {
    if (this.#out.messages.length === 0) return
    for (const message of this.#out.takeMessages()) this.outgoing.reply(frameOf(message))
  }

  /** Queues what the machine said without being asked. A peer for whom too much of it waits already is dropped. */
  announce(): void {
    if (this.#out.messages.length === 0) return
    const { announcedBytes } = this.outgoing
    if (announcedBytes > this.#maxPendingBytes) this.evict(`it does not read: ${announcedBytes} bytes wait for it`)
    for (const message of this.#out.takeMessages()) this.outgoing.announce(frameOf(message))
  }

  evict(reason: string): void {
    if (this.evictedFor !== undefined) return
    this.evictedFor = reason
    this.#interrupt()
  }
}

const NOTHING: ReadonlyArray<Server.ChannelEvent> = []
