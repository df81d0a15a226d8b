/**
 * Reads the coinbase of DeclareMiningJob (specification, section 6.4.4), which has BIP141's fields and a gap for the extranonce. The
 * message does not say the size of the gap: it is what the scriptSig's length leaves between the halves. SetCustomMiningJob can only
 * say a script that ends with the extranonce (5.3.18), so the suffix begins with the input's sequence.
 */
import {
  heightPush,
  MAX_COINBASE_SCRIPT_SIZE,
  parseJobCoinbase,
  pushedHeight,
  stripWitness,
  type Transaction
} from "@sluice/bitcoin"
import { Result } from "effect"
import type { DeclaredJob } from "../../token/tokens.ts"
import { type Refusal, refusal } from "./refusal.ts"

export interface DeclaredCoinbase {
  /** With zeros for the extranonce. */
  readonly transaction: Transaction
  readonly extranonceSize: number
  /** The height that its script pushes (BIP34). */
  readonly height: number
  /** Both halves without BIP141's fields: with the extranonce between them they hash to the txid. */
  readonly stripped: { readonly prefix: Uint8Array; readonly suffix: Uint8Array }
  /** The parts that SetCustomMiningJob says too. Copies. */
  readonly fields: Pick<
    DeclaredJob,
    "coinbaseTxVersion" | "coinbasePrefix" | "coinbaseTxInputNSequence" | "coinbaseTxOutputs" | "coinbaseTxLocktime"
  >
}

export const readDeclaredCoinbase = (
  prefix: Uint8Array,
  suffix: Uint8Array
): Result.Result<DeclaredCoinbase, Refusal> => {
  const hasMarker = prefix[4] === 0
  const scriptAt = (hasMarker ? 6 : 4) + INPUT_SIZE
  const scriptSize = prefix[scriptAt - 1]
  if (scriptSize === undefined) {
    return input(`coinbase_tx_prefix ends in the coinbase's script; it has ${prefix.length} bytes`)
  }
  if (!NULL_INPUT.every((byte, index) => prefix[scriptAt - INPUT_SIZE + index] === byte)) {
    return input("a coinbase has one input, which spends the null output")
  }
  if (scriptSize < 2 || scriptSize > MAX_COINBASE_SCRIPT_SIZE) {
    return input(`the script of a coinbase has 2 to ${MAX_COINBASE_SCRIPT_SIZE} bytes; it has ${scriptSize}`)
  }
  const extranonceSize = scriptAt + scriptSize - prefix.length
  if (extranonceSize < 0 || extranonceSize > MAX_EXTRANONCE_SIZE) {
    return input(
      `a script of ${scriptSize} bytes, of which coinbase_tx_prefix has ${prefix.length - scriptAt}, leaves ` +
        `${extranonceSize} for the extranonce; expected 0 to ${MAX_EXTRANONCE_SIZE}`
    )
  }
  const parsed = parseJobCoinbase({ prefix, extranonceSize, suffix })
  if (Result.isFailure(parsed)) return coinbase(parsed.failure.message)
  const transaction = parsed.success
  const script = prefix.slice(scriptAt)
  const height = pushedHeight(script)
  if (height <= 0 || height > 0x7fffffff || !heightPush(height).every((byte, index) => script[index] === byte)) {
    return input("the coinbase's script begins with a push of the block's height (BIP34)")
  }
  const stripped = stripWitness(prefix, suffix)
  if (Result.isFailure(stripped)) return coinbase(stripped.failure.message)
  const { prefix: front, suffix: back } = stripped.success
  const view = new DataView(back.buffer, back.byteOffset, back.length)
  return Result.succeed({
    transaction,
    extranonceSize,
    height,
    stripped: { prefix: front.slice(), suffix: back.slice() },
    fields: {
      coinbaseTxVersion: transaction.version >>> 0,
      coinbasePrefix: script,
      coinbaseTxInputNSequence: view.getUint32(0, true),
      coinbaseTxOutputs: back.slice(4, -4),
      coinbaseTxLocktime: view.getUint32(back.length - 4, true)
    }
  })
}

const input = (details: string) => Result.fail(refusal("invalid-coinbase-tx-input", details))
const coinbase = (details: string) => Result.fail(refusal("invalid-coinbase-tx", details))

/** The count of inputs, the null output, and the length of the script. */
const INPUT_SIZE = 1 + 36 + 1
const NULL_INPUT = [1, ...new Uint8Array(32), 0xff, 0xff, 0xff, 0xff]
/** Section 5.1. */
const MAX_EXTRANONCE_SIZE = 32
