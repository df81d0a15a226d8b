/**
 * The curve's part of a responder's handshake in worker threads, for servers to which many connect at once: the event loop
 * goes on with the messages of those who are connected. What remains for it is hashing and two short encryptions.
 *
 * A thread gets for each handshake the ephemeral secret and the server's static key, which it uses and wipes; it never
 * sees the authority's key.
 */
import { Curve as AbstractCurve } from "@sluice/core"
import { Clock, Context, Effect, Layer, Redacted } from "effect"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import type { Credentials } from "./certificate-authority.ts"
import type { Answer, Question, ThreadData } from "./handshake-thread.ts"

/** What the curve has to do for one handshake. Random bytes, 32 each, are used once. */
export interface Exchange {
  /** The client's ephemeral key, 64 bytes of ElligatorSwift. */
  readonly act1: Uint8Array
  readonly ephemeralSecret: Uint8Array
  readonly entropy: Uint8Array
  readonly credentials: Pick<Credentials, "staticKey" | "staticSecret">
}

export interface HandshakeWorkersCalls {
  readonly threads: number
  /** Above how many handshakes that wait for the event loop threads are to take some. */
  readonly above: number
  /**
   * A curve that knows the results for this handshake, to be given to core's `Responder` with the same bytes; `undefined`
   * where no thread works any more, and the handshake is to be computed here.
   */
  readonly exchange: (exchange: Exchange) => Effect.Effect<AbstractCurve | undefined>
}

export interface HandshakeWorkersOptions {
  /** Default: one less than the machine can run at once, from 1 to 4. */
  readonly threads?: number
  /**
   * A file whose `makeCurve(bytes)` gives a thread its curve, and what it is called with; `threadCurve` of
   * @sluice/embedded is the one in WebAssembly. By default @noble/curves.
   */
  readonly curve?: { readonly url: string; readonly bytes?: Uint8Array }
  /**
   * Above how many handshakes that wait threads take some; with 0 they take all. By default 0, because @noble/curves takes
   * the event loop 8 ms for each; for the curve in WebAssembly, which takes half a millisecond, 16: until then asking a
   * thread costs more than it saves.
   */
  readonly above?: number
  /** Starts the code of handshake-thread.ts, for programs that are bundled into one file. */
  readonly spawn?: (workerData: ThreadData) => Worker
}

/** Threads for handshakes, where a layer provides some; `undefined` otherwise. */
export const HandshakeWorkers: Context.Reference<HandshakeWorkersCalls | undefined> = Context.Reference<
  HandshakeWorkersCalls | undefined
>("sluice/noise/HandshakeWorkers", { defaultValue: () => undefined })

/**
 * Starts threads at the first handshake that is given to them, and ends them with the layer. One that dies is logged and,
 * after a pause, started anew for the next handshake.
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

/** How long a thread that died stays away; each further time twice as long, up to the second number. */
const PAUSE_MS = 10_000
const LONGEST_PAUSE_MS = 10 * 60_000

/** The threads, and who waits for each. The one for whom the fewest wait is asked. */
class Threads {
  readonly count: number
  readonly #options: HandshakeWorkersOptions
  readonly #now: () => number
  readonly #log: (line: Effect.Effect<void>) => void
  readonly #threads: Array<Thread | undefined>
  /** For each thread how often it died, and until when it stays away. */
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
      url: curve?.url ?? new URL(besides("noble-thread-curve"), import.meta.url).href,
      bytes: curve?.bytes
    })
    this.#worker.unref()
    this.#worker.on("message", (answer: Answer) => {
      this.#answered.get(answer.id)?.(answer)
      this.#answered.delete(answer.id)
    })
    // Whichever comes: the handshakes that it had are computed by who asked.
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

/** A package published as JavaScript has the threads' code as JavaScript too. */
const besides = (name: string): string => `./${name}.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`

const startThread = (workerData: ThreadData): Worker =>
  new Worker(new URL(besides("handshake-thread"), import.meta.url), { workerData })

/** What a thread has found, in the order in which a responder asks: its own key, then ECDH with either key of its own. */
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
