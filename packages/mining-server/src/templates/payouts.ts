/**
 * The service that decides whom a block pays. Its answers may change while a server runs: a pool that pays its miners in the coinbase
 * (PPLNS) pays other outputs in every block. `Payouts.layer` implements fixed outputs and solo mining.
 */
import type { Output } from "@sluice/bitcoin"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import { Context, Effect, Layer, Stream } from "effect"
import { OptionError } from "../option-error.ts"
import { minerScript, outputConstraints, payoutOf, type PayoutOptions, splitReward, splitSoloReward } from "./payout.ts"

export interface PayoutsCalls {
  /**
   * The most room that the outputs take in a coinbase (7.1), now and whenever it changes. Each goes to the template provider.
   * Announce more room here before `outputs` returns outputs that need it.
   */
  readonly constraints: Stream.Stream<CoinbaseConstraints>
  /**
   * Returns the outputs of a coinbase that pays `reward` satoshis; their sum is at most `reward`. Called for each template. In
   * solo mining, `miner` is the script that the group's connections mine for.
   */
  readonly outputs: (reward: bigint, miner?: Uint8Array) => ReadonlyArray<Output>
  /** Only in solo mining: the script that a user's blocks pay, or undefined for a user that names no address. */
  readonly minerScript?: (userIdentity: string) => Uint8Array | undefined
}

export class Payouts extends Context.Service<Payouts, PayoutsCalls>()("sluice/mining-server/Payouts") {
  /** Pays one output, several outputs with percentages, or the miner that finds the block (`solo`). */
  static readonly layer = (options: PayoutOptions): Layer.Layer<Payouts, OptionError> =>
    Layer.effect(
      Payouts,
      Effect.map(Effect.fromResult(payoutOf(options)), (payout): PayoutsCalls => {
        const constraints = Stream.succeed(outputConstraints(payout))
        if (options.solo === undefined) return { constraints, outputs: (reward) => splitReward(payout, reward) }
        return {
          constraints,
          outputs: (reward, miner) =>
            miner === undefined ? splitReward(payout, reward) : splitSoloReward(payout, miner, reward),
          minerScript: (userIdentity) => minerScript(userIdentity, options.chain)
        }
      })
    )
}

/**
 * The scripts of a block's outputs, the first of which gets the reward: those that the pool demands in jobs that its clients set
 * (specification, section 6.4.3). None in solo mining, where each miner has its own.
 */
export const payoutScripts = ({ minerScript, outputs }: PayoutsCalls): ReadonlyArray<Uint8Array> =>
  minerScript === undefined ? outputs(0n).map(({ script }) => script) : []
