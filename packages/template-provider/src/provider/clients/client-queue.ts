/**
 * The messages that wait to be sent to one client. Only the newest count: a change of the tip replaces everything that waits,
 * a better template replaces one that was not sent yet. So a client that reads slowly delays nobody else and costs at most four
 * messages.
 */
import type { TemplateDistribution } from "@sluice/protocol"
import { Effect, Latch } from "effect"

export interface TakenMessages {
  readonly messages: ReadonlyArray<TemplateDistribution.ToClient>
  /** When the node announced the block that these messages follow, in nanoseconds of the Clock. */
  readonly announcedAt: bigint | undefined
}

type Kind = "tip" | "active" | "ahead"

export class ClientQueue {
  /** Whether the client is sent templates ahead of blocks. */
  readonly holdsAhead: boolean
  readonly #filled = Latch.makeUnsafe(false)
  /** In order of arrival, at most one of each kind. */
  #waiting: Array<{ readonly kind: Kind; readonly messages: ReadonlyArray<TemplateDistribution.ToClient> }> = []
  #announcedAt: bigint | undefined

  constructor(holdsAhead: boolean) {
    this.holdsAhead = holdsAhead
  }

  /** Adds a future template and its SetNewPrevHash, or only the latter for the last template given to `putAhead`. */
  putTip(messages: ReadonlyArray<TemplateDistribution.ToClient>, announcedAt: bigint | undefined): void {
    const ahead = messages.length > 1 ? undefined : this.#waiting.find(({ kind }) => kind === "ahead")
    this.#waiting = []
    this.#announcedAt = announcedAt
    this.#put("tip", ahead === undefined ? messages : [...ahead.messages, ...messages])
  }

  /** Adds a template for the client's tip, or for the tip that waits in the queue. */
  putActive(messages: ReadonlyArray<TemplateDistribution.ToClient>): void {
    this.#put("active", messages)
  }

  /** Adds a future template for the tip after that. */
  putAhead(message: TemplateDistribution.ToClient): void {
    this.#put("ahead", [message])
  }

  /** Waits until the queue is not empty, and empties it. */
  readonly take: Effect.Effect<TakenMessages> = Effect.suspend(() =>
    Effect.map(this.#filled.await, () => {
      const taken = { messages: this.#waiting.flatMap(({ messages }) => messages), announcedAt: this.#announcedAt }
      this.#waiting = []
      this.#announcedAt = undefined
      this.#filled.closeUnsafe()
      return taken
    })
  )

  /** Puts messages behind everything else, because template numbers only grow. */
  #put(kind: Kind, messages: ReadonlyArray<TemplateDistribution.ToClient>): void {
    this.#waiting = [...this.#waiting.filter((waiting) => waiting.kind !== kind), { kind, messages }]
    this.#filled.openUnsafe()
  }
}
