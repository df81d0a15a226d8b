/** Accepts the custom jobs of a pool's connections: each with a token of its own, within limits. Synchronous. */
import {
  type CustomJob,
  type CustomJobRefusal,
  type CustomJobRequest,
  type CustomJobs,
  parseUserIdentity
} from "@sluice/channels"
import { ErrorCode } from "@sluice/protocol"
import { Result } from "effect"
import { type Token, type TokenFault, type Tokens, tokenUser } from "../token/tokens.ts"
import { checkCustomJob } from "./check-custom-job.ts"
import { FairLimit } from "./fair-limit.ts"
import type { PayoutRules } from "./payout-rules.ts"
import { type SerialsOwner, UsedSerials } from "./used-serials.ts"

/** Not in the specification: the connection or its address has too many custom jobs. */
export const TOO_MANY_CUSTOM_JOBS = "too-many-custom-jobs"

const codes = ErrorCode.setCustomMiningJob

export interface CustomJobLimits {
  /** Tokens that were used and have not expired yet. */
  readonly maxUsedTokens: number
  readonly maxUsedTokensPerAddress: number
  readonly maxUsedTokensPerConnection: number
  /** Bytes of jobs that are kept: those of the present previous hash and of the two before. */
  readonly maxBytes: number
  readonly maxBytesPerAddress: number
  readonly maxBytesPerConnection: number
}

export const defaultCustomJobLimits: CustomJobLimits = {
  maxUsedTokens: 100_000,
  maxUsedTokensPerAddress: 20_000,
  maxUsedTokensPerConnection: 10_000,
  maxBytes: 64 * 2 ** 20,
  maxBytesPerAddress: 32 * 2 ** 20,
  maxBytesPerConnection: 16 * 2 ** 20
}

export interface AcceptCustomJobsOptions {
  readonly tokens: Tokens
  /** The outputs that the pool demands now. */
  readonly payout: () => PayoutRules
  readonly limits?: Partial<CustomJobLimits>
}

/** The custom jobs of all connections of a pool. */
export class AcceptCustomJobs {
  readonly #tokens: Tokens
  readonly #payout: () => PayoutRules
  readonly #limits: CustomJobLimits
  readonly #used: UsedSerials
  readonly #bytes: FairLimit

  constructor({ limits, payout, tokens }: AcceptCustomJobsOptions) {
    this.#tokens = tokens
    this.#payout = payout
    this.#limits = { ...defaultCustomJobLimits, ...limits }
    const { maxBytes, maxBytesPerAddress, maxUsedTokens, maxUsedTokensPerAddress, maxUsedTokensPerConnection } =
      this.#limits
    this.#bytes = new FairLimit({ max: maxBytes, maxPerAddress: maxBytesPerAddress })
    this.#used = new UsedSerials({
      max: maxUsedTokens,
      maxPerAddress: maxUsedTokensPerAddress,
      maxPerConnection: maxUsedTokensPerConnection
    })
  }

  /** How many used tokens are remembered. */
  get usedTokens(): number {
    return this.#used.size
  }

  /** The bytes of the jobs that all connections keep. */
  get bytes(): number {
    return this.#bytes.total
  }

  /** Makes the acceptor of a connection from `host`. */
  of(host: string): CustomJobs {
    const owner: SerialsOwner = { address: FairLimit.address(host), serials: 0 }
    let bytes = 0
    return {
      accept: (request) => this.#accept(request, owner, bytes),
      keep: (change) => {
        bytes += change
        this.#bytes.add(owner.address, change)
      }
    }
  }

  #accept(request: CustomJobRequest, owner: SerialsOwner, bytes: number): Result.Result<CustomJob, CustomJobRefusal> {
    const { channels, message, now } = request
    const nowSeconds = now / 1000
    const read = this.#tokens.read(message.miningJobToken, nowSeconds)
    if (Result.isFailure(read)) return badToken(FAULTS[read.failure])
    const token = read.success
    if (this.#used.has(token.serial)) return badToken("a job was set with this token already; each token is for one")
    const accounts = new Set(channels.map(({ userIdentity }) => parseUserIdentity(userIdentity).user))
    for (const account of accounts) {
      if (isFor(token, account)) continue
      return badToken(
        `the token is for the account in user_identifier of AllocateMiningJobToken, which is not that of the channel: ` +
          JSON.stringify(account)
      )
    }
    const size = message.coinbaseTxOutputs.length + message.merklePath.length * 32
    const limits = this.#limits
    if (!this.#used.hasRoom(owner, nowSeconds)) {
      return tooMany(
        `at most ${limits.maxUsedTokensPerConnection} jobs are set on a connection, and ${limits.maxUsedTokensPerAddress} from ` +
          `an address, before their tokens expire`
      )
    }
    if (bytes + size > limits.maxBytesPerConnection || !this.#bytes.hasRoom(owner.address, size)) {
      return tooMany(
        `the jobs of a connection have at most ${limits.maxBytesPerConnection} bytes, those of an address ` +
          `${limits.maxBytesPerAddress}`
      )
    }
    const checked = checkCustomJob(request, token, this.#payout())
    if (Result.isSuccess(checked)) this.#used.use(token.serial, token.expiresAt, owner)
    return checked
  }
}

const isFor = ({ user }: Token, account: string): boolean => Buffer.compare(user, tokenUser(account)) === 0

const FAULTS: Readonly<Record<TokenFault, string>> = {
  forged: "the token is not one that the pool's declarator has made: pool and declarator need the same key",
  expired: "the token has expired"
}

const badToken = (reason: string): Result.Result<never, CustomJobRefusal> =>
  Result.fail({ errorCode: codes.invalidMiningJobToken, reason })

const tooMany = (reason: string): Result.Result<never, CustomJobRefusal> =>
  Result.fail({ errorCode: TOO_MANY_CUSTOM_JOBS, reason })
