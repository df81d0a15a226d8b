/**
 * The answers to RequestTransactionData (specification, section 7.4), each encoded once for all templates with the same
 * transactions. Those that were asked for last are kept.
 */
import type { TemplateTransaction } from "@sluice/node"
import { Frame, TemplateDistribution } from "@sluice/protocol"
import type { Template, TemplateWork } from "./node-template.ts"

export class TransactionData {
  /** Under the number of the template that was asked for first; what was asked for last is the last one. */
  readonly #frames = new Map<TemplateWork, { readonly id: bigint; readonly frame: Uint8Array }>()
  #bytes = 0

  /** RequestTransactionData.Success, encoded. */
  frameOf({ id, work }: Template): Uint8Array {
    const known = this.#frames.get(work)
    if (known !== undefined) {
      this.#frames.delete(work)
      this.#frames.set(work, known)
      return known.id === id ? known.frame : underNumber(known.frame, id)
    }
    const frame = TemplateDistribution.protocol.toClient.encode(
      TemplateDistribution.RequestTransactionDataSuccess.make({
        templateId: id,
        excessData: work.commitment,
        transactionList: bytesOf(work.transactions)
      })
    )
    this.#frames.set(work, { id, frame })
    this.#bytes += frame.length
    for (const [oldest, { frame }] of this.#frames) {
      if (this.#bytes <= MAX_BYTES || oldest === work) break
      this.#frames.delete(oldest)
      this.#bytes -= frame.length
    }
    return frame
  }

  /** To be called when the tip has changed: nobody gets the transactions of a stale template. */
  clear(): void {
    this.#frames.clear()
    this.#bytes = 0
  }
}

/** The number is the first field, a U64 in little-endian. */
const underNumber = (frame: Uint8Array, id: bigint): Uint8Array => {
  const copy = Uint8Array.from(frame)
  new DataView(copy.buffer).setBigUint64(Frame.headerSize, id, true)
  return copy
}

/** Cut from one buffer: a block has thousands. */
const bytesOf = (transactions: ReadonlyArray<TemplateTransaction>): ReadonlyArray<Uint8Array> => {
  const buffer = Buffer.allocUnsafeSlow(transactions.reduce((size, { data }) => size + data.length / 2, 0))
  const bytes = new Uint8Array(buffer.buffer)
  let at = 0
  return transactions.map(({ data }) => bytes.subarray(at, (at += buffer.write(data, at, "hex"))))
}

/** Some answers of full blocks, which have up to 4 MB. */
const MAX_BYTES = 32 * 1024 * 1024
