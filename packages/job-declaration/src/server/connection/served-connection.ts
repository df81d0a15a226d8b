/**
 * One client of a job declarator: the shell around `DeclarationSession`. Reading, timers, new tips and the node's verdicts call the
 * machine; what it gives goes out in `flush`.
 */
import type { JobDeclaration } from "@sluice/protocol"
import {
  type Connection,
  type ConnectionError,
  formatEndpoint,
  TokenBucket,
  type ThrottledLog
} from "@sluice/transport"
import { Clock, Deferred, Effect, Latch, Schema, Stream } from "effect"
import type { FoundBlock } from "../blocks/declared-jobs.ts"
import type { SessionEvent } from "../event.ts"
import type { Declaration } from "./declaration.ts"
import type { DeclarationSession } from "./declaration-session.ts"
import { sessionOutbox, type SessionOutbox } from "./session-context.ts"

export type DeclarationConnection = Connection<JobDeclaration.ToServer, JobDeclaration.ToClient>

/** The server ended a connection because of what its client did. */
export class DeclarationEnded extends Schema.TaggedError<DeclarationEnded>("sluice/job-declaration/DeclarationEnded")(
  "DeclarationEnded",
  { message: Schema.String }
) {}

export interface ServedOptions {
  readonly session: DeclarationSession
  readonly connection: DeclarationConnection
  readonly clock: Clock.Clock
  readonly throttled: ThrottledLog
  readonly rates: {
    readonly maxTokensPerSecond: number
    readonly maxDeclarationsPerSecond: number
    readonly maxFaultsPerSecond: number
  }
  readonly onEvents: (events: ReadonlyArray<SessionEvent>) => void
  readonly onBlock: (block: FoundBlock) => void
  readonly onProposal: (declaration: Declaration) => void
  /** Called when the session has steps to do. */
  readonly onBusy: () => void
}

export class ServedConnection {
  readonly session: DeclarationSession
  readonly #options: ServedOptions
  readonly #tokens: TokenBucket
  readonly #declarations: TokenBucket
  readonly #messages: TokenBucket
  readonly #bytes: TokenBucket
  readonly #faults: TokenBucket
  #replies: Array<JobDeclaration.ToClient> = []
  readonly #filled = Latch.makeUnsafe(false)
  /** Open while the client's replies are few and its work is done: then it is read from. */
  readonly #idle = Latch.makeUnsafe(true)
  readonly #ended = Deferred.makeUnsafe<never, DeclarationEnded>()

  constructor(options: ServedOptions) {
    const { clock, rates, session } = options
    const now = clock.currentTimeMillisUnsafe()
    this.#options = options
    this.session = session
    this.#tokens = new TokenBucket(rates.maxTokensPerSecond, now)
    this.#declarations = new TokenBucket(rates.maxDeclarationsPerSecond, now)
    this.#messages = new TokenBucket(MESSAGES_PER_SECOND, now)
    this.#bytes = new TokenBucket(BYTES_PER_SECOND, now)
    this.#faults = new TokenBucket(rates.maxFaultsPerSecond, now)
    this.#limitPayload()
  }

  /** Calls the machine and passes on what it gives. */
  run(step: (session: DeclarationSession, now: number, out: SessionOutbox) => void): void {
    const out = sessionOutbox()
    const now = this.#options.clock.currentTimeMillisUnsafe()
    step(this.session, now, out)
    this.#flush(out, now)
  }

  /** Serves until the connection ends, or the client is at fault too often. */
  readonly serve = Effect.suspend(() => {
    const { connection } = this.#options
    const reading = Stream.runForEachArray(connection.receive, (batch) =>
      Effect.forEach(batch, (message) => this.#inTurn(message), { discard: true })
    )
    return Effect.raceAllFirst([reading, this.#writing, Deferred.await(this.#ended)])
  })

  /** Sends what waits and these messages, for a connection that ends. */
  sendRest(...messages: ReadonlyArray<JobDeclaration.ToClient>): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      const replies = [...this.#replies, ...messages]
      this.#replies = []
      return replies.length === 0 ? Effect.void : this.#options.connection.send(replies)
    })
  }

  readonly #writing = Effect.forever(
    Effect.suspend(() =>
      Effect.andThen(
        this.#filled.await,
        Effect.suspend(() => {
          const replies = this.#replies
          this.#replies = []
          this.#filled.closeUnsafe()
          return Effect.tap(this.#options.connection.send(replies), () => Effect.sync(() => this.#update()))
        })
      )
    )
  )

  /** Takes a message when the one before is dealt with. A client that sends too much is read from more slowly. */
  #inTurn(message: JobDeclaration.ToServer): Effect.Effect<void> {
    return Effect.suspend(() => {
      const now = this.#options.clock.currentTimeMillisUnsafe()
      const delayMs = Math.max(
        this.#messages.take(1, now),
        this.#bucketOf(message)?.take(1, now) ?? 0,
        this.#bytes.take(bytesOf(message), now)
      )
      const taken = Effect.andThen(
        this.#idle.await,
        Effect.sync(() => this.run((session, at, out) => session.onMessage(message, at, out)))
      )
      if (delayMs === 0) return taken
      const peer = formatEndpoint(this.#options.connection.remote)
      const line = `${peer} sends ${message._tag} too often and is read from more slowly`
      return this.#options.throttled
        .log("too_many_messages", line, "Warn")
        .pipe(Effect.andThen(Effect.sleep(delayMs)), Effect.andThen(taken))
    })
  }

  #bucketOf({ _tag }: JobDeclaration.ToServer): TokenBucket | undefined {
    return _tag === "AllocateMiningJobToken"
      ? this.#tokens
      : _tag === "DeclareMiningJob"
        ? this.#declarations
        : undefined
  }

  #flush(out: SessionOutbox, now: number): void {
    const { connection, onBlock, onBusy, onEvents, onProposal } = this.#options
    for (const block of out.blocks) onBlock(block)
    if (out.events.length > 0) onEvents(out.events)
    if (out.events.some(({ _tag }) => _tag === "JobDeclared")) connection.standing?.worked()
    for (const declaration of out.proposals) onProposal(declaration)
    this.#limitPayload()
    if (out.replies.length > 0) {
      this.#replies.push(...out.replies)
      this.#filled.openUnsafe()
    }
    this.#update()
    if (this.session.isBusy) onBusy()
    if (out.end !== undefined) this.end(out.end)
    if (out.faults > 0 && this.#faults.take(out.faults, now) > 0) this.end("it causes too many errors")
  }

  end(message: string): void {
    Deferred.doneUnsafe(this.#ended, Effect.fail(new DeclarationEnded({ message })))
  }

  #update(): void {
    if (this.session.isBusy || this.#replies.length > MAX_REPLIES) this.#idle.closeUnsafe()
    else this.#idle.openUnsafe()
  }

  #limitPayload(): void {
    this.#options.connection.limitPayload?.(this.session.maxPayload)
  }
}

/** The bytes of a message that cost work. */
const bytesOf = (message: JobDeclaration.ToServer): number => {
  if (message._tag === "DeclareMiningJob") return message.wtxidList.length * 32
  if (message._tag !== "ProvideMissingTransactions.Success") return 0
  return message.transactionList.reduce((sum, { length }) => sum + length, 0)
}

/** A full block with unknown transactions is four million; ten seconds' worth may come at once. */
const BYTES_PER_SECOND = 1_000_000
/** Messages of any kind. */
const MESSAGES_PER_SECOND = 100
/** Replies that wait for a client that does not read. */
const MAX_REPLIES = 64
