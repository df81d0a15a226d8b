/**
 * The coinbase of a job that a miner declares (specification, sections 5.3.18 and 6.4.4): made of a template, the pool's outputs and the
 * miner's own. The script ends with the extranonce: the pool puts the coinbase together from the bytes before it.
 */
import {
  addWitness,
  CoinbaseError,
  compactSize,
  isWitnessCommitment,
  MAX_COINBASE_SIZE,
  type Output,
  parseTemplateCoinbase,
  serializeOutputs,
  splitCoinbase,
  WITNESS_SIZE
} from "@sluice/bitcoin"
import type { TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"

export interface DeclaredCoinbaseParts {
  readonly template: TemplateDistribution.NewTemplate
  /** The first one gets what the miner's own outputs leave. */
  readonly poolOutputs: ReadonlyArray<Output>
  /** The miner's own outputs; their sum is at most the reward. */
  readonly ownOutputs: ReadonlyArray<Output>
  /** Text of the script behind the height; may be empty. */
  readonly tags: Uint8Array
  /** The prefix of the channel and what it rolls, in bytes. */
  readonly extranonceSize: number
}

export interface DeclaredCoinbase {
  readonly height: number
  /** The halves around the extranonce, without BIP141 fields. */
  readonly prefix: Uint8Array
  readonly suffix: Uint8Array
  /** Whether the block's coinbase has a witness: an output commits to witnesses (BIP141). */
  readonly hasWitness: boolean
  /** The script up to the extranonce: `coinbase_prefix` of SetCustomMiningJob. */
  readonly scriptPrefix: Uint8Array
  /** All outputs behind their count: `coinbase_tx_outputs` of SetCustomMiningJob. */
  readonly outputs: Uint8Array
}

/** Makes the coinbase. Fails with `CoinbaseError` if the template, the tags or the outputs make none that a block may have. */
export const declaredCoinbase = ({
  extranonceSize,
  ownOutputs,
  poolOutputs,
  tags,
  template
}: DeclaredCoinbaseParts): Result.Result<DeclaredCoinbase, CoinbaseError> =>
  Result.gen(function* () {
    const parsed = yield* parseTemplateCoinbase(template)
    const own = ownOutputs.reduce((sum, { value }) => sum + value, 0n)
    const left = template.coinbaseTxValueRemaining - own
    const [first, ...others] = poolOutputs
    if (first === undefined || left < 0n) {
      return yield* Result.fail(
        new CoinbaseError({ message: `the miner's outputs leave ${left} satoshis to the pool` })
      )
    }
    const outputs = [{ ...first, value: left }, ...others, ...ownOutputs]
    const { prefix, suffix } = yield* splitCoinbase({
      version: template.coinbaseTxVersion,
      prefix: template.coinbasePrefix,
      tags,
      extranonceSize,
      sequence: template.coinbaseTxInputSequence,
      outputs,
      templateOutputs: template.coinbaseTxOutputs,
      templateOutputsCount: template.coinbaseTxOutputsCount,
      lockTime: template.coinbaseTxLocktime
    })
    const size = prefix.length + extranonceSize + suffix.length + WITNESS_SIZE
    if (size > MAX_COINBASE_SIZE) {
      const message = `the coinbase would have ${size} bytes; SubmitSolution carries ${MAX_COINBASE_SIZE} at most`
      return yield* Result.fail(new CoinbaseError({ message }))
    }
    return {
      height: parsed.height,
      prefix,
      suffix,
      hasWitness: parsed.outputs.some(({ script }) => isWitnessCommitment(script)),
      scriptPrefix: prefix.slice(SCRIPT_AT),
      outputs: new Uint8Array(
        Buffer.concat([
          compactSize(outputs.length + template.coinbaseTxOutputsCount),
          serializeOutputs(outputs),
          template.coinbaseTxOutputs
        ])
      )
    }
  })

/** The halves with BIP141's fields, if the coinbase has them: as DeclareMiningJob carries them (6.4.4). */
export const wholeHalves = ({
  hasWitness,
  prefix,
  suffix
}: Pick<DeclaredCoinbase, "hasWitness" | "prefix" | "suffix">): {
  readonly prefix: Uint8Array
  readonly suffix: Uint8Array
} => {
  if (!hasWitness) return { prefix, suffix }
  const whole = addWitness(new Uint8Array(Buffer.concat([prefix, suffix])))
  const cut = prefix.length + MARKER_SIZE
  return { prefix: whole.subarray(0, cut), suffix: whole.subarray(cut) }
}

/** The whole coinbase of a block with this extranonce. */
export const coinbaseOf = (
  { hasWitness, prefix, suffix }: Pick<DeclaredCoinbase, "hasWitness" | "prefix" | "suffix">,
  extranonce: Uint8Array
): Uint8Array => {
  const stripped = new Uint8Array(Buffer.concat([prefix, extranonce, suffix]))
  return hasWitness ? addWitness(stripped) : stripped
}

/** The script follows the version, the number of inputs, the outpoint and its own size of one byte. */
const SCRIPT_AT = 4 + 1 + 36 + 1
/** BIP144's marker and flag. */
const MARKER_SIZE = 2
