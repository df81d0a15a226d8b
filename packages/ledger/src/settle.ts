/** Computes the settlement of a block from what it is based on: when the block is found, and again in an audit. */
import { compactSize, type Output } from "@sluice/bitcoin"
import { minerScript } from "@sluice/mining-server"
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { coinbasePayments, type Payment } from "./scheme/coinbase-payments.ts"
import { type Amounts, divideReward, POOL } from "./scheme/divide.ts"
import { type BlockPolicy, isBlockPolicy, type Policy } from "./scheme/policy.ts"
import { type Settlement, settlementOf } from "./scheme/settlement.ts"
import type { Window, WindowLimits } from "./scheme/window.ts"
import { type Basis, readBalances } from "./store/books.ts"
import { readWindow } from "./store/read-window.ts"

export interface Computed {
  readonly settlement: Settlement
  readonly payments: ReadonlyArray<Payment>
  /** The work that the reward was divided by. */
  readonly windowWork: bigint
  /** The oldest share of the window; 0 if there is none. */
  readonly first: number
}

/** Reads the window and the balances, and computes. The same policy and basis always give the same settlement. */
export const computeSettlement = (
  sql: SqlClient.SqlClient,
  block: { readonly user: string; readonly reward: bigint },
  policy: Policy,
  basis: Basis
): Effect.Effect<Computed, SqlError.SqlError> =>
  Effect.gen(function* () {
    const { reward, user } = block
    // Users have sold their shares.
    if (!isBlockPolicy(policy)) {
      return { settlement: settlementOf(new Map([[POOL, reward]]), []), payments: [], windowWork: 0n, first: 0 }
    }
    if (policy.scheme === "solo") {
      const earned = divideReward(reward, policy, new Map([[user, 1n]]))
      const payments = [{ user, amount: earned.get(user) ?? 0n }].filter(({ amount }) => amount > 0n)
      return { settlement: settlementOf(earned, payments), payments, windowWork: 1n, first: 0 }
    }
    const window = yield* readWindow(sql, basis.lastSeq, limitsOf(basis))
    const balances = yield* readBalances(sql, basis.lastEntry)
    return { ...computeFrom(window, balances, reward, policy, basis), first: window.first }
  })

/** The same from a window and balances that are at hand. */
export const computeFrom = (
  window: Pick<Window, "weights" | "work">,
  balances: Amounts,
  reward: bigint,
  policy: BlockPolicy,
  { bytes, minimum }: Pick<Basis, "bytes" | "minimum">
): Omit<Computed, "first"> => {
  const earned = divideReward(reward, policy, window.weights)
  const payments = coinbasePayments(earned, balances, { minimum, bytes, bytesOf })
  return { settlement: settlementOf(earned, payments), payments, windowWork: window.work }
}

export const limitsOf = ({ afterSeq, since, work }: Basis): WindowLimits => ({
  ...(work === undefined ? {} : { work }),
  ...(afterSeq === undefined ? {} : { afterSeq }),
  ...(since === undefined ? {} : { since })
})

/** Whether a coinbase with these outputs makes all payments. The other outputs are the pool's. */
export const makesPayments = (outputs: ReadonlyArray<Output>, payments: ReadonlyArray<Payment>): boolean => {
  const made = outputs.map(keyOf)
  return payments.every((payment) => {
    const script = scriptOf(payment.user)
    const at = script === undefined ? -1 : made.indexOf(keyOf({ script, value: payment.amount }))
    if (at < 0) return false
    made.splice(at, 1)
    return true
  })
}

/** Text that is the same for equal outputs. */
export const keyOf = ({ script, value }: Output): string => `${value} ${Buffer.from(script).toString("hex")}`

const known = new Map<string, Uint8Array | undefined>()
const MAX_KNOWN = 100_000

/** The script of a user whose name is an address. */
export const scriptOf = (user: string): Uint8Array | undefined => {
  if (!known.has(user)) {
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(user, minerScript(user))
  }
  return known.get(user)
}

/** The bytes of an output: value, length and script. */
const bytesOf = (user: string): number | undefined => {
  const script = scriptOf(user)
  return script === undefined ? undefined : 8 + compactSize(script.length).length + script.length
}
