/**
 * Pays users by what the ledger knows of their work in schemes that buy each share (PPS, FPPS): the coinbase pays the pool, and every few
 * minutes the shares of closed slices are bought at the value that a block has then. What the pool has to pay that with is its reserve,
 * which is shown.
 */
import { OptionError, payoutOf, Payouts } from "@sluice/mining-server"
import { Clock, Context, Duration, Effect, Layer } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { keepNetworkWork, makeBlockRecorder, readNetworkWork } from "./block-recorder.ts"
import { Ledger } from "./ledger.ts"
import { ledgerError } from "./ledger-error.ts"
import { type LedgerPayoutsCalls, ledgerPayoutsDefaults, type LedgerPayoutsOptions } from "./payouts-options.ts"
import { type Amounts, POOL } from "./scheme/divide.ts"
import type { SharePolicy } from "./scheme/policy.ts"
import { type Bought, buyWork, subsidyAt } from "./scheme/share-value.ts"
import { workOfTarget } from "./scheme/work.ts"
import { addPurchase, beginScheme, type PurchaseBasis, readBought, readRemainders } from "./store/purchases.ts"
import { readWindow } from "./store/read-window.ts"

const REFRESH = Duration.seconds(1)
/** The part of the declared reserve below which a warning is due. */
const LOW = 4n

/** Computes a purchase. The remainders that it gives are those that change. */
export const computePurchase = (
  sql: SqlClient.SqlClient,
  policy: SharePolicy,
  { afterSeq, lastSeq, price }: PurchaseBasis,
  remainders: Amounts
): Effect.Effect<Bought, SqlError.SqlError> =>
  price === undefined
    ? Effect.succeed({ amounts: new Map(), remainders: new Map() })
    : Effect.map(readWindow(sql, lastSeq, { afterSeq }), ({ weights }) => {
        const before = new Map([...weights.keys()].map((user) => [user, remainders.get(user) ?? 0n]))
        return buyWork(policy, weights, price, before)
      })

export interface Reserve {
  /** What the pool declared, in satoshis. */
  readonly declared: bigint
  /** What blocks brought, less what was paid for shares and by corrections. */
  readonly earned: bigint
}

/** The reserve of a pool that buys shares; undefined if none was declared. */
export const readReserve = (sql: SqlClient.SqlClient): Effect.Effect<Reserve | undefined, SqlError.SqlError> =>
  Effect.gen(function* () {
    const [declared] = yield* sql<{ value: string }>`SELECT value FROM state WHERE name = ${RESERVE}`
    if (declared === undefined) return undefined
    const [sum] = yield* sql<{ amount: number | null }>`
      SELECT sum(amount) AS amount FROM entries WHERE user_id = 0 AND kind IN ('earned', 'adjustment')`
    return { declared: BigInt(declared.value), earned: BigInt(sum?.amount ?? 0) }
  })

const RESERVE = "reserve"

type State = "enough" | "low" | "out"

export const makeBuying = Effect.fnUntraced(function* (
  options: LedgerPayoutsOptions & { readonly policy: SharePolicy }
) {
  const { halvingInterval, policy, pool, purchaseInterval, reserve } = { ...ledgerPayoutsDefaults, ...options }
  if (reserve === undefined || reserve < 0n) {
    return yield* OptionError.of(
      "reserve",
      `${policy.scheme} pays users for shares also when the pool finds no block: declare the reserve that it has for that, in satoshis`
    )
  }
  yield* Effect.fromResult(payoutOf(pool))
  const ledger = yield* Ledger
  const { books, sql, transact } = ledger
  const named = ledgerError(ledger.name)
  const fixed = Context.get(yield* Layer.build(Payouts.layer(pool)), Payouts)
  yield* Effect.mapError(beginScheme(ledger, policy), named)
  yield* Effect.mapError(
    sql`INSERT INTO state (name, value) VALUES (${RESERVE}, ${reserve.toString()})
      ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    named
  )
  let networkWork = yield* Effect.mapError(readNetworkWork(ledger), named)
  /** What a block pays, of the newest template. */
  let reward: bigint | undefined
  let height = 0
  let state: State | undefined
  /** The newest share that was bought. */
  let bought = yield* Effect.mapError(readBought(sql), named)

  const checkReserve = Effect.gen(function* () {
    const { declared, earned } = (yield* readReserve(sql))!
    const left = declared + earned
    const next: State = left <= 0n ? "out" : left * LOW < declared ? "low" : "enough"
    if (next === state) return
    const wasFirst = state === undefined
    state = next
    const is = `The reserve for ${policy.scheme} is ${left} of ${declared} satoshis`
    if (next === "out")
      yield* Effect.logError(`${is}: the pool owes its users more than it has; add to it, or end the scheme`)
    else if (next === "low") yield* Effect.logWarning(`${is}: it lasts for about ${blocksOf(left)} blocks without luck`)
    else if (wasFirst) yield* Effect.logInfo(is)
    else yield* Effect.logInfo(`${is} again`)
  })

  /** How many blocks' worth of shares an amount buys. */
  const blocksOf = (amount: bigint): string =>
    reward === undefined || reward === 0n ? "some" : (Number((amount * 10n) / reward) / 10).toString()

  /** Buys the shares of all closed slices that are not bought. */
  const buy = Effect.gen(function* () {
    if (networkWork === undefined || networkWork === 0n || reward === undefined || height === 0) return
    const created = subsidyAt(height, halvingInterval)
    const subsidy = created < reward ? created : reward
    const price = { subsidy, fees: reward - subsidy, networkWork }
    const at = yield* Clock.currentTimeMillis
    yield* transact(
      Effect.gen(function* () {
        const [slice] = yield* sql<{ last: number | null }>`SELECT max(last_seq) AS last FROM slices`
        const basis = { afterSeq: yield* readBought(sql), lastSeq: Number(slice?.last ?? 0), price }
        if (basis.lastSeq <= basis.afterSeq) return
        const computed = yield* computePurchase(sql, policy, basis, yield* readRemainders(sql))
        yield* addPurchase(sql, books, { policy, basis }, computed, at)
      })
    )
    bought = yield* readBought(sql)
    yield* checkReserve
  })

  yield* Effect.mapError(checkReserve, named)
  yield* buy.pipe(
    Effect.catch((error) => Effect.logWarning(`Shares cannot be bought: ${named(error).message}`)),
    Effect.delay(purchaseInterval),
    Effect.forever,
    Effect.forkScoped
  )
  yield* books.refresh.pipe(
    Effect.catch((error) => Effect.logWarning(named(error).message)),
    Effect.delay(REFRESH),
    Effect.forever,
    Effect.forkScoped
  )

  const changeNetworkWork = (work: bigint) =>
    Effect.gen(function* () {
      // Shares so far were found at the difficulty before.
      yield* buy
      networkWork = work
      yield* keepNetworkWork(ledger, work)
    }).pipe(Effect.catch((error) => Effect.logWarning(`Shares cannot be bought: ${named(error).message}`)))

  const scope = yield* Effect.scope
  let followed = networkWork
  const calls: LedgerPayoutsCalls = {
    ...(yield* makeBlockRecorder(ledger, {
      policy,
      basisOf: () => ({ lastSeq: ledger.lastSeq(), lastEntry: books.lastEntry, minimum: 0n, bytes: 0 }),
      networkWork: () => networkWork ?? 0n,
      recorded: checkReserve
    })),
    plan: () => undefined,
    // What is to be bought next. It has no users until then.
    window: {
      weights: new Map(),
      work: 0n,
      get last() {
        return ledger.lastSeq()
      },
      get limits() {
        return { afterSeq: bought }
      }
    },
    // Users are paid from the wallet, at an address that the ledger has or gets.
    validateUser: ({ user }) => Effect.succeed(user === POOL ? "invalid-user-identity" : undefined),
    follow: (target, next) =>
      Effect.suspend(() => {
        const work = workOfTarget(target)
        height = next
        if (work === followed) return Effect.void
        followed = work
        return Effect.asVoid(Effect.forkIn(changeNetworkWork(work), scope, { startImmediately: true }))
      })
  }
  const payouts = Payouts.of({
    ...fixed,
    outputs: (value) => {
      reward = value
      return fixed.outputs(value)
    }
  })
  return { calls, payouts }
})
