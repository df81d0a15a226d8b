/**
 * Chooses the worker of a new connection: the one with the fewest connections. An address stays with its worker while that one has
 * hardly more than the others, because the worker remembers the hash rates of the users there.
 */

/** Addresses whose last worker is remembered. */
const MAX_ADDRESSES = 16_384

export class Placement<Worker extends { readonly load: number }> {
  /** The addresses that connected last are at the end. */
  readonly #last = new Map<string, Worker>()

  /** Chooses among the workers that serve; `undefined` if there is none. */
  choose(address: string, workers: Iterable<Worker>): Worker | undefined {
    let least: Worker | undefined
    let home: Worker | undefined
    const last = this.#last.get(address)
    for (const worker of workers) {
      if (least === undefined || worker.load < least.load) least = worker
      if (worker === last) home = worker
    }
    if (least === undefined) return undefined
    const chosen = home !== undefined && home.load <= least.load + slackOf(least.load) ? home : least
    this.#last.delete(address)
    this.#last.set(address, chosen)
    if (this.#last.size > MAX_ADDRESSES) this.#last.delete(this.#last.keys().next().value!)
    return chosen
  }
}

/** How many connections more a worker may have: three percent. */
const slackOf = (load: number): number => load >> 5
