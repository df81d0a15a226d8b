/**
 * Decides what a coinbase pays to whom: earnings that are large enough, with what was carried over from earlier blocks. The rest is
 * carried as balances, and the pool's output holds it until then.
 */
import { type Amounts, POOL, sum } from "./divide.ts"

export interface PaymentLimits {
  /** Smaller amounts are carried, in satoshis. */
  readonly minimum: bigint
  /** Bytes for the outputs of users. */
  readonly bytes: number
  /** The bytes that an output of this user takes, with its value and length; undefined if the user cannot be paid. */
  readonly bytesOf: (user: string) => number | undefined
}

/** The shortest output that is paid: value, length, and a script of a witness key hash. */
export const LEAST_OUTPUT_BYTES = 31

export interface Payment {
  readonly user: string
  readonly amount: bigint
}

/**
 * Returns the payments to users, the largest amount due first. The pool gets the rest of the reward: `reward` minus their sum.
 *
 * A user is due what the block earns it and its balance, which is negative after an overpayment. Every user with an output first gets
 * its earnings of this block; balances are paid from what then is left of the reward, in the same order.
 */
export const coinbasePayments = (
  earned: Amounts,
  balances: Amounts,
  { bytes, bytesOf, minimum }: PaymentLimits
): ReadonlyArray<Payment> => {
  const due: Array<{ readonly user: string; readonly amount: bigint; readonly first: bigint }> = []
  for (const user of new Set([...earned.keys(), ...balances.keys()])) {
    if (user === POOL) continue
    const earnings = earned.get(user) ?? 0n
    const amount = earnings + (balances.get(user) ?? 0n)
    if (amount < minimum || amount <= 0n) continue
    due.push({ user, amount, first: amount < earnings ? amount : earnings })
  }
  due.sort((a, b) => (a.amount === b.amount ? compareText(a.user, b.user) : a.amount > b.amount ? -1 : 1))

  let room = bytes
  const chosen = due.filter(({ user }) => {
    // Reading the addresses of thousands of users, none of whom has room, would take most of the time.
    if (room < LEAST_OUTPUT_BYTES) return false
    const size = bytesOf(user)
    if (size === undefined || size > room) return false
    room -= size
    return true
  })
  let left = sum(earned.values()) - sum(chosen.map(({ first }) => first))
  const payments: Array<Payment> = []
  for (const { amount, first, user } of chosen) {
    const carried = amount - first
    const paid = carried < left ? carried : left
    left -= paid
    // A balance that cannot be paid yet may leave too little.
    if (first + paid >= minimum && first + paid > 0n) payments.push({ user, amount: first + paid })
    else left += paid
  }
  return payments
}

/** By UTF-16 code units, the same on every machine. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
