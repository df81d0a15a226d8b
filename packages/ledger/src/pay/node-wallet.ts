/**
 * A `Wallet` over a Bitcoin node's JSON-RPC. Either the node's own wallet chooses the coins and signs (`NodeWallet.layer`), or the coins are
 * those of an address whose key is elsewhere, which the node's set of unspent outputs shows (`NodeWallet.layerAddress`); then a PSBT has to be
 * signed by its owner. The node needs no wallet and no index for that.
 */
import { parseBlock, scriptForAddress, type Chain, hashToDisplay } from "@sluice/bitcoin"
import { type NodeRpcError, NodeRpcHttp } from "@sluice/node"
import { NETWORK, selectUTXO, TEST_NETWORK } from "@scure/btc-signer"
import { Effect, Layer, Schema } from "effect"
import { LedgerError } from "../ledger-error.ts"
import { MATURITY } from "../follow-blocks.ts"
import { sum } from "../scheme/divide.ts"
import { explainWallet, hasNoAddress, isLocked, isTooLittle, NO_FEE_KNOWN } from "./wallet-faults.ts"
import { type FeePolicy, type Outpoint, type Sought, Wallet, type WalletCalls, type WalletError } from "./wallet.ts"

export interface NodeWalletOptions extends NodeRpcHttp.Options {
  /** The name of the node's wallet; its only one without a name. */
  readonly wallet: string
}

export interface AddressWalletOptions extends NodeRpcHttp.Options {
  /** The address whose coins are spent, which gets the change too. */
  readonly address: string
}

/** Choosing coins looks through all unspent outputs of the chain, which takes minutes. */
const TIMEOUT = "15 minutes"

/** The node's own wallet. */
export const layer = (options: NodeWalletOptions): Layer.Layer<Wallet> =>
  Layer.effect(
    Wallet,
    Effect.gen(function* () {
      const call = yield* NodeRpcHttp.makeCall({ timeout: TIMEOUT, ...options })
      const { url, wallet } = options
      const path = `${url.replace(/\/$/, "")}/wallet/${encodeURIComponent(wallet)}`
      const callWallet = yield* NodeRpcHttp.makeCall({ timeout: TIMEOUT, ...options, url: path })
      const explain = explainWallet({ url, wallet, call })
      const ofWallet = <A>(...[method, params, schema]: Parameters<typeof callWallet<A>>) =>
        Effect.catch(callWallet(method, params, schema), explain)
      const tooLittle = (due: bigint) =>
        Effect.flatMap(ofWallet("getbalances", [], Balances), ({ mine: { immature, trusted } }) => {
          const young = immature === 0 ? "" : `, and ${satoshisOf(immature)} of blocks with too few confirmations`
          const message = `the wallet "${wallet}" has ${satoshisOf(trusted)} satoshis to spend${young}; ${due} and a fee are to be paid`
          return Effect.fail(new LedgerError({ message }))
        })
      return Wallet.of({
        ...chainCalls(call),
        fund: (outputs, fee) =>
          Effect.gen(function* () {
            // Nothing is written about a payment that could not be signed.
            const { unlocked_until } = yield* ofWallet("getwalletinfo", [], WalletInfo)
            if (unlocked_until === 0) return yield* new LedgerError({ message: isLocked(wallet) })
            const rate = fee._tag === "target" ? { conf_target: fee.blocks } : { fee_rate: feeRateOf(fee.satoshis) }
            const recipients = outputs.map(({ address, amount }) => ({ [address]: coins(amount) }))
            const fundWith = (changeType: string) =>
              ofWallet(
                "walletcreatefundedpsbt",
                [[], recipients, 0, { ...rate, change_type: changeType }, true],
                Schema.Struct({ psbt: Schema.String })
              )
            // The change to an address like those of users might be a coin that no later payment can spend.
            const { psbt } = yield* fundWith("bech32").pipe(
              Effect.catchIf(hasNoAddress, () => fundWith("bech32m")),
              Effect.catchIf(isTooLittle, () => tooLittle(sum(outputs.map(({ amount }) => amount))))
            )
            return psbt
          }),
        sign: (psbt) =>
          Effect.gen(function* () {
            const signed = yield* ofWallet("walletprocesspsbt", [psbt, true], Schema.Struct({ psbt: Schema.String }))
            const schema = Schema.Struct({ complete: Schema.Boolean, hex: Schema.optionalKey(Schema.String) })
            const { complete, hex } = yield* call("finalizepsbt", [signed.psbt, true], schema)
            return complete && hex !== undefined ? Buffer.from(hex, "hex") : undefined
          })
      })
    })
  ).pipe(Layer.provide(NodeRpcHttp.layerClient))

/** An encrypted wallet says until when it is unlocked; 0 is locked. */
const WalletInfo = Schema.Struct({ unlocked_until: Schema.optionalKey(Schema.Int) })

/** In coins. */
const Balances = Schema.Struct({ mine: Schema.Struct({ trusted: Schema.Finite, immature: Schema.Finite }) })

/** The coins of an address whose key is not here. */
export const layerAddress = (options: AddressWalletOptions): Layer.Layer<Wallet, LedgerError> =>
  Layer.effect(
    Wallet,
    Effect.gen(function* () {
      const call = yield* NodeRpcHttp.makeCall({ timeout: TIMEOUT, ...options })
      return Wallet.of({
        ...chainCalls(call),
        fund: (outputs, fee, held) => fundFrom(call, options.address, outputs, fee, held),
        sign: () => Effect.undefined
      })
    })
  ).pipe(Layer.provide(NodeRpcHttp.layerClient))

/** A version, a length, and the 20 bytes of a key's hash. */
const P2WPKH_LENGTH = 22

const UnspentOutputs = Schema.Struct({
  height: Schema.Int,
  unspents: Schema.Array(
    Schema.Struct({
      txid: Schema.String,
      vout: Schema.Int,
      scriptPubKey: Schema.String,
      amount: Schema.Finite,
      height: Schema.Int,
      /** Older nodes do not say it. */
      coinbase: Schema.optionalKey(Schema.Boolean)
    })
  )
})

const fundFrom = Effect.fnUntraced(function* (
  call: NodeRpcHttp.MakeCall,
  from: string,
  outputs: Parameters<WalletCalls["fund"]>[0],
  fee: FeePolicy,
  held: ReadonlyArray<Outpoint>
): Effect.fn.Return<string, WalletError> {
  const chain = chainOf(from)
  if (scriptForAddress(from, chain).length !== P2WPKH_LENGTH) {
    return yield* new LedgerError({
      message: `from: ${from} is no address of a single key of segwit version 0 (such as bc1q... of 42 characters): give node-wallet, which may be a wallet without keys`
    })
  }
  const rate = yield* rateOf(call, fee)
  const { height, unspents } = yield* call("scantxoutset", ["start", [`addr(${from})`]], UnspentOutputs)
  const ripe = unspents.filter(
    (coin) =>
      (coin.coinbase === false || height - coin.height + 1 >= MATURITY) &&
      !held.some(({ index, txid }) => txid === coin.txid && index === coin.vout)
  )
  const inputs = ripe.map(({ amount, scriptPubKey, txid, vout }) => ({
    txid,
    index: vout,
    witnessUtxo: { script: Buffer.from(scriptPubKey, "hex"), amount: satoshisOf(amount) }
  }))
  const due = sum(outputs.map(({ amount }) => amount))
  const there = sum(inputs.map(({ witnessUtxo }) => witnessUtxo.amount))
  const selected = yield* Effect.try({
    try: () =>
      selectUTXO(
        inputs,
        outputs.map(({ address, amount }) => ({ script: scriptForAddress(address, chain), amount })),
        "default",
        {
          feePerByte: rate,
          changeAddress: from,
          network: networks[chain],
          createTx: true,
          allowSameUtxo: false
        }
      ),
    catch: (error) =>
      new LedgerError({ message: `no transaction can be made of the coins of ${from}: ${String(error)}` })
  })
  if (selected?.tx === undefined) {
    return yield* new LedgerError({
      message: `${from} has ${there} satoshis with ${MATURITY} confirmations, in ${inputs.length} coins; ${due} and a fee are to be paid`
    })
  }
  return Buffer.from(selected.tx.toPSBT()).toString("base64")
})

const rateOf = (call: NodeRpcHttp.MakeCall, fee: FeePolicy): Effect.Effect<bigint, WalletError> =>
  fee._tag === "rate"
    ? Effect.succeed(BigInt(Math.ceil(fee.satoshis)))
    : Effect.flatMap(
        call("estimatesmartfee", [fee.blocks], Schema.Struct({ feerate: Schema.optionalKey(Schema.Finite) })),
        ({ feerate }) =>
          feerate === undefined
            ? Effect.fail(new LedgerError({ message: NO_FEE_KNOWN }))
            : // Coins for a thousand virtual bytes.
              Effect.succeed(BigInt(Math.ceil(feerate * 1e5)))
      )

/** What any node can say of the chain. */
const chainCalls = (call: NodeRpcHttp.MakeCall): Pick<WalletCalls, "height" | "send" | "find"> => {
  const height = call("getblockcount", [], Schema.Int)
  const output = ({ index, txid }: Outpoint) =>
    Effect.map(call("gettxout", [txid, index, true], TxOut), (found) => found ?? undefined)
  return {
    height,
    send: (transaction) =>
      Effect.asVoid(call("sendrawtransaction", [Buffer.from(transaction).toString("hex")], Schema.String)).pipe(
        Effect.catchIf(isInChain, () => Effect.void)
      ),
    find: (sought) =>
      Effect.gen(function* () {
        for (let index = 0; index < sought.outputCount; index++) {
          const found = yield* output({ txid: sought.txid, index })
          if (found?.confirmations === 0) return { _tag: "mempool" } as const
          if (found !== undefined) return { _tag: "chain", confirmations: found.confirmations } as const
        }
        // Its outputs may all be spent already.
        for (const input of sought.inputs) {
          if ((yield* output(input)) === undefined) return yield* findInBlocks(call, yield* height, sought)
        }
        return { _tag: "absent" } as const
      })
  }
}

const TxOut = Schema.NullOr(Schema.Struct({ confirmations: Schema.Int }))

/** The most blocks that a chain is expected to leave. */
const REORGANISED = 6

/** Reads the blocks since the payment. */
const findInBlocks = Effect.fnUntraced(function* (call: NodeRpcHttp.MakeCall, tip: number, sought: Sought) {
  const spends = new Set(sought.inputs.map(({ index, txid }) => `${txid}:${index}`))
  // The chain may have left some of its last blocks since.
  for (let height = Math.max(1, sought.height - REORGANISED); height <= tip; height++) {
    const hash = yield* call("getblockhash", [height], Schema.String)
    const block = parseBlock(Buffer.from(yield* call("getblock", [hash, 0], Schema.String), "hex"))
    const confirmations = tip - height + 1
    for (const { inputs, outputs, txid } of block.transactions) {
      const id = hashToDisplay(txid)
      if (id === sought.txid) return { _tag: "chain", confirmations } as const
      const isOther = inputs.some(({ previousIndex, previousTxid }) =>
        spends.has(`${hashToDisplay(previousTxid)}:${previousIndex}`)
      )
      if (isOther) return { _tag: "replaced", by: id, outputs, confirmations } as const
    }
  }
  return { _tag: "absent" } as const
})

/** RPC_VERIFY_ALREADY_IN_UTXO_SET. */
const isInChain = ({ reason }: NodeRpcError): boolean => reason._tag === "NodeRefused" && reason.code === -27

/** An amount in coins, as the node reads it without rounding. */
const coins = (satoshis: bigint): string => {
  const digits = satoshis.toString().padStart(9, "0")
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`
}

/** An amount of a node's answer, in coins. */
const satoshisOf = (coins: number): bigint => BigInt(Math.round(coins * 1e8))

/** The node takes three decimals. */
const feeRateOf = (satoshis: number): number => Number(satoshis.toFixed(3))

/** The chain of a segwit address. */
const chainOf = (address: string): Chain =>
  address.startsWith("bc1") ? "main" : address.startsWith("bcrt1") ? "regtest" : "test"

const networks = {
  main: NETWORK,
  test: TEST_NETWORK,
  signet: TEST_NETWORK,
  regtest: { ...TEST_NETWORK, bech32: "bcrt" }
} as const
