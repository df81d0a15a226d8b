/** The place and the policy of a ledger, as the pool and `sluice ledger` take them. */
import type { BlockPolicy } from "@sluice/ledger"
import { Result } from "effect"
import { text } from "./value.ts"

/** The place of a ledger. */
export const ledgerUrl = text(
  { metavar: "sqlite:FILE", expected: "sqlite: and the path of a file, such as sqlite:pool.ledger" },
  (input) => {
    const [, path = ""] = /^sqlite:(.+)$/.exec(input) ?? []
    return path === "" ? Result.fail("") : Result.succeed(path)
  }
)

/** The schemes that pay in the coinbase. */
export const BLOCK_SCHEMES = ["solo", "prop", "pplns", "pplns-time", "tides"] as const

/** A policy of the numbers that operators give: percent, times the network's work, minutes. */
export const blockPolicy = (
  scheme: (typeof BLOCK_SCHEMES)[number],
  numbers: { readonly fee: number; readonly window: number; readonly minutes: number }
): BlockPolicy => {
  const common = { version: 1, fee: Math.round(numbers.fee * 10_000) } as const
  switch (scheme) {
    case "pplns":
      return { ...common, scheme, window: Math.round(numbers.window * 1_000) }
    case "pplns-time":
      return { ...common, scheme, minutes: numbers.minutes }
    default:
      return { ...common, scheme }
  }
}
