/** The place and the policy of a ledger, as the pool and `sluice ledger` take them. */
import type { BlockPolicy, Policy } from "@sluice/ledger"
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

/** All schemes. The last two buy each share, and pay from the pool's wallet. */
export const SCHEMES = [...BLOCK_SCHEMES, "fpps", "pps"] as const

/** A policy of the numbers that operators give: percent, times the network's work, minutes. */
export const policyOfNumbers = (
  scheme: (typeof SCHEMES)[number],
  numbers: { readonly fee: number; readonly window: number; readonly minutes: number }
): Policy =>
  scheme === "fpps" || scheme === "pps"
    ? { version: 1, scheme, fee: Math.round(numbers.fee * 10_000) }
    : blockPolicy(scheme, numbers)

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
