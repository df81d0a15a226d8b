/** Messages between the main thread and a hashing thread, in addition to their shared memory. */
import type { ChannelWork } from "@sluice/channels"
import type { FoundShare, Lane, SearchSpace } from "./search.ts"

export type ToThread =
  /** The first message. */
  | { readonly _tag: "Begin"; readonly lane: Lane; readonly space: SearchSpace; readonly shared: SharedArrayBuffer }
  | { readonly _tag: "Measure" }
  /** Stale if the shared work number differs when the thread reads it. */
  | { readonly _tag: "Start"; readonly workNumber: number; readonly work: ChannelWork; readonly elapsedMs: number }

export type FromThread =
  | { readonly _tag: "Measured"; readonly hashesPerSecond: number }
  | { readonly _tag: "Found"; readonly workNumber: number; readonly share: FoundShare }

/**
 * The memory that the threads share. The main thread sets the work number before it sends new work. A thread checks the number
 * every millisecond, so it soon sees that its work is stale.
 */
export class SharedState {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #hashes: BigInt64Array

  constructor(threads: number, buffer = new SharedArrayBuffer(8 + 8 * threads)) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer, 0, 2)
    this.#hashes = new BigInt64Array(buffer, 8, threads)
  }

  /** 0 for no work. */
  get workNumber(): number {
    return Atomics.load(this.#words, WORK_NUMBER)
  }

  set workNumber(value: number) {
    Atomics.store(this.#words, WORK_NUMBER, value)
  }

  /** Shares that were found and not yet taken by the main thread. */
  get waiting(): number {
    return Atomics.load(this.#words, WAITING)
  }

  addWaiting(count: number): void {
    Atomics.add(this.#words, WAITING, count)
  }

  addHashes(thread: number, count: number): void {
    Atomics.add(this.#hashes, thread, BigInt(count))
  }

  /** Hashes of all threads. */
  get hashes(): number {
    let sum = 0
    for (let i = 0; i < this.#hashes.length; i++) sum += Number(Atomics.load(this.#hashes, i))
    return sum
  }
}

const WORK_NUMBER = 0
const WAITING = 1
