/**
 * The wtxids of the transactions of templates. Most transactions of a template are those of the one before, in nearly the same order,
 * so only the others are hashed: a comparison takes a tenth of a hash.
 */
import { doubleSha256All } from "@sluice/bitcoin"

export class TemplateWtxids {
  #transactions: ReadonlyArray<Uint8Array> = []
  #wtxids: ReadonlyArray<Uint8Array> = []

  /** The wtxids of a template's transactions, 32 bytes each, internal order. Keeps both until the next call. */
  of(transactions: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> {
    const wtxids = Array.from<Uint8Array | undefined>({ length: transactions.length })
    const unknown: Array<number> = []
    /** Where the next one stands in the list before, if none was added, removed or moved here. */
    let next = 0
    for (let index = 0; index < transactions.length; index++) {
      const at = this.#find(transactions[index]!, next)
      if (at < 0) unknown.push(index)
      else {
        wtxids[index] = this.#wtxids[at]!
        next = at + 1
      }
    }
    const hashes = doubleSha256All(unknown.map((index) => transactions[index]!))
    for (const [place, index] of unknown.entries()) wtxids[index] = hashes.subarray(32 * place, 32 * place + 32)
    this.#transactions = transactions
    this.#wtxids = wtxids as ReadonlyArray<Uint8Array>
    return this.#wtxids
  }

  /** The place of a transaction in the list before, at or shortly behind `from`; -1 if it is not there. */
  #find(transaction: Uint8Array, from: number): number {
    const end = Math.min(this.#transactions.length, from + LOOK_AHEAD)
    for (let at = from; at < end; at++) if (isSame(this.#transactions[at]!, transaction)) return at
    return -1
  }
}

/** How many transactions may have left the list at one place. More cost a hash each. */
const LOOK_AHEAD = 8

const isSame = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length || a[OUTPOINT_AT] !== b[OUTPOINT_AT]) return false
  return Buffer.compare(a, b) === 0
}

/** In the txid that the first input spends: transactions differ there. */
const OUTPOINT_AT = 8
