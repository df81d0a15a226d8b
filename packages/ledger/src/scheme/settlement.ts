/** The settlement of a block: who earned what, what its coinbase paid, and so how balances change. */
import { type Amounts, POOL, sum } from "./divide.ts"
import type { Payment } from "./coinbase-payments.ts"

export interface Settlement {
  readonly reward: bigint
  /** What each account earned. Sums to the reward. */
  readonly earned: Amounts
  /** What the coinbase paid to each account. Sums to the reward. */
  readonly paid: Amounts
  /** `earned` minus `paid`. Sums to zero. */
  readonly changes: Amounts
}

/** The pool's output gets all that `payments` leave. */
export const settlementOf = (earned: Amounts, payments: ReadonlyArray<Payment>): Settlement => {
  const reward = sum(earned.values())
  const paid = new Map<string, bigint>()
  for (const { amount, user } of payments) paid.set(user, (paid.get(user) ?? 0n) + amount)
  paid.set(POOL, reward - sum(paid.values()))
  const changes = new Map(earned)
  for (const [account, amount] of paid) changes.set(account, (changes.get(account) ?? 0n) - amount)
  return { reward, earned, paid, changes }
}
