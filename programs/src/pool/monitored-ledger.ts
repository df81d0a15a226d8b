/** The ledger as the operators' page shows it. */
import { hashFromDisplay, hashToDisplay } from "@sluice/bitcoin"
import {
  type Books,
  countBlocks,
  followBooks,
  Ledger,
  layerReading,
  type LedgerError,
  ledgerError,
  ledgerName,
  LedgerPayouts,
  type LedgerPlace,
  LedgerSql,
  type LedgerSqlCalls,
  type PaidBlock,
  type Plan,
  readAccountEntries,
  readPaidBlock,
  readPaidBlocks,
  readPayments,
  scriptOf,
  type Totals
} from "@sluice/ledger"
import type { AccountView, LedgerPlan, LedgerUnavailable, MonitoredLedger, PayoutView } from "@sluice/monitor"
import { printable } from "@sluice/protocol"
import { Clock, Context, Effect, Layer, Metric, Option } from "effect"

/** A plan takes some milliseconds with ten thousand users, and anybody with a link may ask for it. */
const PLAN_MS = 5000

/** The ledger of the program that this runs in, if it has one. */
export const monitoredLedger: Effect.Effect<MonitoredLedger | undefined> = Effect.gen(function* () {
  const ledger = Option.getOrUndefined(yield* Effect.serviceOption(Ledger))
  if (ledger === undefined) return undefined
  const { books, sql, transact } = ledger
  const adjust: Source["adjust"] = (user, satoshis, at, reason) => transact(books.adjust(user, satoshis, at, reason))
  return yield* view({ books, sql, adjust, planOf: yield* planner })
})

/** The ledger that the workers of this program write: it is read here, and a worker tells its plan. Closed with the Scope. */
export const monitoredLedgerOfWorkers = Effect.fnUntraced(function* (place: LedgerPlace, planOf: Source["planOf"]) {
  const sql = Context.get(yield* Layer.build(layerReading(place)), LedgerSql)
  const books = yield* Effect.mapError(followBooks, ledgerError(ledgerName(place))).pipe(
    Effect.provideService(LedgerSql, sql)
  )
  const adjust: Source["adjust"] = (user, satoshis, at, reason) =>
    Effect.flatMap(Ledger, (ledger) => ledger.transact(ledger.books.adjust(user, satoshis, at, reason))).pipe(
      Effect.provide(Ledger.layer({ ...place, commitInterval: 0 })),
      // The metrics of the ledger are those of the workers.
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.andThen(Effect.mapError(books.refresh, ledgerError(ledgerName(place))))
    )
  return yield* view({ books, sql, adjust, planOf })
})

/** Whom a block of this program would pay, as the page shows it. */
export const planner: Effect.Effect<Source["planOf"]> = Effect.map(Effect.serviceOption(LedgerPayouts), (payouts) =>
  Option.match(payouts, {
    onNone: () => () => Effect.undefined,
    onSome:
      ({ plan }) =>
      (reward) =>
        Effect.sync(() => {
          const planned = plan(reward)
          return planned && planView(planned)
        })
  })
)

interface Source {
  readonly books: Books
  readonly sql: LedgerSqlCalls
  readonly adjust: (user: string, satoshis: bigint, at: number, reason: string) => Effect.Effect<void, LedgerError>
  readonly planOf: (reward: bigint) => Effect.Effect<LedgerPlan | undefined>
}

/** Only programs with the page load the monitor. */
const view = (source: Source): Effect.Effect<MonitoredLedger> =>
  Effect.map(
    Effect.promise(() => import("@sluice/monitor")),
    ({ LedgerUnavailable }) => viewOf(source, (detail) => new LedgerUnavailable({ detail }))
  )

const viewOf = (
  { adjust, books, planOf, sql }: Source,
  unavailable: (detail: string) => LedgerUnavailable
): MonitoredLedger => {
  const read = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) =>
    Effect.mapError(effect, ({ message }) => unavailable(`The ledger cannot be read or written: ${message}`))
  const account = (user: string): AccountView | undefined => {
    const totals = books.totals.get(user)
    return totals === undefined ? undefined : accountView(user, totals)
  }
  /** Users by the scripts that pay them, of the last plan. */
  let users = new Map<string, string>()
  let last: { readonly reward: bigint; readonly at: number; readonly plan: LedgerPlan | undefined } | undefined

  const plan = Effect.fnUntraced(function* (reward: bigint) {
    const now = yield* Clock.currentTimeMillis
    if (last !== undefined && last.reward === reward && Math.abs(now - last.at) < PLAN_MS) return last.plan
    const made = yield* planOf(reward)
    if (made !== undefined) {
      users = new Map(
        made.payments.flatMap(({ user }) => {
          const script = user === null ? undefined : scriptOf(user)
          return user === null || script === undefined ? [] : [[hexOf(script), user] as const]
        })
      )
    }
    last = { reward, at: now, plan: made }
    return made
  })

  return {
    accounts: Effect.sync(() => Array.from(books.totals, ([user, totals]) => accountView(user, totals))),
    account: (user) => Effect.sync(() => (user === POOL ? undefined : account(user))),
    entries: (user, part) =>
      Effect.map(read(readAccountEntries(sql, user, part)), ({ items, total }) => ({
        total,
        offset: part.offset,
        items: items.map(({ amount, at, hash, height, id, kind, reason }) => ({
          id,
          at,
          kind,
          satoshis: Number(amount),
          height: height ?? null,
          hash: hash === undefined ? null : hashToDisplay(hash),
          reason: printable(reason)
        }))
      })),
    blockCount: read(countBlocks(sql)),
    payouts: (part) => Effect.map(read(readPaidBlocks(sql, part)), (blocks) => blocks.map(payoutView)),
    payments: (hash) =>
      Effect.gen(function* () {
        const block = yield* read(readPaidBlock(sql, hashFromDisplay(hash)))
        if (block === undefined) return undefined
        const payments = yield* read(readPayments(sql, block.id))
        return {
          payout: payoutView(block),
          payments: payments.map(({ account, earned, paid }) => ({
            user: nameOf(account),
            earned: Number(earned),
            paid: Number(paid)
          }))
        }
      }),
    plan,
    userOf: (script) => users.get(hexOf(script)),
    adjust: (user, satoshis, reason) =>
      Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        yield* read(adjust(user, satoshis, at, reason))
        return Number(books.balances.get(user) ?? 0n)
      })
  }
}

/** The name of the pool's own account. */
const POOL = ""

const nameOf = (account: string): string | null => (account === POOL ? null : printable(account))
const hexOf = (script: Uint8Array): string => Buffer.from(script).toString("hex")

const accountView = (account: string, { adjustment, earned, paid, sent }: Totals): AccountView => ({
  user: nameOf(account),
  earned: Number(earned),
  paid: Number(-paid - sent),
  adjusted: Number(adjustment),
  balance: Number(earned + paid + sent + adjustment)
})

const payoutView = ({ at, hash, height, paid, reward, scheme, state, users }: PaidBlock): PayoutView => ({
  height,
  hash: hashToDisplay(hash),
  at,
  state,
  reward: Number(reward),
  scheme: scheme ?? null,
  users,
  paid: Number(paid)
})

const planView = ({ minimum, payments, policy, settlement, windowSize, windowWork }: Plan): LedgerPlan => ({
  scheme: policy.scheme,
  windowFilled:
    windowSize === undefined || windowSize === 0n ? null : Number((windowWork * 10_000n) / windowSize) / 10_000,
  minimum: Number(minimum),
  pool: Number(settlement.paid.get(POOL) ?? 0n),
  payments: payments.map(({ amount, user }) => ({
    user: nameOf(user),
    earned: Number(settlement.earned.get(user) ?? 0n),
    paid: Number(amount)
  }))
})
