/**
 * The accepted jobs of all connections, by the serial of their token: what the pool needs to tell of a block that it found on a custom
 * job. Jobs of connections that have ended stay until the next tip. Hashes of found blocks are remembered, so that each block is
 * submitted once, whoever tells of it first.
 */
import type { FairLimit } from "../../custom-job/fair-limit.ts"
import type { TransactionStore } from "../mempool/transaction-store.ts"
import { assemble, type BlockSolution, type DeclaredBlock, solve, type SolvedBlock } from "./declared-block.ts"

/** An accepted job, which holds its transactions in the store. */
export interface AcceptedJob {
  /** The serial of its token in hex. */
  readonly serial: string
  /** The address of its client, from `FairLimit.address`. */
  readonly address: string
  readonly block: DeclaredBlock
  /** Its share of the limit on bytes. */
  readonly bytes: number
}

/** A block to submit. `hash` in display order. */
export interface FoundBlock {
  readonly hash: string
  readonly height: number
  readonly block: Uint8Array
}

export class DeclaredJobs {
  readonly #store: TransactionStore
  readonly #bytes: FairLimit
  readonly #bySerial = new Map<string, AcceptedJob>()
  readonly #ownerless = new Set<AcceptedJob>()
  /** Hashes of found blocks, oldest first. */
  readonly #found = new Set<string>()

  constructor(store: TransactionStore, bytes: FairLimit) {
    this.#store = store
    this.#bytes = bytes
  }

  get size(): number {
    return this.#bySerial.size
  }

  get(serial: string): AcceptedJob | undefined {
    return this.#bySerial.get(serial)
  }

  add(job: AcceptedJob): void {
    this.#bySerial.set(job.serial, job)
  }

  /** Drops a job and lets its transactions go. */
  drop(job: AcceptedJob): void {
    if (!this.#bySerial.delete(job.serial)) return
    this.#ownerless.delete(job)
    for (const slot of job.block.slots) this.#store.release(slot)
    this.#bytes.add(job.address, -job.bytes)
  }

  /** The connection of the job has ended. */
  abandon(job: AcceptedJob): void {
    if (this.#bySerial.has(job.serial)) this.#ownerless.add(job)
  }

  /** The next block has this height from now on. */
  onTip(height: number): void {
    for (const job of this.#ownerless) if (job.block.tip.height < height) this.drop(job)
  }

  /** The block of a job with this solution, the first time that it is found. */
  solved(job: AcceptedJob, solution: BlockSolution): FoundBlock | "no-block" | "repeated" {
    const solved = solve(job.block, solution)
    return solved === undefined ? "no-block" : this.#first(solved)
  }

  #first({ block, coinbase, hash, header, height }: SolvedBlock): FoundBlock | "repeated" {
    if (this.#found.has(hash)) return "repeated"
    this.#found.add(hash)
    if (this.#found.size > MAX_FOUND) this.#found.delete(this.#found.values().next().value!)
    return { hash, height, block: assemble(header, coinbase, block, this.#store) }
  }
}

/** Hashes that are remembered. On mainnet there is one in ten minutes. */
const MAX_FOUND = 1_000
