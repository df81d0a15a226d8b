/** The shell of one miner's connection: bytes of its socket on one side, a `Connection` of V2 messages on the other. */
import { Outbox } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { joinLines, type Line, LineReader } from "@sluice/stratum-v1"
import {
  type Connection,
  type ConnectionError,
  type Duplex,
  formatEndpoint,
  type Receiver,
  type Rest,
  type ThrottledLog,
  TokenBucket,
  Translation,
  TransportError
} from "@sluice/transport"
import { type Clock, Effect, Exit, Fiber, Stream } from "effect"
import { isReadonlyArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import { NOTHING } from "./channel.ts"
import type { MinerEvent } from "./event.ts"
import { Miner, type MinerContext, type MinerOutbox } from "./miner.ts"
import { PIECE, type Turns } from "./turns.ts"

/** A miner that sends more bytes a second, after a burst of ten times as many, takes its turns: five shares are as many. */
const BYTES_PER_SECOND = 1_000
/** A share that is accepted costs the miner nothing: it takes more hashing than sending. No share's line is longer. */
const BYTES_OF_SHARE = 400

export interface SessionContext extends MinerContext {
  readonly turns: Turns
  readonly clock: Clock.Clock
  readonly throttled: ThrottledLog
  /** Runs what nobody waits for. */
  readonly start: (effect: Effect.Effect<void>) => void
}

export class Session {
  readonly #miner: Miner
  readonly #duplex: Duplex
  readonly #context: SessionContext
  readonly #reader = new LineReader()
  readonly #out: MinerOutbox = new Outbox()
  readonly #lines: TokenBucket
  readonly #bytes: TokenBucket
  /** What was read and waits for its turn. */
  #unread: Uint8Array = NOTHING
  /** Of lines that are refused; made with the first of them. */
  #errors: TokenBucket | undefined
  /** Why the translator ends the connection, if it does. */
  #end: TransportError | undefined
  readonly #interrupt: () => void
  /** Messages for the role above that no read of its own brings: of lines before it was there, or made of its answers. */
  #early: ReadonlyArray<Mining.ToServer> = []
  /** Wakes the reader for `#early`, while it waits for the miner. */
  #wake: (() => void) | undefined

  /** `interrupt` ends the connection's fiber, which may wait for the miner to send something. */
  constructor(duplex: Duplex, context: SessionContext, interrupt: () => void) {
    const now = context.clock.currentTimeMillisUnsafe()
    this.#duplex = duplex
    this.#context = context
    this.#interrupt = interrupt
    this.#miner = new Miner(context, now)
    this.#lines = new TokenBucket(context.rules.maxMessagesPerSecond, now)
    this.#bytes = new TokenBucket(BYTES_PER_SECOND, now)
  }

  get miner(): Miner {
    return this.#miner
  }

  /** Reads until the miner has begun to speak. */
  readonly start: Effect.Effect<void, TransportError> = Effect.suspend(() =>
    Effect.flatMap(this.#read, (messages) => {
      this.#early = [...this.#early, ...messages]
      return this.#miner.started ? Effect.void : this.start
    })
  )

  /** The miner as the role above sees it. */
  connection(flags: number, extensions: ReadonlyArray<number>): Connection<Mining.ToServer, Mining.ToClient> {
    const { device } = this.#miner
    const { each, remote, standing, writeNow } = this.#duplex
    this.#miner.agree(flags, extensions)
    return {
      receive: Stream.fromPull(Effect.succeed(this.#pull)),
      ...(each && { each: (receiver) => this.#each(each, receiver) }),
      send: (messages) => Effect.suspend(() => this.#send(messages)),
      ...(writeNow && { sendNow: (messages) => this.#sendNow(writeNow, messages) }),
      setup: { version: 2, flags: 0, extensions, device },
      answersEach: true,
      takesPrefixes: true,
      remote,
      standing
    }
  }

  /** Sends what is due after a silence. To be run every few seconds; undefined where there is nothing to send. */
  tick(now: number): Effect.Effect<void, TransportError> | undefined {
    this.#miner.tick(now, this.#out)
    const events = this.#out.takeEvents()
    const written = this.#write(now)
    if (events.length === 0) return written
    return Effect.andThen(written ?? Effect.void, this.#followElsewhere(events, now))
  }

  /** The messages of one read or more, at least one. */
  readonly #pull: Effect.Effect<NonEmptyReadonlyArray<Mining.ToServer>, ConnectionError> = Effect.suspend(() => {
    const early = this.#early
    this.#early = []
    if (isReadonlyArrayNonEmpty(early)) return Effect.succeed(early)
    return Effect.flatMap(this.#read, (messages) =>
      isReadonlyArrayNonEmpty(messages) ? Effect.succeed(messages) : this.#pull
    )
  })

  /** The messages of one read, or a piece of it, which may be none; the lines that answer it are written. */
  readonly #read: Effect.Effect<ReadonlyArray<Mining.ToServer>, TransportError> = Effect.suspend(() => {
    if (this.#end !== undefined) return Effect.fail(this.#end)
    return this.#unread.length > 0 ? this.#lookAtPiece() : this.#readSocket
  })

  get #readSocket(): Effect.Effect<ReadonlyArray<Mining.ToServer>, TransportError> {
    return Effect.flatMap(this.#miner.hasWaiting ? this.#pullUntilWoken : this.#duplex.pull, (chunks) => {
      const [first] = chunks
      if (first === undefined) return Effect.succeed([])
      const bytes = chunks.length === 1 ? first : Buffer.concat(chunks)
      return this.#isWithinRate(bytes) ? this.#lookAtAll(bytes) : this.#lookAtPiece()
    })
  }

  /** The next chunks of the socket; none if the role's answer leaves messages for it before they come. */
  get #pullUntilWoken(): Effect.Effect<ReadonlyArray<Uint8Array>, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const pulling = yield* Effect.forkChild(this.#duplex.pull)
      yield* Effect.callback<void>((resume) => {
        this.#wake = () => resume(Effect.void)
        if (this.#early.length > 0) this.#wake()
        return Effect.sync(pulling.addObserver(this.#wake))
      })
      this.#wake = undefined
      yield* Fiber.interrupt(pulling)
      // It may have ended just before: its chunks must not be lost.
      const exit = yield* Fiber.await(pulling)
      return Exit.hasInterrupts(exit) ? [] : yield* exit
    })
  }

  /** As `#pull` in a loop, with a fiber only for what has to wait. */
  #each<E>(
    each: NonNullable<Duplex["each"]>,
    receiver: Receiver<NonEmptyReadonlyArray<Mining.ToServer>, E>
  ): Effect.Effect<never, E | ConnectionError> {
    const deliver = (messages: ReadonlyArray<Mining.ToServer>): Rest<E> =>
      isReadonlyArrayNonEmpty(messages) ? receiver.take(messages) : undefined
    const finish: Effect.Effect<void, E | ConnectionError> = Effect.suspend(() => {
      const isDone = this.#unread.length === 0 && this.#early.length === 0 && !this.#miner.hasWaiting
      if (this.#end === undefined && isDone) return Effect.void
      return Effect.flatMap(this.#pull, (messages) => Effect.andThen(receiver.take(messages) ?? Effect.void, finish))
    })
    const take = (bytes: Uint8Array): Rest<E | ConnectionError> => {
      if (this.#end !== undefined || !this.#isWithinRate(bytes)) return finish
      const { messages, rest } = this.#lookAt(bytes)
      if (rest === undefined && !this.#miner.hasWaiting) return deliver(messages)
      const delivered = Effect.suspend(() => deliver(messages) ?? Effect.void)
      return Effect.andThen(rest ?? Effect.void, Effect.andThen(delivered, finish))
    }
    return Effect.andThen(finish, each({ take, touch: () => this.#bytes.touch(), above: receiver }))
  }

  /** Counts bytes. Those above the rate wait for their turn in `#unread`. */
  #isWithinRate(bytes: Uint8Array): boolean {
    if (this.#bytes.take(bytes.length, this.#context.clock.currentTimeMillisUnsafe()) === 0) return true
    this.#unread = bytes
    return false
  }

  #lookAtPiece(): Effect.Effect<ReadonlyArray<Mining.ToServer>, TransportError> {
    const { turns } = this.#context
    const piece = this.#unread.subarray(0, PIECE)
    this.#unread = this.#unread.length > PIECE ? this.#unread.subarray(PIECE) : NOTHING
    return turns.take(piece.length) ? this.#lookAtAll(piece) : Effect.flatMap(turns.wait, () => this.#lookAtAll(piece))
  }

  #lookAtAll(bytes: Uint8Array): Effect.Effect<ReadonlyArray<Mining.ToServer>, TransportError> {
    const { messages, rest } = this.#lookAt(bytes)
    return rest === undefined ? Effect.succeed(messages) : Effect.as(rest, messages)
  }

  /** Takes the messages of a read. `rest` has to be done before they are used: most reads are one share, which leaves none. */
  #lookAt(bytes: Uint8Array): {
    readonly messages: ReadonlyArray<Mining.ToServer>
    readonly rest: Rest<TransportError>
  } {
    const now = this.#context.clock.currentTimeMillisUnsafe()
    const lines: Array<Line> = []
    this.#reader.push(bytes, lines)
    this.#miner.receive(lines, this.#out)
    if (this.#reader.failure !== undefined) this.#miner.fail(this.#reader.failure, this.#out)
    const messages = this.#out.takeMessages()
    const written = this.#write(now)
    const waitMs = this.#lines.take(lines.length, now)
    if (written === undefined && this.#out.events.length === 0 && waitMs === 0) return { messages, rest: undefined }
    const followed = Effect.andThen(this.#follow(this.#out.takeEvents(), now), this.#slowDown(waitMs))
    return { messages, rest: Effect.andThen(written ?? Effect.void, followed) }
  }

  #send(messages: ReadonlyArray<Mining.ToClient>): Effect.Effect<void, TransportError> {
    if (this.#end !== undefined) return Effect.fail(this.#end)
    const now = this.#context.clock.currentTimeMillisUnsafe()
    this.#deliver(messages)
    const written = this.#write(now) ?? Effect.void
    if (this.#out.events.length === 0) return written
    return Effect.andThen(written, this.#followElsewhere(this.#out.takeEvents(), now))
  }

  #sendNow(writeNow: NonNullable<Duplex["writeNow"]>, messages: ReadonlyArray<Mining.ToClient>): boolean {
    if (this.#end !== undefined) return false
    const now = this.#context.clock.currentTimeMillisUnsafe()
    const isSent = writeNow(() => {
      this.#deliver(messages)
      return joinLines(this.#miner.takeLines(now))
    })
    const events = isSent ? this.#out.takeEvents() : []
    if (events.length > 0) this.#context.start(Effect.ignore(this.#followElsewhere(events, now)))
    return isSent
  }

  #deliver(messages: ReadonlyArray<Mining.ToClient>): void {
    this.#miner.deliver(messages, this.#out)
    for (const message of messages) {
      if (message._tag !== "SubmitShares.Success") continue
      this.#bytes.give(message.newSubmitsAcceptedCount * BYTES_OF_SHARE)
    }
    if (this.#out.messages.length === 0) return
    this.#early = [...this.#early, ...this.#out.takeMessages()]
    this.#wake?.()
  }

  /** Writes the lines that wait; undefined if there are none. */
  #write(now: number): Effect.Effect<void, TransportError> | undefined {
    const lines = this.#miner.takeLines(now)
    if (lines.length === 0) return undefined
    const bytes = joinLines(lines)
    return this.#duplex.write(() => bytes, bytes.length)
  }

  /** Logs what happened, and ends the connection where it has to. */
  #follow(events: ReadonlyArray<MinerEvent>, now: number): Effect.Effect<void, TransportError> {
    return Effect.forEach(events, (event) => this.#followOne(event, now), { discard: true })
  }

  #followOne(event: MinerEvent, now: number): Effect.Effect<void, TransportError> {
    const { rules, throttled } = this.#context
    const { vendor } = this.#miner.device
    const peer = `${formatEndpoint(this.#duplex.remote)}${vendor === "" ? "" : ` (${vendor})`}`
    switch (event._tag) {
      case "Ended":
        return this.#endWith(event.message)
      case "Warned":
        return throttled.log(`v1 ${event.kind}`, `${peer}: ${event.message}`, "Warn")
      case "LineRefused": {
        const logged = throttled.log("v1 refused", `${peer}: ${event.message}`, "Info")
        this.#errors ??= new TokenBucket(rules.maxErrorsPerSecond, now)
        if (this.#errors.take(1, now) === 0) return logged
        const limit = `more than ${rules.maxErrorsPerSecond} of its lines a second are refused (maxErrorsPerSecond)`
        return Effect.andThen(logged, this.#endWith(limit))
      }
    }
  }

  /** As `#follow`, while the connection's fiber may wait for the miner: it has to be ended then. */
  #followElsewhere(events: ReadonlyArray<MinerEvent>, now: number): Effect.Effect<void, TransportError> {
    return Effect.tapError(this.#follow(events, now), ({ message }) => {
      const line = `The connection from ${formatEndpoint(this.#duplex.remote)} ended: ${message}`
      return Effect.andThen(this.#context.throttled.log("v1 ended", line), Effect.sync(this.#interrupt))
    })
  }

  #endWith(message: string): Effect.Effect<never, TransportError> {
    this.#end ??= new TransportError({ remote: this.#duplex.remote, reason: new Translation({ message }) })
    return Effect.fail(this.#end)
  }

  #slowDown(waitMs: number): Effect.Effect<void> {
    if (waitMs === 0) return Effect.void
    const { rules, throttled } = this.#context
    const limit = `${rules.maxMessagesPerSecond} lines a second (maxMessagesPerSecond)`
    const peer = formatEndpoint(this.#duplex.remote)
    return Effect.andThen(
      throttled.log("v1 too many lines", `${peer} sends more than ${limit}: it is read from more slowly`, "Warn"),
      Effect.sleep(waitMs)
    )
  }
}
