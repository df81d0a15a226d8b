/** The custom jobs of a pool: accepted with the tokens of its declarator if they pay the outputs of `Payouts`. */
import {
  AcceptCustomJobs,
  type CustomBlock,
  customBlockOf,
  type CustomJobLimits,
  isPayoutPercent,
  type Tokens
} from "@sluice/job-declaration"
import { type CustomWork, OptionError, type PayoutsCalls, payoutScripts } from "@sluice/mining-server"
import { Effect, Result } from "effect"

export interface CustomWorkOptions {
  /** With the key of the declarator, so that its tokens are good here. */
  readonly tokens: Tokens
  /**
   * The least part of a coinbase's value that goes to the pool's payout output, in percent: above 0, with at most four decimals.
   * Default 100.
   */
  readonly minPayoutPercent?: number
  readonly limits?: Partial<CustomJobLimits>
  /**
   * Submits a block of a declared job, whose transactions a declarator in this process has. Returns false if it has none for the
   * serial of the block's token.
   */
  readonly submitBlock?: (block: CustomBlock) => Effect.Effect<boolean>
}

export const DEFAULT_MIN_PAYOUT_PERCENT = 100

/** Makes the `customWork` of a server of miners. Fails with the option that is wrong. */
export const customWorkOf = (
  payouts: PayoutsCalls,
  options: CustomWorkOptions
): Result.Result<CustomWork, OptionError> => {
  const { limits = {}, minPayoutPercent = DEFAULT_MIN_PAYOUT_PERCENT, submitBlock, tokens } = options
  if (!isPayoutPercent(minPayoutPercent)) {
    const expected = "a percentage above 0, at most 100, with at most four decimals"
    return Result.fail(OptionError.of("minPayoutPercent", `expected ${expected}; got ${minPayoutPercent}`))
  }
  if (payouts.minerScript !== undefined) {
    const message = "a solo pool takes no custom jobs: it has no payout output for them, and such a miner needs no pool"
    return Result.fail(OptionError.of("customJobs", message))
  }
  const accepted = new AcceptCustomJobs({
    tokens,
    limits,
    payout: () => ({ scripts: payoutScripts(payouts), minPercent: minPayoutPercent })
  })
  return Result.succeed({
    of: (host) => accepted.of(host),
    submit: (found) => {
      const block = customBlockOf(found)
      return block === undefined ? Effect.void : submit(block, submitBlock)
    }
  })
}

const submit = (block: CustomBlock, submitBlock: CustomWorkOptions["submitBlock"]): Effect.Effect<void> => {
  const { hash, height, mode } = block
  const only = (why: string) => Effect.logInfo(`Only its client can submit block ${height}, ${hash}: ${why}`)
  if (mode === "coinbase-only") return only("it has not revealed the transactions of its job (coinbase-only mode)")
  if (submitBlock === undefined) return only("the declarator that has its transactions is another process")
  return Effect.flatMap(submitBlock(block), (isKnown) =>
    isKnown
      ? Effect.void
      : Effect.logWarning(
          `Block ${height}, ${hash}, is not submitted here: the declarator has forgotten its transactions`
        )
  )
}
