/** Signature operations of scripts as the block limit counts them before any script runs (BIP141, "Sigops"). */
import { OP } from "@scure/btc-signer"
import type { Transaction } from "./transaction.ts"

/** Most signature operations in a block, in units of a quarter of a legacy one. */
export const MAX_BLOCK_SIGOPS_COST = 80_000

/**
 * The cost of all scriptSigs and scriptPubKeys of a transaction: four for each operation. Operations in witness scripts
 * and redeem scripts are not among them, because they take the outputs that are spent to find.
 */
export const legacySigopsCost = (transaction: Transaction): number => {
  let count = 0
  for (const input of transaction.inputs) count += sigopsOf(input.script)
  for (const output of transaction.outputs) count += sigopsOf(output.script)
  return count * 4
}

/** What an output with this script costs of the limit. */
export const scriptSigopsCost = (script: Uint8Array): number => sigopsOf(script) * 4

/** A script's CHECKSIGs, and 20 for each CHECKMULTISIG. Counting ends where the script is broken. */
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
