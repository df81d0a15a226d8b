/**
 * Events for browsers and programs. Each event is encoded once, for all readers together, and those of a tenth of a second are one
 * write to each. The newest are kept, so that a reader that comes again gets what it missed. A slow reader has a queue of its own that
 * drops the oldest: the numbers show the gap.
 */
import { printable } from "@sluice/protocol"
import { Effect, Queue, type Scope, Stream } from "effect"
import type { EventData } from "../api/journal.ts"
import { Ring } from "./ring.ts"

/** Enough for a reader that was away for some minutes. */
const KEPT = 1000
/** Writes that wait for a slow reader: some seconds, and at most a few megabytes, which all readers share. */
const WAITING = 50
/** Events that come faster go together, up to so many bytes. */
const TOGETHER_MS = 100
const TOGETHER_BYTES = 65_536
/** The most readers at once. */
export const MAX_READERS = 256
/** A line without meaning that shows proxies and browsers that the connection is alive. */
const ALIVE = new TextEncoder().encode(": alive\n\n")

interface Kept {
  readonly id: number
  readonly bytes: Uint8Array
}

export class EventHub {
  readonly #kept = new Ring<Kept>(KEPT)
  readonly #readers = new Set<Queue.Queue<Uint8Array>>()
  readonly #encoder = new TextEncoder()
  #pending: Array<Uint8Array> = []
  #pendingBytes = 0
  #sentAt = -Infinity
  #timer: NodeJS.Timeout | undefined
  /** Numbers of another run mean nothing here, so the run is part of them. */
  readonly #run: string

  constructor(startedAt: number) {
    this.#run = startedAt.toString(36)
  }

  get readers(): number {
    return this.#readers.size
  }

  /** Publishes an event that readers who come again get too. */
  publish(event: EventData): void {
    const { bytes } = this.#kept.add((id) => ({ id, bytes: this.#encode(event, `${this.#run}.${id}`) }))
    this.#send(bytes)
  }

  /** Publishes a state that the next one replaces: it is not kept. Costs nothing without readers. */
  show(event: () => EventData): void {
    if (this.#readers.size > 0) this.#send(this.#encode(event()))
  }

  keepAlive(): void {
    this.#send(ALIVE)
  }

  /** The bytes for one reader, from the event after `lastId` on. Fails if there are as many readers as may be. */
  read(lastId: string | undefined): Effect.Effect<Stream.Stream<Uint8Array>, "full"> {
    return Effect.suspend(() => {
      if (this.#readers.size >= MAX_READERS) return Effect.fail("full" as const)
      return Effect.succeed(Stream.unwrap(this.#subscribe(lastId)))
    })
  }

  readonly #subscribe = (lastId: string | undefined): Effect.Effect<Stream.Stream<Uint8Array>, never, Scope.Scope> =>
    Effect.gen({ self: this }, function* () {
      // Others may have come between the request and its answer.
      if (this.#readers.size >= MAX_READERS) return Stream.empty
      const queue = yield* Effect.acquireRelease(Queue.sliding<Uint8Array>(WAITING), Queue.shutdown)
      // What waits is among the events that were missed, or came before this reader.
      this.#flush()
      const missed = this.#missed(lastId).map(({ bytes }) => bytes)
      yield* Effect.acquireRelease(
        Effect.sync(() => this.#readers.add(queue)),
        () => Effect.sync(() => this.#readers.delete(queue))
      )
      return Stream.concat(Stream.fromIterable([ALIVE, ...missed]), Stream.fromQueue(queue))
    })

  #missed(lastId: string | undefined): ReadonlyArray<Kept> {
    if (lastId === undefined || !lastId.startsWith(`${this.#run}.`)) return []
    const id = Number(lastId.slice(this.#run.length + 1))
    return Number.isSafeInteger(id) && id >= 0 ? this.#kept.after(id) : []
  }

  #send(bytes: Uint8Array): void {
    if (this.#readers.size === 0) return
    this.#pending.push(bytes)
    this.#pendingBytes += bytes.length
    const wait = this.#sentAt + TOGETHER_MS - performance.now()
    if (wait <= 0 || this.#pendingBytes >= TOGETHER_BYTES) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), wait).unref()
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#sentAt = performance.now()
    const [first] = this.#pending
    if (first === undefined) return
    const bytes = this.#pending.length === 1 ? first : Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    for (const reader of this.#readers) Queue.offerUnsafe(reader, bytes)
  }

  #encode(event: EventData, id?: string): Uint8Array {
    const lines = [
      ...(id === undefined ? [] : [`id: ${id}`]),
      `event: ${event.event}`,
      `data: ${JSON.stringify(event)}`
    ]
    return this.#encoder.encode(`${lines.join("\n")}\n\n`)
  }
}

/** Text of a peer as a field of an event. */
export const shown = (text: string): string => printable(text)
