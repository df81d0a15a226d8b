/**
 * Answers to RequestTransactionData (specification, section 7.4), each encoded once for all templates with the same
 * transactions. The answers that clients asked for last are kept.
 */
import type { TemplateTransaction } from "@sluice/node"
import { TemplateDistribution } from "@sluice/protocol"
import type { Template, TemplateWork } from "./node-template.ts"

export class TransactionData {
  /** Each with the number of the template that a client asked for first. The answer that was asked for last is at the end. */
  readonly #answers = new Map<TemplateWork, TemplateDistribution.RequestTransactionDataSuccess>()
  #bytes = 0

  answerFor({ id, work }: Template): TemplateDistribution.RequestTransactionDataSuccess {
    const known = this.#answers.get(work)
    if (known !== undefined) {
      this.#answers.delete(work)
      this.#answers.set(work, known)
      return known.templateId === id ? known : { ...known, templateId: id }
    }
    const answer = TemplateDistribution.RequestTransactionDataSuccess.make({
      templateId: id,
      excessData: work.commitment,
      transactionList: bytesOf(work.transactions)
    })
    this.#answers.set(work, answer)
    this.#bytes += sizeOf(answer)
    for (const [oldest, answer] of this.#answers) {
      if (this.#bytes <= MAX_BYTES || oldest === work) break
      this.#answers.delete(oldest)
      this.#bytes -= sizeOf(answer)
    }
    return answer
  }

  /** Call it when the tip has changed: no client gets the transactions of a stale template. */
  clear(): void {
    this.#answers.clear()
    this.#bytes = 0
  }
}

/** The answer to RequestTransactionData. */
export type TransactionAnswer =
  | TemplateDistribution.RequestTransactionDataSuccess
  | TemplateDistribution.RequestTransactionDataError

const sizeOf = (answer: TransactionAnswer): number => TemplateDistribution.protocol.toClient.encodedSize(answer)

/** All are slices of one buffer, because a block has thousands. */
const bytesOf = (transactions: ReadonlyArray<TemplateTransaction>): ReadonlyArray<Uint8Array> => {
  const buffer = Buffer.allocUnsafeSlow(transactions.reduce((size, { data }) => size + data.length / 2, 0))
  const bytes = new Uint8Array(buffer.buffer)
  let at = 0
  return transactions.map(({ data }) => bytes.subarray(at, (at += buffer.write(data, at, "hex"))))
}

/** Room for some answers of full blocks, which have up to 4 MB. */
const MAX_BYTES = 32 * 1024 * 1024
