/**
 * The pool's wallet, as payments need it: it chooses coins for a transaction, signs it if it has the keys, sends it, and says what became
 * of it. `NodeWallet` talks to a Bitcoin node; tests have one in memory.
 */
import type { Output } from "@sluice/bitcoin"
import type { NodeRpcError } from "@sluice/node"
import { Context, type Effect } from "effect"
import type { LedgerError } from "../ledger-error.ts"
import type { PaymentOutput } from "../store/payments.ts"

/** How much a transaction pays to miners. */
export type FeePolicy =
  | { readonly _tag: "target"; readonly blocks: number }
  /** Satoshis for each virtual byte. */
  | { readonly _tag: "rate"; readonly satoshis: number }

export interface Outpoint {
  /** In display order. */
  readonly txid: string
  readonly index: number
}

/** A transaction of the ledger, to look for. */
export interface Sought {
  readonly txid: string
  readonly inputs: ReadonlyArray<Outpoint>
  readonly outputCount: number
  /** No block up to this height has it. */
  readonly height: number
}

export type Whereabouts =
  | { readonly _tag: "chain"; readonly confirmations: number }
  | { readonly _tag: "mempool" }
  /** Nobody has it, and its coins are there. */
  | { readonly _tag: "absent" }
  /** Another transaction in the chain has spent a coin of it. It may be the same payment with a higher fee. */
  | {
      readonly _tag: "replaced"
      readonly by: string
      readonly outputs: ReadonlyArray<Output>
      readonly confirmations: number
    }

export type WalletError = NodeRpcError | LedgerError

export interface WalletCalls {
  /** The height of the chain. */
  readonly height: Effect.Effect<number, WalletError>
  /** Chooses coins, none of `held`, and makes a transaction of them with these outputs, as a PSBT in base64. Keeps nothing of it. */
  readonly fund: (
    outputs: ReadonlyArray<Pick<PaymentOutput, "address" | "amount">>,
    fee: FeePolicy,
    held: ReadonlyArray<Outpoint>
  ) => Effect.Effect<string, WalletError>
  /** Returns the signed transaction; undefined if the keys are elsewhere. */
  readonly sign: (psbt: string) => Effect.Effect<Uint8Array | undefined, WalletError>
  /** Gives a transaction to the network. It may have it already. */
  readonly send: (transaction: Uint8Array) => Effect.Effect<void, WalletError>
  readonly find: (sought: Sought) => Effect.Effect<Whereabouts, WalletError>
}

export class Wallet extends Context.Service<Wallet, WalletCalls>()("sluice/ledger/Wallet") {}
