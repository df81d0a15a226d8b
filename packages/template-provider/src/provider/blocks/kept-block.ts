/** A found block on its way to the nodes, and the file that keeps it while none of them is reachable. */
import type { BlockFiles } from "./block-files.ts"
import type { ThrottledLog } from "@sluice/transport"
import { Effect, Semaphore } from "effect"
import type { WaitingBlock } from "./block-queue.ts"

export interface FoundBlock {
  /** Display order. */
  readonly hash: string
  readonly height: number
  /** The whole block in hex. */
  readonly block: string
}

export interface KeptBlockOptions {
  readonly found: FoundBlock
  /** The address of the client that found it, or the directory that it was read from. */
  readonly from: string
  /** Milliseconds. */
  readonly since: number
  /** Where it may be kept; only in memory if undefined. */
  readonly files: BlockFiles | undefined
  /** For failures to write; a full disk causes many. */
  readonly throttled: ThrottledLog
  /** The file or directory, if an earlier run has kept the block. */
  readonly path?: string | undefined
}

export class KeptBlock implements WaitingBlock {
  readonly found: FoundBlock
  readonly from: string
  readonly since: number
  readonly size: number
  /** For log lines. */
  readonly name: string
  readonly #files: BlockFiles | undefined
  readonly #throttled: ThrottledLog
  readonly #isOfEarlierRun: boolean
  readonly #turn = Semaphore.makeUnsafe(1)
  #path: string | undefined
  #isConcluded = false

  constructor({ files, found, from, throttled, path, since }: KeptBlockOptions) {
    this.found = found
    this.from = from
    this.since = since
    this.size = found.block.length
    this.name = `block ${found.height}, ${found.hash}`
    this.#files = files
    this.#throttled = throttled
    this.#isOfEarlierRun = path !== undefined
    this.#path = path
  }

  /** The file that keeps the block, if there is one. */
  get path(): string | undefined {
    return this.#path
  }

  /** Whether a node has accepted or refused it. */
  get isConcluded(): boolean {
    return this.#isConcluded
  }

  /** Writes the file, once. */
  readonly save: Effect.Effect<void> = this.#inTurn((files) => {
    if (this.#isConcluded || this.#path !== undefined) return Effect.void
    return Effect.flatMap(files.save(this.found), (path) => {
      this.#path = path
      return this.#throttled.log("kept", `Kept ${this.name} in ${path}: no node is reachable to take it`, "Warn")
    })
  })

  /** Call it when a node has accepted or refused the block: it needs no file any more. */
  readonly conclude: Effect.Effect<void> = Effect.suspend(() => {
    this.#isConcluded = true
    return this.#remove
  })

  /** Call it when the block is dropped for others. A file of an earlier run stays for the next run. */
  readonly drop: Effect.Effect<void> = Effect.suspend(() => {
    this.#isConcluded = true
    return this.#isOfEarlierRun ? Effect.void : this.#remove
  })

  readonly #remove: Effect.Effect<void> = this.#inTurn((files) => {
    if (this.#path === undefined) return Effect.void
    return Effect.map(files.remove(this.found), () => {
      this.#path = undefined
    })
  })

  /** Runs one operation on the file at a time. A failure is only logged: it must not keep the block from the nodes. */
  #inTurn(operate: (files: BlockFiles) => Effect.Effect<void, { readonly message: string }>): Effect.Effect<void> {
    return this.#turn.withPermit(
      Effect.suspend(() => (this.#files === undefined ? Effect.void : operate(this.#files))).pipe(
        Effect.catch(({ message }) =>
          this.#throttled.log("file", `Cannot write or remove the file of ${this.name}: ${message}`, "Error")
        )
      )
    )
  }
}
