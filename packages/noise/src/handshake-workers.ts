/**
 * The curve's part of a responder's handshake in worker threads, for servers to which many connect at once: the event loop
 * goes on with the messages of those who are connected. What remains for it is hashing and two short encryptions.
 *
 * A thread gets for each handshake the ephemeral secret and the server's static key, which it uses and wipes; it never
 * sees the authority's key.
 */
import { Curve as AbstractCurve } from "@sluice/core"
import { Context, Effect, Layer, Redacted } from "effect"
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

/** Starts threads at the first handshake that is given to them, and ends them with the layer. */
export const layer = (options: HandshakeWorkersOptions = {}): Layer.Layer<never> =>
  Layer.effect(
    HandshakeWorkers,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new Threads(options)),
        (threads) => Effect.promise(() => threads.end())
      ),
      (threads): HandshakeWorkersCalls => ({
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
      })
    )
  )

/** The threads, and who waits for each. The one for whom the fewest wait is asked. */
class Threads {
  readonly count: number
  readonly #options: HandshakeWorkersOptions
  #threads: Array<Thread> | undefined

  constructor(options: HandshakeWorkersOptions) {
    this.#options = options
    this.count = Math.max(1, options.threads ?? Math.min(4, availableParallelism() - 1))
  }

  ask(question: Omit<Question, "id">, answered: Answered): void {
    this.#threads ??= Array.from({ length: this.count }, () => new Thread(this.#options))
    let least: Thread | undefined
    for (const thread of this.#threads) {
      if (!thread.isDead && (least === undefined || thread.waiting < least.waiting)) least = thread
    }
    if (least === undefined) answered(undefined)
    else least.ask(question, answered)
  }

  async end(): Promise<void> {
    await Promise.all((this.#threads ?? []).map((thread) => thread.end()))
  }
}

type Answered = (answer: Answer | undefined) => void

class Thread {
  isDead = false
  readonly #worker: Worker
  readonly #answered = new Map<number, Answered>()
  #lastId = 0

  constructor({ curve, spawn = startThread }: HandshakeWorkersOptions) {
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
    for (const event of ["error", "exit"] as const) this.#worker.on(event, () => this.#die())
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
    await this.#worker.terminate()
  }

  #die(): void {
    this.isDead = true
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
