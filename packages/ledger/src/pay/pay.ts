/**
 * Pays balances from the pool's wallet, once. A payment is written with its whole transaction before anything is sent, and takes its
 * amounts from balances then. If the program ends at any moment after that, the next run sends the same transaction again: its coins can be
 * spent once, so no user is paid twice, however many answers were lost.
 */
import type { Chain } from "@sluice/bitcoin"
import { minerScript } from "@sluice/mining-server"
import { Clock, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { Ledger } from "../ledger.ts"
import { LedgerError, ledgerError } from "../ledger-error.ts"
import { compareText } from "../scheme/coinbase-payments.ts"
import { addressesAt, readAddressChanges } from "../store/addresses.ts"
import {
  cancelPayment,
  type PaymentState,
  planPayment,
  readPayable,
  readWalletPayments,
  setPaymentState,
  type StoredPayment
} from "../store/payments.ts"
import { byAddress, checkPsbt, paysAny, readPsbt, readSigned, unpaidOf } from "./payment-transaction.ts"
import { type FeePolicy, Wallet, type WalletError, type Whereabouts } from "./wallet.ts"

/** A payment with this many confirmations is final. */
const FINAL = 6
/** Users of one payment, so that its transaction is not too large for nodes to pass on. The others are paid by the next one. */
const MAX_USERS = 1_000

export interface DueOptions {
  /** Smaller balances stay, in satoshis. */
  readonly minimum: bigint
  /** Refuses addresses of other chains. */
  readonly chain?: Chain | undefined
}

export interface Due {
  readonly user: string
  readonly amount: bigint
  /** Where it is paid; undefined for a user without an address. */
  readonly address: string | undefined
}

/** Whom a payment would pay how much now, the largest amounts first. */
export const readDue = (
  sql: SqlClient.SqlClient,
  now: number,
  { chain, minimum }: DueOptions
): Effect.Effect<ReadonlyArray<Due>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const addresses = addressesAt(yield* readAddressChanges(sql), now)
    const due: Array<Due> = []
    for (const [user, amount] of yield* readPayable(sql)) {
      if (amount < minimum || amount <= 0n) continue
      const address = addresses.get(user)?.current ?? user
      due.push({ user, amount, address: minerScript(address, chain) === undefined ? undefined : address })
    }
    return due.toSorted((a, b) => (a.amount === b.amount ? compareText(a.user, b.user) : a.amount > b.amount ? -1 : 1))
  })

/** An open payment, with what the chain says of it. */
export interface FollowedPayment {
  readonly payment: StoredPayment
  readonly where: Whereabouts
}

/** Looks for each payment that is not final, and sends those again that nobody has. Gives them as they are then. */
export const followPayments: Effect.Effect<ReadonlyArray<FollowedPayment>, WalletError, Ledger | Wallet> = Effect.gen(
  function* () {
    const ledger = yield* Ledger
    const wallet = yield* Wallet
    const followed: Array<FollowedPayment> = []
    for (const payment of yield* openPayments) {
      const { id, psbt } = payment
      let { state } = payment
      const enter = (next: PaymentState) =>
        Effect.gen(function* () {
          const at = yield* Clock.currentTimeMillis
          yield* ledger.transact(setPaymentState(ledger.sql, id, next, at, ""))
          state = next
        })
      const where = yield* wallet.find({ ...payment, ...(yield* readPsbt(psbt)) })
      if (where._tag === "absent") {
        const signed = yield* wallet.sign(psbt)
        if (signed !== undefined) {
          const sending = wallet.send(yield* signedOf(payment, Buffer.from(signed).toString("hex")))
          // Nodes may have the same payment with a higher fee.
          yield* state === "planned" ? sending : Effect.catch(sending, ({ message }) => Effect.logWarning(message))
          if (state === "planned") yield* enter("sent")
        }
      } else if (isMade(payment, where)) {
        if (state === "planned") yield* enter("sent")
        if (where._tag !== "mempool" && where.confirmations >= FINAL) yield* enter("confirmed")
      }
      followed.push({ payment: { ...payment, state }, where })
    }
    return followed
  }
)

export interface PayOptions extends DueOptions {
  readonly fee: FeePolicy
}

/**
 * Follows earlier payments, and pays what is due then. A payment that waits for a signature, or that another transaction has replaced,
 * comes before new ones. Gives the payments that are not final, or have become so.
 */
export const payOut = (
  options: PayOptions
): Effect.Effect<ReadonlyArray<FollowedPayment>, WalletError, Ledger | Wallet> =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const wallet = yield* Wallet
    const before = yield* followPayments
    if (before.some(({ payment, where }) => payment.state === "planned" || isReplaced(payment, where))) return before
    const due = yield* Effect.mapError(
      readDue(ledger.sql, yield* Clock.currentTimeMillis, options),
      ledgerError(ledger.name)
    )
    const outputs = due
      .flatMap(({ address, amount, user }) => (address === undefined ? [] : [{ user, address, amount }]))
      .slice(0, MAX_USERS)
    if (outputs.length === 0) return before
    const height = yield* wallet.height
    const open = yield* Effect.forEach(before, ({ payment }) => readPsbt(payment.psbt))
    const psbt = yield* wallet.fund(
      byAddress(outputs),
      options.fee,
      open.flatMap(({ inputs }) => inputs)
    )
    const { fee, txid } = yield* checkPsbt(psbt, outputs)
    const at = yield* Clock.currentTimeMillis
    const id = yield* ledger.transact(planPayment(ledger.sql, ledger.books, { txid, psbt, fee, height, outputs }, at))
    const sent = yield* followPayments
    return [...before, ...sent.filter(({ payment }) => payment.id === id)]
  })

/** Sends a payment whose transaction was signed elsewhere: hex, or a PSBT in base64. */
export const sendSigned = (text: string): Effect.Effect<StoredPayment, WalletError, Ledger | Wallet> =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const wallet = yield* Wallet
    const { bytes, txid } = yield* readSigned(text.trim())
    const open = yield* openPayments
    const payment = open.find((payment) => payment.txid === txid)
    if (payment === undefined) {
      const txids = open.map((payment) => payment.txid)
      const expected = txids.length === 0 ? "no payment waits for one" : `expected ${txids.join(" or ")}`
      return yield* new LedgerError({ message: `the signed transaction is ${txid}; ${expected}` })
    }
    yield* wallet.send(bytes)
    if (payment.state === "sent") return payment
    const at = yield* Clock.currentTimeMillis
    yield* ledger.transact(setPaymentState(ledger.sql, payment.id, "sent", at, ""))
    return { ...payment, state: "sent" }
  })

/** Gives the amounts of a payment back to balances. Fails unless another transaction, which is final, has spent a coin of it. */
export const takeBack = (id: number): Effect.Effect<StoredPayment, WalletError, Ledger | Wallet> =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const wallet = yield* Wallet
    const payment = (yield* openPayments).find((payment) => payment.id === id)
    if (payment === undefined) return yield* new LedgerError({ message: `no payment ${id} is open` })
    const where = yield* wallet.find({ ...payment, ...(yield* readPsbt(payment.psbt)) })
    if (where._tag === "replaced" && paysAny(where.outputs, payment.outputs)) {
      return yield* new LedgerError({
        message: `payment ${id}, ${payment.txid}, is not cancelled: ${where.by} spends its coins, and pays users of it`
      })
    }
    if (where._tag !== "replaced" || where.confirmations < FINAL) {
      return yield* new LedgerError({
        message:
          `payment ${id}, ${payment.txid}, may still be made: to cancel it, spend one of its coins in another transaction, ` +
          `and wait for ${FINAL} confirmations of that`
      })
    }
    const at = yield* Clock.currentTimeMillis
    const reason = `replaced by ${where.by}`
    yield* ledger.transact(cancelPayment(ledger.sql, ledger.books, payment, at, reason))
    return { ...payment, state: "cancelled" }
  })

/** Whether users have what the payment pays, perhaps by the same payment with a higher fee. */
const isMade = ({ outputs }: StoredPayment, where: Whereabouts) =>
  where._tag === "replaced" ? unpaidOf(where.outputs, outputs) === undefined : where._tag !== "absent"

/** Whether a transaction that does not pay the users has spent the payment's coins. */
export const isReplaced = (payment: StoredPayment, where: Whereabouts): boolean =>
  where._tag === "replaced" && !isMade(payment, where)

const signedOf = (payment: StoredPayment, text: string): Effect.Effect<Uint8Array, LedgerError> =>
  Effect.flatMap(readSigned(text), ({ bytes, txid }) =>
    txid === payment.txid
      ? Effect.succeed(bytes)
      : Effect.fail(new LedgerError({ message: `payment ${payment.id} is ${payment.txid}; the wallet signed ${txid}` }))
  )

const openPayments = Effect.flatMap(Ledger, ({ name, sql }) =>
  Effect.mapError(readWalletPayments(sql, "open"), ledgerError(name))
)
