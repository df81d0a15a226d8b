/** `sluice ledger pay`, `payments` and `address`: money that leaves from the pool's wallet. */
import { Chain } from "@sluice/bitcoin"
import { parseUserIdentity } from "@sluice/channels"
import {
  changeAddress,
  type FollowedPayment,
  followBlocks,
  isReplaced,
  Ledger,
  LedgerError,
  NodeWallet,
  payOut,
  readDue,
  readWalletPayments,
  sendSigned,
  type StoredPayment,
  sum,
  takeBack
} from "@sluice/ledger"
import { minerPayout, minerScript } from "@sluice/mining-server"
import { NodeRpc } from "@sluice/node"
import { Clock, Console, Effect, FileSystem, Layer, Option, Result, Schema } from "effect"
import { reasonOf } from "../config/read-text.ts"
import { credentialsOf, layerNode, type NodeConfig } from "../server/node.ts"
import { isoTime, layerWriting, ledgerCommand, printRows, reading } from "./command.ts"
import { AddressConfig, PayConfig, plainConfig } from "./config.ts"

type PayConfig = typeof PayConfig.schema.Type

export const pay = ledgerCommand({
  ...PayConfig,
  description:
    "Pay balances from the pool's wallet, those of blocks with 100 confirmations. Without --no-dry-run, print what would be paid.",
  run: Effect.fnUntraced(function* (config) {
    const { cancel, dryRun, json, ledger, signed } = config
    if (dryRun) {
      const now = yield* Clock.currentTimeMillis
      const node = layerNode(config)
      const chain = node === undefined ? undefined : yield* Effect.provide(chainOfNode, node)
      const due = yield* reading(ledger, (sql) => readDue(sql, now, dueOf(config, chain)))
      yield* printRows(
        due.map(({ address, amount, user }) => ({
          user,
          satoshis: amount,
          payable: address !== undefined,
          address: address ?? ""
        })),
        json
      )
      return
    }
    const fs = yield* FileSystem.FileSystem
    yield* Effect.gen(function* () {
      if (cancel !== undefined) return yield* printRows([paymentRow(yield* takeBack(cancel))], json)
      if (signed !== undefined) {
        const text = yield* Effect.mapError(fs.readFileString(signed), fileError(signed))
        return yield* printRows([paymentRow(yield* sendSigned(text))], json)
      }
      yield* followBlocks
      const followed = yield* payOut({ ...dueOf(config, yield* chainOfNode), fee: feeOf(config) })
      yield* printRows(followed.map(followedRow), json)
      for (const one of followed) yield* explain(one, config.psbt)
    }).pipe(Effect.provide(Layer.mergeAll(layerWriting(ledger), layerNode(config)!, layerWallet(config))))
  })
})

const dueOf = ({ chain, minimum }: PayConfig, ofNode: Chain | undefined) => ({
  minimum: BigInt(minimum),
  chain: chain === undefined ? ofNode : chain === "testnet4" ? "test" : chain
})

/** The chain of the node, which refuses a payment with an address of another one; undefined if its name is not known. */
const chainOfNode = Effect.gen(function* () {
  const { chain } = yield* (yield* NodeRpc).getBlockchainInfo
  return Option.getOrUndefined(Schema.decodeUnknownOption(Chain)(chain === "testnet4" ? "test" : chain))
})

const feeOf = ({ confTarget, feeRate }: PayConfig) =>
  feeRate === undefined
    ? ({ _tag: "target", blocks: confTarget } as const)
    : ({ _tag: "rate", satoshis: feeRate } as const)

const layerWallet = (config: PayConfig & NodeConfig) => {
  const node = { url: config.nodeRpcUrl!, credentials: credentialsOf(config) }
  return config.from === undefined
    ? NodeWallet.layer({ ...node, wallet: config.nodeWallet! })
    : NodeWallet.layerAddress({ ...node, address: config.from })
}

const fileError =
  (path: string) =>
  (error: Parameters<typeof reasonOf>[0]): LedgerError =>
    new LedgerError({ message: `${path}: ${reasonOf(error)}` })

/** Says what an operator has to do about a payment, and writes the transaction that has to be signed. */
const explain = Effect.fnUntraced(function* ({ payment, where }: FollowedPayment, psbt: string | undefined) {
  const name = `payment ${payment.id}`
  if (isReplaced(payment, where)) {
    return yield* Console.error(
      `another transaction has spent coins of ${name}: when it has 6 confirmations, give --cancel ${payment.id}`
    )
  }
  if (payment.state !== "planned") return
  if (psbt === undefined) {
    return yield* Console.error(`${name} has to be signed elsewhere: give --psbt FILE to get its transaction`)
  }
  const fs = yield* FileSystem.FileSystem
  yield* Effect.mapError(fs.writeFileString(psbt, `${payment.psbt}\n`), fileError(psbt))
  yield* Console.error(`${name} has to be signed: its transaction is in ${psbt}; send it with --signed FILE`)
})

const paymentRow = ({ at, fee, id, outputs, state, txid }: StoredPayment) => ({
  payment: id,
  txid,
  state,
  made: isoTime(at),
  users: outputs.length,
  satoshis: sum(outputs.map(({ amount }) => amount)),
  fee
})

const followedRow = ({ payment, where }: FollowedPayment) => ({
  ...paymentRow(payment),
  confirmations: "confirmations" in where ? where.confirmations : 0
})

export const payments = ledgerCommand({
  ...plainConfig("payments"),
  description: "Print each payment from the pool's wallet, with what each user got.",
  run: Effect.fnUntraced(function* ({ json, ledger }) {
    const all = yield* reading(ledger, (sql) => readWalletPayments(sql))
    yield* printRows(
      all.flatMap(({ at, id, outputs, state, txid }) =>
        outputs.map(({ address, amount, user }) => ({
          payment: id,
          txid,
          state,
          made: isoTime(at),
          user,
          address,
          satoshis: amount
        }))
      ),
      json
    )
  })
})

export const address = ledgerCommand({
  ...AddressConfig,
  description: "Change the address that payments from the pool's wallet to a user go to, after a delay.",
  run: Effect.fnUntraced(function* ({ address, chain, delayHours, json, ledger, reason, user }) {
    if (parseUserIdentity(address).user !== address) {
      return yield* new LedgerError({ message: `address: ${address}: expected an address without a worker's name` })
    }
    const known = minerPayout(address, chain === "testnet4" ? "test" : chain)
    if (Result.isFailure(known)) return yield* new LedgerError({ message: `address: ${address}: ${known.failure}` })
    const change = yield* Effect.gen(function* () {
      const { books, sql, transact } = yield* Ledger
      const at = yield* Clock.currentTimeMillis
      const named = minerScript(user) === undefined ? undefined : user
      const options = { delayMs: delayHours * 3_600_000, named }
      return yield* transact(changeAddress(sql, books, { user, address, at, reason }, options))
    }).pipe(Effect.provide(layerWriting(ledger)))
    yield* printRows([{ user, address, asked: isoTime(change.at), effective: isoTime(change.effectiveAt) }], json)
  })
})
