/**
 * What still has to be sent to one client. Only the newest matters to it: a change of the tip takes the place of all that
 * waits, a better template of one that was not sent yet. So a client that reads slowly holds nobody up and costs at most
 * four messages.
 */
import type { TemplateDistribution } from "@sluice/protocol"
import { Effect, Latch } from "effect"

export interface Outgoing {
  readonly messages: ReadonlyArray<TemplateDistribution.ToClient>
  /** When the block was announced that these messages follow, in nanoseconds of the Clock. */
  readonly announcedAt: bigint | undefined
}

type Kind = "tip" | "active" | "ahead"

export class ClientQueue {
  /** Whether the client is sent templates ahead of blocks. */
  readonly holdsAhead: boolean
  readonly #filled = Latch.makeUnsafe(false)
  /** In the order in which they came, at most one of each kind. */
  #waiting: Array<{ readonly kind: Kind; readonly messages: ReadonlyArray<TemplateDistribution.ToClient> }> = []
  #announcedAt: bigint | undefined

  constructor(holdsAhead: boolean) {
    this.holdsAhead = holdsAhead
  }

  /** A future template and its SetNewPrevHash, or the latter alone for the template that `putAhead` was given last. */
  putTip(messages: ReadonlyArray<TemplateDistribution.ToClient>, announcedAt: bigint | undefined): void {
    const ahead = messages.length > 1 ? undefined : this.#waiting.find(({ kind }) => kind === "ahead")
    this.#waiting = []
    this.#announcedAt = announcedAt
    this.#put("tip", ahead === undefined ? messages : [...ahead.messages, ...messages])
  }

  /** A template for the tip that the client has, or gets first. */
  putActive(messages: ReadonlyArray<TemplateDistribution.ToClient>): void {
    this.#put("active", messages)
  }

  /** A future template for the tip after this one. */
  putAhead(message: TemplateDistribution.ToClient): void {
    this.#put("ahead", [message])
  }

  /** Waits until there is something, and takes it all. */
  readonly take: Effect.Effect<Outgoing> = Effect.suspend(() =>
    Effect.map(this.#filled.await, () => {
      const outgoing = { messages: this.#waiting.flatMap(({ messages }) => messages), announcedAt: this.#announcedAt }
      this.#waiting = []
      this.#announcedAt = undefined
      this.#filled.closeUnsafe()
      return outgoing
    })
  )

  /** Behind everything else, because numbers of templates only grow. */
  #put(kind: Kind, messages: ReadonlyArray<TemplateDistribution.ToClient>): void {
    this.#waiting = [...this.#waiting.filter((waiting) => waiting.kind !== kind), { kind, messages }]
    this.#filled.openUnsafe()
  }
}
