/**
 * Pays users in the coinbase by what the ledger knows of their work: a `Payouts` whose outputs change with the window, and a `WorkSource`
 * around another one that records each block that is found, with its settlement.
 */
import type { Output } from "@sluice/bitcoin"
import {
  minerScript,
  OptionError,
  outputConstraints,
  payoutOf,
  Payouts,
  type PayoutsCalls,
  splitReward,
  WorkSource
} from "@sluice/mining-server"
import { Context, Duration, Effect, Layer, Stream, SubscriptionRef } from "effect"
import { keepNetworkWork, makeBlockRecorder, readNetworkWork } from "./block-recorder.ts"
import { makeBuying } from "./buying.ts"
import { Ledger } from "./ledger.ts"
import { type LedgerError, ledgerError } from "./ledger-error.ts"
import { LEAST_OUTPUT_BYTES } from "./scheme/coinbase-payments.ts"
import { POOL } from "./scheme/divide.ts"
import { type BlockPolicy, isBlockPolicy } from "./scheme/policy.ts"
import { workOfTarget } from "./scheme/work.ts"
import { computeFrom, keyOf, scriptOf } from "./settle.ts"
import { type LedgerPayoutsCalls, ledgerPayoutsDefaults, type LedgerPayoutsOptions } from "./payouts-options.ts"
import { beginScheme } from "./store/purchases.ts"
import type { Basis, FoundBlock } from "./store/books.ts"
import { WindowTracker } from "./window-tracker.ts"

/** The most bytes of a coinbase around the outputs of users and pool: the longest input, and the commitment to witnesses. */
const AROUND = 161 + 47
/** Room for this many bytes is asked for at the start: sixteen outputs of the longest address. */
const FIRST_ROOM = 16 * 43
/** Templates that were on their way when more room was asked for have arrived after this time. */
const ROOM_DELAY = Duration.seconds(10)
/** An output has this many bytes or more and four signature operations or less for each. */
const LEAST_OUTPUT = { bytes: LEAST_OUTPUT_BYTES, sigops: 4 }
/** How many coinbases are remembered, to know on what the one of a block is based. */
const MAX_PLANS = 1024
const REFRESH = Duration.seconds(1)

export class LedgerPayouts extends Context.Service<LedgerPayouts, LedgerPayoutsCalls>()("sluice/ledger/LedgerPayouts") {
  static readonly layer = (
    options: LedgerPayoutsOptions
  ): Layer.Layer<LedgerPayouts | Payouts, OptionError | LedgerError, Ledger> =>
    Layer.effectContext(
      Effect.map(
        Effect.suspend(() => {
          const { policy } = options
          return isBlockPolicy(policy) ? make({ ...options, policy }) : makeBuying({ ...options, policy })
        }),
        ({ calls, payouts }) => Context.make(LedgerPayouts, calls).pipe(Context.add(Payouts, payouts))
      )
    )

  /** The source of work that it is given, which records blocks too. */
  static readonly work: Layer.Layer<WorkSource, never, WorkSource | LedgerPayouts> = Layer.effect(
    WorkSource,
    Effect.gen(function* () {
      const source = yield* WorkSource
      const { follow, record } = yield* LedgerPayouts
      let height = 0
      return WorkSource.of({
        ...source,
        news: Stream.tap(source.news, ({ changes }) => {
          const { prevHash } = source.work.common.jobs
          for (const change of changes) {
            if (change._tag === "NewJob" || change._tag === "NewPrevHash") height = change.job.height
          }
          return prevHash === undefined ? Effect.void : follow(prevHash.target, height)
        }),
        // The ledger never delays a block.
        submit: (found) => {
          const blocks = found.filter(({ isBlock }) => isBlock)
          const submitted = source.submit(found)
          return blocks.length === 0
            ? submitted
            : Effect.all([submitted, record(blocks)], { concurrency: "unbounded", discard: true })
        }
      })
    })
  )
}

const make = Effect.fnUntraced(function* (options: LedgerPayoutsOptions & { readonly policy: BlockPolicy }) {
  const { maxCoinbaseBytes, minimum, policy, pool } = { ...ledgerPayoutsDefaults, ...options }
  const ledger = yield* Ledger
  const named = ledgerError(ledger.name)
  const solo = policy.scheme === "solo" ? { feePercent: policy.fee / 10_000 } : undefined
  const own = yield* Effect.fromResult(payoutOf(solo === undefined ? pool : { ...pool, solo }))
  const ownRoom = outputConstraints(own)
  const maxBytes = maxCoinbaseBytes - AROUND - ownRoom.coinbaseOutputMaxAdditionalSize
  if (solo === undefined && maxBytes < FIRST_ROOM / 16) {
    const least = maxCoinbaseBytes - maxBytes + FIRST_ROOM / 16
    return yield* OptionError.of(
      "maxCoinbaseBytes",
      `a coinbase of ${maxCoinbaseBytes} bytes has no room for a user beside the pool's outputs: give ${least} or more`
    )
  }

  const bought = yield* Effect.mapError(beginScheme(ledger, policy), named)
  const tracker = new WindowTracker(ledger.sql, policy, ledger.lastSeq, bought)
  yield* Effect.mapError(
    Effect.flatMap(readNetworkWork(ledger), (work) => tracker.load(work)),
    named
  )
  ledger.onCommit((shares) => tracker.add(shares))

  const room = yield* SubscriptionRef.make(Math.min(FIRST_ROOM, maxBytes))
  /** Room that templates have by now. */
  let usable = Math.min(FIRST_ROOM, maxBytes)
  let wanted = usable
  const plans = new Map<string, Basis>()

  const basisNow = (): Basis => ({
    lastSeq: tracker.last,
    ...tracker.limits,
    lastEntry: ledger.books.lastEntry,
    minimum,
    bytes: usable
  })

  const outputs: PayoutsCalls["outputs"] = (reward) => {
    const basis = basisNow()
    const { payments, settlement } = computeFrom(tracker, ledger.books.balances, reward, policy, basis)
    const paid = payments.map(({ amount, user }): Output => ({ value: amount, script: scriptOf(user)! }))
    if (payments.length * LEAST_OUTPUT.bytes * 2 > usable) wanted = Math.min(maxBytes, usable * 2)
    const rest = splitReward(own, settlement.paid.get(POOL)!)
    const all = [...paid, ...rest.filter(({ value }) => value > 0n)]
    const key = planKey(all)
    plans.delete(key)
    plans.set(key, basis)
    if (plans.size > MAX_PLANS) plans.delete(plans.keys().next().value!)
    return all
  }

  const payouts =
    solo !== undefined
      ? Context.get(yield* Layer.build(Payouts.layer({ ...pool, solo })), Payouts)
      : Payouts.of({
          outputs,
          constraints: Stream.map(SubscriptionRef.changes(room), (bytes) => ({
            coinbaseOutputMaxAdditionalSize: bytes + ownRoom.coinbaseOutputMaxAdditionalSize,
            coinbaseOutputMaxAdditionalSigops:
              Math.ceil(bytes / LEAST_OUTPUT.bytes) * LEAST_OUTPUT.sigops + ownRoom.coinbaseOutputMaxAdditionalSigops
          }))
        })

  let lastEntry = ledger.books.lastEntry
  const refresh = Effect.gen(function* () {
    // An empty commit passes on the shares that other processes have appended.
    yield* ledger.sql.dialect === "postgres" ? ledger.refresh : ledger.books.refresh
    // A block of another process ends the round of this one too.
    const isSettled = lastEntry !== ledger.books.lastEntry && policy.scheme === "prop"
    lastEntry = ledger.books.lastEntry
    // Shares leave a window by time also when no new ones come.
    if (isSettled || ledger.lastSeq() !== tracker.last) yield* tracker.load()
    else yield* tracker.add([])
    if (wanted === (yield* SubscriptionRef.get(room))) return
    yield* SubscriptionRef.set(room, wanted)
    const granted = wanted
    yield* Effect.forkScoped(
      Effect.andThen(
        Effect.sleep(ROOM_DELAY),
        Effect.sync(() => (usable = granted))
      )
    )
  })
  yield* Effect.sleep(REFRESH).pipe(
    Effect.andThen(refresh),
    Effect.catch((error) => Effect.logWarning(named(error).message)),
    Effect.forever,
    Effect.forkScoped
  )

  const basisOf = (block: FoundBlock): Basis | undefined =>
    solo === undefined
      ? plans.get(planKey(block.outputs))
      : { lastSeq: tracker.last, lastEntry: ledger.books.lastEntry, minimum: 0n, bytes: 0 }

  const recorder = yield* makeBlockRecorder(ledger, {
    policy,
    basisOf,
    networkWork: () => tracker.networkWork ?? 0n,
    recorded: policy.scheme === "prop" ? tracker.load() : Effect.void
  })

  let followed = tracker.networkWork
  const scope = yield* Effect.scope
  const changeNetworkWork = (work: bigint) =>
    Effect.andThen(tracker.load(work), keepNetworkWork(ledger, work)).pipe(
      Effect.catch((error) => Effect.logWarning(named(error).message))
    )

  const calls = LedgerPayouts.of({
    ...recorder,
    plan: (reward) => {
      if (solo !== undefined) return undefined
      const computed = computeFrom(tracker, ledger.books.balances, reward, policy, basisNow())
      return { ...computed, policy, minimum, windowSize: tracker.limits.work }
    },
    window: tracker,
    validateUser: ({ identity }) =>
      Effect.succeed(minerScript(identity, pool.chain) === undefined ? "invalid-user-identity" : undefined),
    // Reading the window of another difficulty may take a while, and jobs must not wait for it.
    follow: (target) =>
      Effect.suspend(() => {
        const work = workOfTarget(target)
        if (work === followed) return Effect.void
        followed = work
        return Effect.asVoid(Effect.forkIn(changeNetworkWork(work), scope, { startImmediately: true }))
      })
  })
  return { calls, payouts }
})

const planKey = (outputs: ReadonlyArray<Output>): string =>
  outputs
    .filter(({ value }) => value > 0n)
    .map(keyOf)
    .join()
