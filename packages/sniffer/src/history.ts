/** The messages that passed, as many as may be kept, and those who wait for one of them. */
import { DecodeError, Frame, type Message } from "@sluice/protocol"
import { Effect } from "effect"
import type { MessageFound, MessageSeen, Side } from "./event.ts"

/** Which of the messages of a kind is meant. */
export interface Which<M> {
  /** Only one that goes to this side: for the kind that may go to both, CloseChannel. */
  readonly to?: Side
  /** Only one that came after this one, on whatever connection. */
  readonly after?: MessageSeen
  readonly connectionId?: number
  /** Only one of which this holds. */
  readonly where?: (message: M) => boolean
}

export class History {
  private readonly maxBytes: number
  private bytes = 0
  /** Oldest first, from `head` on. */
  private kept: Array<MessageSeen | undefined> = []
  private head = 0
  private readonly settled = new WeakSet<MessageSeen>()
  private readonly given = new WeakSet<MessageSeen>()
  private readonly waiting = new Set<(seen: MessageSeen) => boolean>()

  /** Keeps messages of at most `maxBytes` together, each counted with what is around it. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Those that are kept, oldest first. */
  get all(): ReadonlyArray<MessageSeen> {
    return this.kept.slice(this.head) as ReadonlyArray<MessageSeen>
  }

  /** A message came: it is kept in the order of its coming. */
  add(seen: MessageSeen): void {
    this.kept.push(seen)
    this.bytes += sizeOf(seen)
    while (this.bytes > this.maxBytes) this.dropOldest()
  }

  /** The message has gone on, if it was to: who waits for it has it now, one of them, though it may be kept no longer. */
  settle(seen: MessageSeen): void {
    this.settled.add(seen)
    for (const offer of this.waiting) if (offer(seen)) return
  }

  /** The first message that is meant and that was not given before; waits until there is one. */
  waitFor<M extends Message>(declaration: M, which: Which<M["Type"]>): Effect.Effect<MessageFound<M["Type"]>> {
    return Effect.callback<MessageFound<M["Type"]>>((resume) => {
      const offer = (seen: MessageSeen): boolean => {
        if (!this.settled.has(seen) || this.given.has(seen)) return false
        const found = matching(declaration, which, seen)
        if (found === undefined) return false
        this.given.add(seen)
        this.waiting.delete(offer)
        resume(Effect.succeed(found))
        return true
      }
      if (this.all.some(offer)) return
      this.waiting.add(offer)
      return Effect.sync(() => this.waiting.delete(offer))
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

/** About what the objects of a message take beside its bytes. */
const OVERHEAD = 500

const sizeOf = (seen: MessageSeen): number => seen.frame.length + OVERHEAD

/** The message, decoded, if it is meant. What the sniffer itself has added is not waited for. */
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

/** A message of a protocol that the sniffer was not told of, such as one of an extension. */
const decode = <M extends Message>(declaration: M, frame: Frame): M["Type"] | undefined => {
  try {
    return declaration.codec.decode(frame.payload)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
