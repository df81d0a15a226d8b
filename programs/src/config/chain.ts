/** The chain of a configuration, to show addresses: what it says, or the chain of the addresses that it has. */
import { type Chain, scriptForAddress } from "@sluice/bitcoin"

/** Mainnet first: its addresses are of no other chain. */
const CHAINS = ["main", "test", "regtest"] as const

/** The chain of the first of these texts that is an address, also as `addr(ADDRESS)`. Test networks share theirs. */
export const chainOf = (addresses: ReadonlyArray<string | undefined>): Chain | undefined => {
  for (const text of addresses) {
    const address = text?.replace(/^addr\((\w+)\).*$/, "$1") ?? ""
    for (const chain of CHAINS) if (isOf(address, chain)) return chain
  }
  return undefined
}

const isOf = (address: string, chain: Chain): boolean => {
  try {
    return scriptForAddress(address, chain).length > 0
  } catch {
    return false
  }
}
