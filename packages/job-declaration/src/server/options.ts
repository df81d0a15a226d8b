/** The options of a job declarator, and the limits that operators meet. */
import { Duration } from "effect"
import type { PayoutRules } from "../custom-job/payout-rules.ts"
import type { TokenKey } from "../token/tokens.ts"

export interface DeclarationServerOptions {
  /** The key that the pool and its declarator share. */
  readonly tokenKey: TokenKey
  /** The outputs that the pool demands now. Called for each token and each declaration. */
  readonly payout: () => PayoutRules
  /** Refuses clients that do not reveal their transactions; false. */
  readonly requireFullTemplate?: boolean
  /** From when on an allocated token is worth nothing; 10 minutes. */
  readonly tokenLifetime?: Duration.Input
  /** How long a client has for transactions that the node does not have; 10 seconds. */
  readonly transactionsTimeout?: Duration.Input
  /** How long a declaration waits for the node to see its previous block; 5 seconds. */
  readonly tipTimeout?: Duration.Input
  /** How long a declaration waits for the node's verdict; 20 seconds. */
  readonly verdictTimeout?: Duration.Input
  /** Unexpired tokens, in all; half of them for one address. 100,000. */
  readonly maxTokens?: number
  /** Declarations that are being checked, in all; a quarter of them for one address. 512. */
  readonly maxDeclarations?: number
  /** Bytes of declarations, accepted jobs and the transactions that clients sent for them, in all; a quarter for one address. 512 MiB, at most 1 GiB. */
  readonly maxBytes?: number
  /** Transactions of the node's mempool that are kept, and bytes of them; 1,000,000 and 512 MiB, at most 1 GiB. */
  readonly maxMempoolTransactions?: number
  readonly maxMempoolBytes?: number
  /** Tokens and declarations a second of one connection, above which it is read from more slowly; 5 each. */
  readonly maxTokensPerSecond?: number
  readonly maxDeclarationsPerSecond?: number
  /** Faults a second of one connection, above which it ends; 2. */
  readonly maxFaultsPerSecond?: number
  /** The server that clients are sent to when this one stops: one with the same authority key. */
  readonly reconnectTo?: { readonly host: string; readonly port: number } | undefined
}

export const defaultDeclarationServerOptions = {
  requireFullTemplate: false,
  tokenLifetime: Duration.minutes(10),
  transactionsTimeout: Duration.seconds(10),
  tipTimeout: Duration.seconds(5),
  verdictTimeout: Duration.seconds(20),
  maxTokens: 100_000,
  maxDeclarations: 512,
  maxBytes: 512 * 1024 * 1024,
  maxMempoolTransactions: 1_000_000,
  maxMempoolBytes: 512 * 1024 * 1024,
  maxTokensPerSecond: 5,
  maxDeclarationsPerSecond: 5,
  maxFaultsPerSecond: 2
} as const
