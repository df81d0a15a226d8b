/** The transactions of a declaration: which are in the store, which the client sends, and when they are held. */
import { BlockDecodeError, legacySigopsCost, parseTransaction } from "@sluice/bitcoin"
import { checkOwnTransaction } from "../blocks/block-check.ts"
import { type Refusal, refusal } from "../blocks/refusal.ts"
import type { TransactionStore } from "../mempool/transaction-store.ts"
import type { Declaration } from "./declaration.ts"

/** The least weight of a transaction: 60 bytes, none of them a witness. */
export const MIN_TRANSACTION_WEIGHT = 240

/** Holds the transactions that are in the store, and finds the positions of the others. */
export const locate = (declaration: Declaration, store: TransactionStore): void => {
  const { count, slots, wtxids } = declaration
  const missing: Array<number> = []
  for (let i = 0; i < count; i++) {
    const slot = store.find(wtxids, 32 * i)
    if (slot < 0) missing.push(i)
    else {
      slots[i] = slot
      store.hold(slot)
    }
  }
  declaration.missing = missing
  declaration.isLocated = true
}

/** The weight that the block has left for missing transactions, and so the most bytes that they have. */
export const roomFor = ({ coinbase, missing, slots, tip }: Declaration, store: TransactionStore): number => {
  let room = tip!.weightLimit - coinbase.transaction.weight
  let next = 0
  for (let i = 0; i < slots.length; i++) {
    if (missing[next] === i) next++
    else room -= store.weightOf(slots[i]!)
  }
  return Math.max(0, room)
}

/** Parses some of the transactions that the client has sent, about a millisecond's work, and holds them. Returns a fault. */
export const readSome = (declaration: Declaration, store: TransactionStore): Refusal | undefined => {
  const { missing, slots, tip, wtxids } = declaration
  const { transactionList } = declaration.answer!
  let read = 0
  while (declaration.come < missing.length && read < READ_AT_ONCE) {
    const position = missing[declaration.come]!
    const bytes = transactionList[declaration.come]!
    read += bytes.length
    try {
      const transaction = parseTransaction(bytes)
      const { wtxid } = transaction
      if (!wtxid.every((byte, index) => wtxids[32 * position + index] === byte)) {
        const actual = Buffer.from(wtxid.toReversed()).toString("hex")
        return refusal(
          "missing-txs",
          `position ${position}: the transaction's wtxid is ${actual}, not the declared one`
        )
      }
      const fault = checkOwnTransaction(transaction, position, tip!)
      if (fault !== undefined) return fault
      slots[position] = store.holdNew({ ...transaction, sigopsCost: legacySigopsCost(transaction) })
      declaration.come++
    } catch (error) {
      if (!(error instanceof BlockDecodeError)) throw error
      return refusal("missing-txs", `position ${position}: the transaction ${error.message}`)
    }
  }
  return undefined
}

/** Lets the transactions of a declaration go. */
export const release = (declaration: Declaration, store: TransactionStore): void => {
  const { come, isLocated, missing, slots } = declaration
  if (!isLocated) return
  let next = 0
  for (let i = 0; i < slots.length; i++) {
    const isMissing = missing[next] === i
    if (isMissing) next++
    // Of the missing ones, only those that have come are held.
    if (!isMissing || next <= come) store.release(slots[i]!)
  }
  declaration.isLocated = false
}

/** Bytes of transactions. */
const READ_AT_ONCE = 1 << 16
