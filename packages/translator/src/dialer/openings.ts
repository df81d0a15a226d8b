/** Channels that were requested and are not open yet: the pool has not authorized their worker, or sent no job. */
import type { ExtranonceLease } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"

export type OpenRequest = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel

export interface Opening {
  readonly request: OpenRequest
  readonly worker: string
  readonly lease: ExtranonceLease
  /** When it was requested, in milliseconds. */
  readonly since: number
}

/** The most workers that are remembered, unless more have channels. */
const MAX_WORKERS = 16

export class Openings {
  #waiting: ReadonlyArray<Opening> = []
  /** Workers that were named to the pool, with its answer. */
  readonly #workers = new Map<string, "asked" | "authorized">()

  get size(): number {
    return this.#waiting.length
  }

  get hasAuthorized(): boolean {
    for (const state of this.#workers.values()) if (state === "authorized") return true
    return false
  }

  get oldest(): Opening | undefined {
    return this.#waiting[0]
  }

  /** The hash rates that the requests state, together. */
  get hashRate(): number {
    return this.#waiting.reduce((rate, { request }) => rate + request.nominalHashRate, 0)
  }

  /** Returns whether the worker must be named to the pool. */
  add(opening: Opening): boolean {
    this.#waiting = [...this.#waiting, opening]
    if (this.#workers.has(opening.worker)) return false
    this.#workers.set(opening.worker, "asked")
    return true
  }

  authorized(worker: string): void {
    this.#workers.set(worker, "authorized")
  }

  /** Takes out the channels of a worker that the pool has refused. It is named again for its next channel. */
  refused(worker: string): ReadonlyArray<Opening> {
    this.#workers.delete(worker)
    return this.#take((opening) => opening.worker === worker)
  }

  /** Takes out the channels whose worker is authorized. */
  takeReady(): ReadonlyArray<Opening> {
    return this.#take(({ worker }) => this.#workers.get(worker) === "authorized")
  }

  takeAll(): ReadonlyArray<Opening> {
    return this.#take(() => true)
  }

  /**
   * Forgets workers that have no channel if there are many, the longest known first. The others are not named again for their next
   * channel: ckpool answers only the first mining.authorize of a connection.
   */
  keepWorkers(open: Iterable<{ readonly worker: string }>): void {
    if (this.#workers.size <= MAX_WORKERS) return
    const used = new Set([...open, ...this.#waiting].map(({ worker }) => worker))
    for (const worker of this.#workers.keys()) {
      if (this.#workers.size <= MAX_WORKERS) return
      if (!used.has(worker)) this.#workers.delete(worker)
    }
  }

  #take(isWanted: (opening: Opening) => boolean): ReadonlyArray<Opening> {
    const taken = this.#waiting.filter(isWanted)
    if (taken.length > 0) this.#waiting = this.#waiting.filter((opening) => !isWanted(opening))
    return taken
  }
}
