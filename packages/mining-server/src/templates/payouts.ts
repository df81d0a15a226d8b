/**
 * Who is paid for a block, as a service. The answers may change while a server runs: a pool that pays its miners in the
 * coinbase (PPLNS) pays others in every block. Fixed outputs and solo mining are the two that come with it.
 */
import type { Output } from "@sluice/bitcoin"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import { Context, Effect, Layer, Stream } from "effect"
import { OptionError } from "../option-error.ts"
import { minerScript, outputConstraints, payoutOf, type PayoutOptions, splitReward, splitSoloReward } from "./payout.ts"

export interface PayoutsCalls {
  /**
   * The room that the outputs take of a coinbase at most (7.1), now and whenever it changes. The template provider is told of
   * each: say so before `outputs` takes more room.
   */
  readonly constraints: Stream.Stream<CoinbaseConstraints>
  /**
   * The outputs of a coinbase that has `reward` satoshis to pay; their sum is at most that. Called for each template. `miner`
   * is the script of whom the connections mine for, in solo mining.
   */
  readonly outputs: (reward: bigint, miner?: Uint8Array) => ReadonlyArray<Output>
  /** Only in solo mining: the script that a user's blocks pay, or undefined for a user that names no address. */
  readonly minerScript?: (userIdentity: string) => Uint8Array | undefined
}

export class Payouts extends Context.Service<Payouts, PayoutsCalls>()("sluice/mining-server/Payouts") {
  /** Pays an address, several with percentages, or each miner itself (`solo`). */
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
