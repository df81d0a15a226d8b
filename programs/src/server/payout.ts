/** The keys for the outputs that a pool demands in coinbases. */
import { optional } from "../config/key.ts"
import { payoutAddress, payoutShares } from "../config/stratum.ts"
import { choice } from "../config/value.ts"

export const payoutKeys = {
  coinbaseAddress: optional(payoutAddress, {
    description: "The address that a block pays; or give coinbase-outputs.",
    example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    usual: true
  }),
  coinbaseOutputs: optional(payoutShares, {
    description:
      "Several outputs that a block pays. Percentages have at most four decimals and sum to 100. The first output gets the rest of rounding.",
    example: ["97.5 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "2.5 addr(mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn)"]
  })
}

export const chainKey = {
  chain: optional(choice(["main", "test", "testnet4", "signet", "regtest"]), {
    description: "The chain of the addresses: others are refused. Default: any.",
    example: "main"
  })
}
