/** Counts the signature operations of scripts for the block limit, before any script runs (BIP141, "Sigops"). */
import { OP } from "@scure/btc-signer"
import type { Transaction } from "./transaction.ts"

/** The limit on signature operations in a block, in quarters of a legacy operation. */
export const MAX_BLOCK_SIGOPS_COST = 80_000

/**
 * The cost of all scriptSigs and scriptPubKeys of a transaction: four for each operation. It does not count operations in witness
 * scripts and redeem scripts: finding them takes the outputs that the transaction spends.
 */
export const legacySigopsCost = (transaction: Transaction): number => {
  let count = 0
  for (const input of transaction.inputs) count += sigopsOf(input.script)
  for (const output of transaction.outputs) count += sigopsOf(output.script)
  return count * 4
}

/** The cost of an output with this script. */
export const scriptSigopsCost = (script: Uint8Array): number => sigopsOf(script) * 4

/** Counts a script's CHECKSIGs, and 20 for each CHECKMULTISIG. Stops where the script is broken. */
const sigopsOf = (script: Uint8Array): number => {
  let count = 0
  let at = 0
  while (at < script.length) {
    const opcode = script[at] ?? 0
    at += 1
    if (opcode <= OP.PUSHDATA4) {
      const lengthSize = opcode < OP.PUSHDATA1 ? 0 : 1 << (opcode - OP.PUSHDATA1)
      if (at + lengthSize > script.length) break
      let length = lengthSize === 0 ? opcode : 0
      for (let i = 0; i < lengthSize; i++) length += (script[at + i] ?? 0) * 2 ** (8 * i)
      at += lengthSize + length
      if (at > script.length) break
    } else if (opcode === OP.CHECKSIG || opcode === OP.CHECKSIGVERIFY) {
      count += 1
    } else if (opcode === OP.CHECKMULTISIG || opcode === OP.CHECKMULTISIGVERIFY) {
      count += 20
    }
  }
  return count
}
