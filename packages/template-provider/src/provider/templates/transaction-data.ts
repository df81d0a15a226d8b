/**
 * Answers to RequestTransactionData (specification, section 7.4), each encoded once for all templates with the same
 * transactions. The answers that clients asked for last are kept.
 */
import type { TemplateTransaction } from "@sluice/node"
import { Frame, TemplateDistribution } from "@sluice/protocol"
import type { Template, TemplateWork } from "./node-template.ts"

export class TransactionData {
  /** Each encoded with the number of the template that a client asked for first. The one asked for last is at the end. */
  readonly #frames = new Map<TemplateWork, { readonly id: bigint; readonly frame: Uint8Array }>()
  #bytes = 0

  /** RequestTransactionData.Success, encoded. */
  frameOf({ id, work }: Template): Uint8Array {
    const known = this.#frames.get(work)
    if (known !== undefined) {
      this.#frames.delete(work)
      this.#frames.set(work, known)
      return known.id === id ? known.frame : withNumber(known.frame, id)
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

  /** Call it when the tip has changed: no client gets the transactions of a stale template. */
  clear(): void {
    this.#frames.clear()
    this.#bytes = 0
  }
}

/** The template's number is the first field, a U64 in little-endian. */
const withNumber = (frame: Uint8Array, id: bigint): Uint8Array => {
  const copy = Uint8Array.from(frame)
  new DataView(copy.buffer).setBigUint64(Frame.headerSize, id, true)
  return copy
}

/** All are slices of one buffer, because a block has thousands. */
const bytesOf = (transactions: ReadonlyArray<TemplateTransaction>): ReadonlyArray<Uint8Array> => {
  const buffer = Buffer.allocUnsafeSlow(transactions.reduce((size, { data }) => size + data.length / 2, 0))
  const bytes = new Uint8Array(buffer.buffer)
  let at = 0
  return transactions.map(({ data }) => bytes.subarray(at, (at += buffer.write(data, at, "hex"))))
}

/** Room for some answers of full blocks, which have up to 4 MB. */
const MAX_BYTES = 32 * 1024 * 1024
