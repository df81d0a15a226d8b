/**
 * Computes the curve operations of responders' handshakes in worker threads. When many clients connect at once, the event loop
 * stays free for the messages of connected clients: a handshake costs it only hashing and two short encryptions.
 *
 * For each handshake, a thread gets the ephemeral secret and the server's static key, uses them and wipes them. It never gets the
 * authority's key.
 */
import { Curve as AbstractCurve } from "@sluice/core"
import { Clock, Context, Effect, Layer, Redacted } from "effect"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import type { Credentials } from "./certificate-authority.ts"
import type { Answer, Question, ThreadData } from "./handshake-thread.ts"
import { handshakeThreadUrl, nobleThreadCurveUrl } from "./thread-urls.ts"

/** The inputs of the curve operations of one handshake. Random bytes, 32 each, must be used once. */
export interface Exchange {
  /** The client's ephemeral key, 64 bytes of ElligatorSwift. */
  readonly act1: Uint8Array
  readonly ephemeralSecret: Uint8Array
  readonly entropy: Uint8Array
  readonly credentials: Pick<Credentials, "staticKey" | "staticSecret">
}

export interface HandshakeWorkersCalls {
  readonly threads: number
  /** If more handshakes than this wait for the event loop, threads take some. */
  readonly above: number
  /**
   * Gives a curve that holds the results for this handshake. Pass it to core's `Responder` with the same bytes. `undefined`
   * if no thread is running; then compute the handshake here.
   */
  readonly exchange: (exchange: Exchange) => Effect.Effect<AbstractCurve | undefined>
}

export interface HandshakeWorkersOptions {
  /** Number of threads. By default one less than the machine runs in parallel, from 1 to 4. */
  readonly threads?: number
  /**
   * A module whose `makeCurve(bytes)` makes a thread's curve, and its argument. `threadCurve` of @sluice/embedded is the curve
   * in WebAssembly. Default @noble/curves.
   */
  readonly curve?: { readonly url: string; readonly bytes?: Uint8Array }
  /**
   * Threads take handshakes if more than this wait; with 0 they take all. Default 0 for @noble/curves, which costs the event
   * loop 8 ms a handshake. Use 16 for the curve in WebAssembly, which costs half a millisecond: with fewer, asking a thread costs
   * more than it saves.
   */
  readonly above?: number
  /** Starts the code of handshake-thread.ts, for programs that are bundled into one file. */
  readonly spawn?: (workerData: ThreadData) => Worker
}

/** Threads for handshakes; `undefined` unless a layer provides them. */
export const HandshakeWorkers: Context.Reference<HandshakeWorkersCalls | undefined> = Context.Reference<
  HandshakeWorkersCalls | undefined
>("sluice/noise/HandshakeWorkers", { defaultValue: () => undefined })

/**
 * Starts the threads at their first handshake and ends them with the layer. When a thread dies, this logs it and, after a delay,
 * starts a new thread for the next handshake.
 */
export const layer = (options: HandshakeWorkersOptions = {}): Layer.Layer<never> =>
  Layer.effect(
    HandshakeWorkers,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const threads = yield* Effect.acquireRelease(
        Effect.sync(() => new Threads(options, () => clock.currentTimeMillisUnsafe(), run)),
        (threads) => Effect.promise(() => threads.end())
      )
      return {
        threads: threads.count,
        above: options.above ?? (options.curve === undefined ? 0 : 16),
        exchange: ({ act1, credentials, entropy, ephemeralSecret }) =>
          Effect.callback((resume) => {
            const staticSecret = Redacted.value(credentials.staticSecret)
            const { staticKey } = credentials
            threads.ask({ act1, ephemeralSecret, entropy, staticKey, staticSecret }, (answer) =>
              resume(Effect.succeed(answer === undefined ? undefined : new AnsweredCurve(answer)))
            )
          })
      }
    })
  )

/** Delay before a dead thread is replaced. Doubles with each further death, up to the second number. */
const PAUSE_MS = 10_000
const LONGEST_PAUSE_MS = 10 * 60_000

/** The threads and their waiting handshakes. The next handshake goes to the thread with the fewest. */
class Threads {
  readonly count: number
  readonly #options: HandshakeWorkersOptions
  readonly #now: () => number
  readonly #log: (line: Effect.Effect<void>) => void
  readonly #threads: Array<Thread | undefined>
  /** For each thread, how often it died and when it may be started again. */
  readonly #deaths: Array<number>
  readonly #awayUntil: Array<number>

  constructor(options: HandshakeWorkersOptions, now: () => number, log: (line: Effect.Effect<void>) => void) {
    this.#options = options
    this.#now = now
    this.#log = log
    this.count = Math.max(1, options.threads ?? Math.min(4, availableParallelism() - 1))
    this.#threads = Array.from({ length: this.count }, () => undefined)
    this.#deaths = this.#threads.map(() => 0)
    this.#awayUntil = this.#threads.map(() => -Infinity)
  }

  ask(question: Omit<Question, "id">, answered: Answered): void {
    let least: Thread | undefined
    for (let at = 0; at < this.count; at++) {
      const thread = this.#threads[at] ?? this.#start(at)
      if (thread !== undefined && (least === undefined || thread.waiting < least.waiting)) least = thread
    }
    if (least === undefined) answered(undefined)
    else least.ask(question, answered)
  }

  async end(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread?.end()))
  }

  #start(at: number): Thread | undefined {
    if (this.#now() < this.#awayUntil[at]!) return undefined
    return (this.#threads[at] = new Thread(this.#options, (why) => {
      const pause = Math.min(PAUSE_MS * 2 ** this.#deaths[at]!++, LONGEST_PAUSE_MS)
      this.#threads[at] = undefined
      this.#awayUntil[at] = this.#now() + pause
      const line = `Thread ${at + 1} of ${this.count} for handshakes ended: ${why}; it stays away for ${pause / 1000} s`
      this.#log(Effect.logError(line))
    }))
  }
}

type Answered = (answer: Answer | undefined) => void

class Thread {
  #isOver = false
  readonly #died: (why: string) => void
  readonly #worker: Worker
  readonly #answered = new Map<number, Answered>()
  #lastId = 0

  constructor({ curve, spawn = startThread }: HandshakeWorkersOptions, died: (why: string) => void) {
    this.#died = died
    this.#worker = spawn({
      url: curve?.url ?? nobleThreadCurveUrl().href,
      bytes: curve?.bytes
    })
    this.#worker.unref()
    this.#worker.on("message", (answer: Answer) => {
      this.#answered.get(answer.id)?.(answer)
      this.#answered.delete(answer.id)
    })
    // On either event, the callers compute the thread's handshakes themselves.
    this.#worker.on("error", (error: unknown) => this.#die(error instanceof Error ? error.message : String(error)))
    this.#worker.on("exit", (code) => this.#die(`exit code ${code}`))
  }

  get waiting(): number {
    return this.#answered.size
  }

  ask(question: Omit<Question, "id">, answered: Answered): void {
    const id = ++this.#lastId
    this.#answered.set(id, answered)
    this.#worker.postMessage({ id, ...question } satisfies Question, [])
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#worker.terminate()
    this.#giveUp()
  }

  #die(why: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#died(why)
    this.#giveUp()
  }

  #giveUp(): void {
    for (const answered of this.#answered.values()) answered(undefined)
    this.#answered.clear()
  }
}

const startThread = (workerData: ThreadData): Worker => new Worker(handshakeThreadUrl(), { workerData })

/** A curve that replays a thread's results in the order in which a responder asks: its own key, then both ECDH secrets. */
class AnsweredCurve extends AbstractCurve {
  readonly #answer: Answer
  #secrets = 0

  constructor(answer: Answer) {
    super()
    this.#answer = answer
  }

  createEllSwift(_secret: Uint8Array, _entropy: Uint8Array, out: Uint8Array, outAt: number): boolean {
    const { ephemeralKey } = this.#answer
    if (ephemeralKey === undefined) return false
    out.set(ephemeralKey, outAt)
    return true
  }

  ecdh(
    _theirs: Uint8Array,
    _theirsAt: number,
    _ours: Uint8Array,
    _oursAt: number,
    _secret: Uint8Array,
    _initiator: boolean,
    out: Uint8Array,
    outAt: number
  ): boolean {
    const secret = this.#answer.secrets[this.#secrets++]
    if (secret === undefined) return false
    out.set(secret, outAt)
    secret.fill(0)
    return true
  }

  xOnly(): boolean {
    return false
  }

  verify(): boolean {
    return false
  }
}
