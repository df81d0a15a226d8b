/** The latest messages that a sniffer saw, and the fibers that wait for one of them. */
import { DecodeError, Frame, type Message } from "@sluice/protocol"
import { Effect } from "effect"
import type { MessageFound, MessageSeen, Side } from "./event.ts"

/** Selects one of the messages of a kind. */
export interface Which<M> {
  /** Only a message to this side. For CloseChannel, which may go both ways. */
  readonly to?: Side
  /** Only a message that came after this one, on any connection. */
  readonly after?: MessageSeen
  readonly connectionId?: number
  /** Only a message for which this is true. */
  readonly where?: (message: M) => boolean
}

export class History {
  private readonly maxBytes: number
  private bytes = 0
  /** Oldest first, from index `head` on. */
  private kept: Array<MessageSeen | undefined> = []
  private head = 0
  private readonly offered = new WeakSet<MessageSeen>()
  private readonly given = new WeakSet<MessageSeen>()
  private readonly waiting = new Set<(seen: MessageSeen) => boolean>()

  /** Keeps at most `maxBytes` of messages, each counted with its overhead. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** The kept messages, oldest first. */
  get all(): ReadonlyArray<MessageSeen> {
    return this.kept.slice(this.head) as ReadonlyArray<MessageSeen>
  }

  /** Keeps a message, in the order of arrival. */
  add(seen: MessageSeen): void {
    this.kept.push(seen)
    this.bytes += sizeOf(seen)
    while (this.bytes > this.maxBytes) this.dropOldest()
  }

  /** Offers the message to those that wait, after it was forwarded or dropped. One of them gets it. */
  offer(seen: MessageSeen): void {
    this.offered.add(seen)
    for (const take of this.waiting) if (take(seen)) return
  }

  /** Waits for the first selected message that no earlier call has got. */
  waitFor<M extends Message>(declaration: M, which: Which<M["Type"]>): Effect.Effect<MessageFound<M["Type"]>> {
    return Effect.callback<MessageFound<M["Type"]>>((resume) => {
      const take = (seen: MessageSeen): boolean => {
        if (!this.offered.has(seen) || this.given.has(seen)) return false
        const found = matching(declaration, which, seen)
        if (found === undefined) return false
        this.given.add(seen)
        this.waiting.delete(take)
        resume(Effect.succeed(found))
        return true
      }
      if (this.all.some(take)) return
      this.waiting.add(take)
      return Effect.sync(() => this.waiting.delete(take))
    })
  }

  private dropOldest(): void {
    this.bytes -= sizeOf(this.kept[this.head]!)
    this.kept[this.head++] = undefined
    if (this.head < 1024 || this.head * 2 < this.kept.length) return
    this.kept = this.kept.slice(this.head)
    this.head = 0
  }
}

/** Roughly the memory that the objects of a message take beside its bytes. */
const OVERHEAD = 500

const sizeOf = (seen: MessageSeen): number => seen.frame.length + OVERHEAD

/** The decoded message, if it is selected. Messages that the sniffer added are never selected. */
const matching = <M extends Message>(
  declaration: M,
  { after, connectionId, to, where }: Which<M["Type"]>,
  seen: MessageSeen
): MessageFound<M["Type"]> | undefined => {
  if (seen.fate === "added" || (to !== undefined && seen.to !== to)) return undefined
  if (connectionId !== undefined && seen.connectionId !== connectionId) return undefined
  if (after !== undefined && seen.index <= after.index) return undefined
  const frame = Frame.read(seen.frame)!
  if (frame.messageType !== declaration.type || Frame.extension(frame) !== declaration.extension) return undefined
  const message = (seen.message as M["Type"] | undefined) ?? decode(declaration, frame)
  if (message === undefined || where?.(message) === false) return undefined
  return { ...seen, message }
}

/** Decodes a message that the sniffer's protocol does not have, such as one of an extension. */
const decode = <M extends Message>(declaration: M, frame: Frame): M["Type"] | undefined => {
  try {
    return declaration.codec.decode(frame.payload)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
