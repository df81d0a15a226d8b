/** The place and the policy of a ledger, as the pool and `sluice ledger` take them. */
import type { BlockPolicy, LedgerPlace, Policy } from "@sluice/ledger"
import { Redacted, Result } from "effect"
import { text } from "./value.ts"

/** The place of a ledger. Its text may have a password, which stands before the @, and is not shown. */
export const ledgerUrl = text(
  {
    metavar: "sqlite:FILE|postgres://...",
    expected: "sqlite: and the path of a file, such as sqlite:pool.ledger, or postgres://USER:PASSWORD@HOST/NAME"
  },
  (input): Result.Result<LedgerPlace, string> => {
    const [, file] = /^sqlite:(.+)$/.exec(input) ?? []
    if (file !== undefined) return Result.succeed({ file })
    if (!/^postgres(ql)?:/.test(input) || !URL.canParse(input)) return Result.fail("")
    const { hostname, pathname, searchParams, username } = new URL(input)
    if (username === "" && !searchParams.has("user")) return Result.fail("it names no user")
    if (hostname === "" && !searchParams.has("host")) return Result.fail("it names no host")
    return pathname.length < 2
      ? Result.fail("it names no database")
      : Result.succeed({ postgres: Redacted.make(input) })
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
