/** How rewards are divided. The policy of each settlement is kept with it, so that it can be computed again. */
import { Schema } from "effect"

/** The version of the arithmetic in this folder. A change of any result is a new version. */
export const SCHEME_VERSION = 1

/** Parts of a million: percentages with four decimals. */
const Fee = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))
/** Thousandths. */
const Milli = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

const common = {
  version: Schema.Literal(SCHEME_VERSION),
  /** The pool's part of each reward, in millionths. */
  fee: Fee
}

export const Policy = Schema.Union([
  /** The user who found the block gets it. */
  Schema.Struct({ ...common, scheme: Schema.Literal("solo") }),
  /** Shares since the block before. */
  Schema.Struct({ ...common, scheme: Schema.Literal("prop") }),
  /** The last shares, with `window` thousandths of the network's work for a block. */
  Schema.Struct({ ...common, scheme: Schema.Literal("pplns"), window: Milli }),
  /** The shares of the last `minutes`. */
  Schema.Struct({
    ...common,
    scheme: Schema.Literal("pplns-time"),
    minutes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
  }),
  /** The last shares, with eight times the network's work for a block. */
  Schema.Struct({ ...common, scheme: Schema.Literal("tides") }),
  /** Each share is bought for its part of a block's subsidy and fees. */
  Schema.Struct({ ...common, scheme: Schema.Literal("fpps") }),
  /** Each share is bought for its part of a block's subsidy. */
  Schema.Struct({ ...common, scheme: Schema.Literal("pps") })
])
export type Policy = typeof Policy.Type
export type SchemeName = Policy["scheme"]

/** The schemes in which a block pays for work that was done before it; the others buy each share. */
export type BlockPolicy = Exclude<Policy, { readonly scheme: "fpps" | "pps" }>
export type SharePolicy = Extract<Policy, { readonly scheme: "fpps" | "pps" }>

export const isBlockPolicy = (policy: Policy): policy is BlockPolicy =>
  policy.scheme !== "fpps" && policy.scheme !== "pps"

/** The work that a window of this policy has room for; undefined for windows without such a limit. */
export const windowWork = (policy: BlockPolicy, networkWork: bigint): bigint | undefined => {
  switch (policy.scheme) {
    case "pplns":
      return (networkWork * BigInt(policy.window)) / 1000n
    case "tides":
      return networkWork * 8n
    default:
      return undefined
  }
}
