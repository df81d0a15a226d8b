/** Who is paid by a block: those who found the pool's last shares, in proportion to their work (PPLNS). */
import type { Output } from "@sluice/bitcoin"

/** The shares that a block pays. */
const WINDOW = 1_000
/** The most outputs of a coinbase: users with less work than the first so many are not paid by the block. */
const MAX_OUTPUTS = 100
/** Amounts are in parts of this whole. */
const WHOLE = 1_000_000

export interface PaidShare {
  /** The script that the user is paid with. */
  readonly script: Uint8Array
  /** The share's difficulty. */
  readonly work: number
}

export class LastShares {
  readonly #shares: Array<PaidShare> = []

  add(share: PaidShare): void {
    this.#shares.push(share)
    if (this.#shares.length > WINDOW) this.#shares.shift()
  }

  /** How many outputs the coinbase has. */
  get outputCount(): number {
    return Math.max(1, this.#users().length)
  }

  /** The outputs of a block that pays `reward`, the largest first; to `others` while there are no shares. */
  outputs(reward: bigint, others: Uint8Array): ReadonlyArray<Output> {
    const users = this.#users()
    const sum = users.reduce((sum, { work }) => sum + work, 0)
    const outputs = users.map(({ script, work }) => {
      const part = BigInt(Math.floor((work / sum) * WHOLE))
      return { script, value: (reward * part) / BigInt(WHOLE) }
    })
    const [first = { script: others, value: 0n }, ...rest] = outputs
    // The rest of rounding down is the first one's.
    return [{ ...first, value: reward - rest.reduce((sum, { value }) => sum + value, 0n) }, ...rest]
  }

  /** The users of the last shares, those with the most work first. */
  #users(): ReadonlyArray<PaidShare> {
    const users = new Map<string, PaidShare>()
    for (const { script, work } of this.#shares) {
      const key = Buffer.from(script).toString("hex")
      users.set(key, { script, work: work + (users.get(key)?.work ?? 0) })
    }
    return [...users.values()].toSorted((a, b) => b.work - a.work).slice(0, MAX_OUTPUTS)
  }
}
