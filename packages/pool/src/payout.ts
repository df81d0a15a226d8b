/** Who is paid for a block: the outputs that the pool adds to the coinbase. */
import { type AddressError, type Chain, compactSize, scriptForAddress } from "@sluice/bitcoin"
import { Result } from "effect"

/**
 * The scriptPubKey for an address of `chain`, or, without it, of any network: the address itself says which. Fails with
 * `AddressError`.
 */
export const payoutScript = (address: string, chain?: Chain): Result.Result<Uint8Array, AddressError> => {
  const [first = "main", ...others] = chain === undefined ? CHAINS : [chain]
  const attempt = (chain: Chain) =>
    Result.try({ try: () => scriptForAddress(address, chain), catch: (error) => error as AddressError })
  let result = attempt(first)
  for (const other of others) if (Result.isFailure(result)) result = attempt(other)
  return result
}

/** Test networks first, so that what is said of an address that is none names mainnet's form. */
const CHAINS: ReadonlyArray<Chain> = ["regtest", "test", "main"]

/** What a coinbase with one output for this script takes of a block (specification, section 7.1). */
export const outputConstraints = (script: Uint8Array) => ({
  coinbaseOutputMaxAdditionalSize: 8 + compactSize(script.length).length + script.length,
  // Of the scripts that addresses stand for only pay-to-public-key-hash has an operation, which counts four times.
  coinbaseOutputMaxAdditionalSigops: script[0] === OP_DUP ? 4 : 0
})

const OP_DUP = 0x76
