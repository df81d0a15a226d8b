/**
 * The merkle roots that a standard channel's last few jobs have. They follow from the job and the channel's prefix; the
 * newest are kept because shares name them, older ones are computed again, so that a channel costs the same memory
 * however long a previous hash lasts.
 */

const KEPT = 4

export class MerkleRoots {
  readonly #jobIds: Array<number> = []
  readonly #roots: Array<Uint8Array> = []
  #next = 0

  get(jobId: number): Uint8Array | undefined {
    for (let i = 0; i < this.#jobIds.length; i++) if (this.#jobIds[i] === jobId) return this.#roots[i]
    return undefined
  }

  /** Keeps a root in place of the oldest. */
  set(jobId: number, root: Uint8Array): void {
    this.#jobIds[this.#next] = jobId
    this.#roots[this.#next] = root
    this.#next = (this.#next + 1) % KEPT
  }
}
