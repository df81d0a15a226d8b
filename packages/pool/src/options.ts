/** How a pool is to work. */
import { type Chain, coinbaseTags, splitCoinbase } from "@sluice/bitcoin"
import {
  type CoinbaseRules,
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceSpace,
  Server
} from "@sluice/channels"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import type { Setup } from "@sluice/transport"
import { type Duration, Effect, Result, Schema } from "effect"
import { outputConstraints, payoutScript } from "./payout.ts"

export interface PoolOptions {
  /** Who is paid for a block. */
  readonly coinbaseAddress: string
  /** Refuses an address of another network. By default any will do. */
  readonly chain?: Chain
  /** The pool's name in the coinbase, which then has `Sv2/NAME//`. Default "Sluice". */
  readonly tag?: string
  /** Called for each accepted share, before it is acknowledged. It must not block; if it throws, the connection ends. */
  readonly onShare?: (share: Server.ShareAccepted) => void
  /** Rules for channels and shares, where they differ from `Server.defaultChannelPolicy` of @sluice/channels. */
  readonly policy?: Partial<Server.ChannelPolicy>
  /** How the extranonce is divided, where it differs from `defaultExtranonceLayout`. */
  readonly extranonce?: Partial<ExtranonceLayout>
  /** Whether miners may roll the version bits of BIP323. Default true. */
  readonly versionRolling?: boolean
  /** How long a connection may stay without a channel (5.3.2). Default 1 minute. */
  readonly channelTimeout?: Duration.Input
  /** Bytes of jobs that may wait for a peer to read; when more come, it is dropped. Default 1 MiB. */
  readonly maxPendingBytes?: number
}

/** An option that cannot be. */
export class PoolOptionError extends Schema.TaggedError<PoolOptionError>("sluice/pool/PoolOptionError")(
  "PoolOptionError",
  { option: Schema.String, message: Schema.String }
) {}

/** What the options come to. */
export interface PoolRules {
  readonly coinbase: CoinbaseRules
  readonly policy: Server.ChannelPolicy
  readonly space: ExtranonceSpace
}

/** Checks everything that would otherwise show with the first template or the first miner. */
export const rulesOf = (options: PoolOptions): Effect.Effect<PoolRules, PoolOptionError> =>
  Effect.try({
    try: () => {
      const script = Result.getOrThrow(payoutScript(options.coinbaseAddress, options.chain))
      const layout = { ...defaultExtranonceLayout, ...options.extranonce }
      const coinbase: CoinbaseRules = {
        tags: coinbaseTags(options.tag ?? "Sluice", ""),
        extranonceSize: layout.fullSize,
        payout: (reward) => [{ value: reward, script }],
        versionRollingAllowed: options.versionRolling ?? true
      }
      const space = new ExtranonceSpace(layout)
      tryCoinbase(coinbase)
      return { coinbase, policy: checkedPolicy({ ...Server.defaultChannelPolicy, ...options.policy }), space }
    },
    catch: (error) => (error instanceof PoolOptionError ? error : new PoolOptionError(describe(error)))
  })

/** What `Setup.server(MiningListener, ...)` has to be told for this pool. */
export const setupOf = (options: Pick<PoolOptions, "versionRolling">): Setup.ServerOptions =>
  options.versionRolling === false
    ? {
        supportedFlags: Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION,
        flags: Mining.REQUIRES_FIXED_VERSION,
        extensions
      }
    : {
        supportedFlags:
          Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION | Mining.REQUIRES_VERSION_ROLLING,
        extensions
      }

/** Shares of an extended channel may say which worker found them. */
const extensions = [WorkerIdentity.extension]

/** What the template provider has to be told of this pool's coinbase. Throws `AddressError` for an address that is none. */
export const constraintsOf = (options: Pick<PoolOptions, "coinbaseAddress" | "chain">): CoinbaseConstraints =>
  outputConstraints(Result.getOrThrow(payoutScript(options.coinbaseAddress, options.chain)))

/** With the longest height that a template may begin the script with (7.2: 8 bytes). */
const tryCoinbase = ({ extranonceSize, tags }: CoinbaseRules): void => {
  splitCoinbase({
    version: 2,
    prefix: new Uint8Array(8),
    tags,
    extranonceSize,
    sequence: 0,
    outputs: [],
    templateOutputs: new Uint8Array(0),
    templateOutputsCount: 0,
    lockTime: 0
  })
}

const checkedPolicy = (policy: Server.ChannelPolicy): Server.ChannelPolicy => {
  const refuse = (option: string, expected: string, value: number): never => {
    throw new PoolOptionError({ option, message: `the pool's ${option} is ${expected}; got ${value}` })
  }
  if (!(policy.sharesPerMinute > 0 && policy.sharesPerMinute <= 6000)) {
    refuse("sharesPerMinute", "a number above 0, at most 6000", policy.sharesPerMinute)
  }
  if (!(policy.minHashRate >= 0 && Number.isFinite(policy.minHashRate))) {
    refuse("minHashRate", "a number of hashes a second from 0 on", policy.minHashRate)
  }
  for (const option of ["shareBatchSize", "maxChannels", "maxSharesPerPrevHash", "maxUserIdentityBytes"] as const) {
    if (!(Number.isInteger(policy[option]) && policy[option] >= 1)) {
      refuse(option, "a whole number from 1 on", policy[option])
    }
  }
  if (!(policy.ntimeDriftSeconds >= 0)) {
    refuse("ntimeDriftSeconds", "a number of seconds from 0 on", policy.ntimeDriftSeconds)
  }
  return policy
}

const OPTION_OF_ERROR: Readonly<Record<string, string>> = {
  AddressError: "coinbaseAddress",
  CoinbaseError: "tag",
  ExtranonceLayoutError: "extranonce"
}

const describe = (error: unknown): { readonly option: string; readonly message: string } => {
  const { _tag = "", message } = error as { readonly _tag?: string; readonly message: string }
  const option = OPTION_OF_ERROR[_tag] ?? "options"
  return { option, message: `the pool's ${option}: ${message}` }
}
