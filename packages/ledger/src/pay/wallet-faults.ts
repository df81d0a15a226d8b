/** Errors of a node's wallet, as sentences that say what an operator has to do. */
import { type NodeRpcError, type NodeRpcHttp } from "@sluice/node"
import { Effect, Schema } from "effect"
import { LedgerError } from "../ledger-error.ts"
import type { WalletError } from "./wallet.ts"

/** Codes of Bitcoin Core's src/rpc/protocol.h. */
const WALLET_ERROR = -4
const WALLET_UNLOCK_NEEDED = -13
const WALLET_NOT_FOUND = -18

export interface NamedWallet {
  /** The node's URL. */
  readonly url: string
  /** The wallet's name. */
  readonly wallet: string
  /** Calls the node itself. */
  readonly call: NodeRpcHttp.MakeCall
}

/** Fails with a sentence in place of an error that is about the wallet. */
export const explainWallet =
  ({ call, url, wallet }: NamedWallet) =>
  (error: NodeRpcError): Effect.Effect<never, WalletError> => {
    const { reason } = error
    // A node that was built without wallets does not have their paths, and answers the HTTP status 404.
    if (reason._tag === "NodeMethodUnknown" || (reason._tag === "NodeBadAnswer" && /\b404\b/.test(reason.detail))) {
      return fail(
        `the node at ${url} has no wallets: start it without disablewallet, or give from, an address whose key is elsewhere`
      )
    }
    if (isRefused(error, WALLET_NOT_FOUND)) {
      return Effect.flatMap(call("listwallets", [], Schema.Array(Schema.String)), (loaded) => {
        const others = loaded.length === 0 ? "none" : loaded.map((name) => `"${name}"`).join(", ")
        return fail(
          `the node at ${url} has not loaded a wallet "${wallet}" (it has ${others}): load it with bitcoin-cli loadwallet "${wallet}"`
        )
      })
    }
    if (isRefused(error, WALLET_UNLOCK_NEEDED)) return fail(isLocked(wallet))
    if (isRefused(error, WALLET_ERROR, /fee estimation failed/i)) return fail(NO_FEE_KNOWN)
    return Effect.fail(error)
  }

export const NO_FEE_KNOWN = "the node does not know what fee is usual: give fee-rate"

export const isLocked = (wallet: string): string =>
  `the wallet "${wallet}" is locked: unlock it with bitcoin-cli -rpcwallet="${wallet}" walletpassphrase PASSPHRASE 60, and run this again`

/** Whether the wallet has too little for a transaction. */
export const isTooLittle = (error: WalletError): boolean =>
  isRefused(error, WALLET_ERROR, /insufficient funds|exceeds your balance/i)

/** Whether the wallet has no addresses of the type that the change should have. */
export const hasNoAddress = (error: WalletError): boolean => isRefused(error, WALLET_ERROR, /no bech32m? addresses/i)

const isRefused = (error: WalletError, code: number, detail = /./): boolean =>
  error._tag === "NodeRpcError" &&
  error.reason._tag === "NodeRefused" &&
  error.reason.code === code &&
  detail.test(error.reason.detail)

const fail = (message: string) => Effect.fail(new LedgerError({ message }))
