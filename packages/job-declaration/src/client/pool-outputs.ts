/** The outputs that a pool wants in the coinbase of a declared job, from AllocateMiningJobToken.Success (specification, section 6.4.3). */
import {
  compactSize,
  type CoinbaseError,
  MAX_PAYOUTS_SIZE,
  type Output,
  parseOutputs,
  scriptSigopsCost,
  unpayableReason
} from "@sluice/bitcoin"
import { Result } from "effect"

/** The first output is the pool's payout. None has a value as yet. */
export interface PoolOutputs {
  readonly outputs: ReadonlyArray<Output>
  /** As they came, without the count. */
  readonly bytes: Uint8Array
  /** Signature operations, as a block's limit counts them. */
  readonly sigops: number
}

/** Reads the outputs behind their count. Fails with a sentence if no reward can be put on the first one, or they are too large. */
export const readPoolOutputs = (counted: Uint8Array): Result.Result<PoolOutputs, string> => {
  const count = readCount(counted)
  if (count === undefined) return Result.fail("it begins with no count of outputs (CompactSize)")
  const size = compactSize(count).length
  // Copied, because they outlast the message.
  const bytes = counted.slice(size)
  if (bytes.length > MAX_PAYOUTS_SIZE) {
    return Result.fail(`its outputs take ${bytes.length} bytes; a coinbase has room for ${MAX_PAYOUTS_SIZE}`)
  }
  return Result.flatMap(
    Result.mapError(parseOutputs(bytes, count), ({ message }: CoinbaseError) => message),
    (outputs) => {
      const [first] = outputs
      if (first === undefined) return Result.fail("it has no output, and the first one would be the pool's payout")
      const valued = outputs.findIndex(({ value }) => value !== 0n)
      if (valued >= 0) {
        return Result.fail(
          `output ${valued} has a value of ${outputs[valued]!.value}; the client puts the values on them`
        )
      }
      const reason = unpayableReason(first.script)
      if (reason !== undefined) return Result.fail(`its first output, the pool's payout, ${reason}`)
      return Result.succeed({
        outputs,
        bytes,
        sigops: outputs.reduce((sum, { script }) => sum + scriptSigopsCost(script), 0)
      })
    }
  )
}

/** A count in its shortest form of one or three bytes: no more outputs than that fit. */
const readCount = (bytes: Uint8Array): number | undefined => {
  const first = bytes[0]
  if (first === undefined || first < 0xfd) return first
  if (first !== 0xfd || bytes.length < 3) return undefined
  const count = bytes[1]! + bytes[2]! * 256
  return count < 0xfd ? undefined : count
}
