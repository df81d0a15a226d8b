/**
 * Pays users in the coinbase by what the ledger knows of their work: a `Payouts` whose outputs change with the window, and a `WorkSource`
 * around another one that records each block that is found, with its settlement.
 */
import { hashToDisplay, type Output, parseJobCoinbase } from "@sluice/bitcoin"
import type { SourceShare } from "@sluice/channels"
import {
  minerScript,
  OptionError,
  outputConstraints,
  type PayoutOptions,
  payoutOf,
  Payouts,
  type PayoutsCalls,
  type ShareSink,
  splitReward,
  type ValidateUser,
  WorkSource
} from "@sluice/mining-server"
import { Clock, Context, Deferred, Duration, Effect, Layer, Result, Stream, SubscriptionRef } from "effect"
import { Ledger, type LedgerCalls } from "./ledger.ts"
import { LedgerError, ledgerError } from "./ledger-error.ts"
import { LEAST_OUTPUT_BYTES } from "./scheme/coinbase-payments.ts"
import { POOL } from "./scheme/divide.ts"
import type { BlockPolicy } from "./scheme/policy.ts"
import { workOfTarget } from "./scheme/work.ts"
import { ownerOf } from "./share-of.ts"
import { type Computed, computeFrom, computeSettlement, keyOf, makesPayments, scriptOf } from "./settle.ts"
import type { Basis, FoundBlock } from "./store/books.ts"
import { WindowTracker } from "./window-tracker.ts"

export interface LedgerPayoutsOptions {
  readonly policy: BlockPolicy
  /** The pool's own outputs. They get the fee, and amounts that are too small to be paid. */
  readonly pool: Pick<PayoutOptions, "coinbaseAddress" | "coinbaseOutputs" | "chain">
  /** The least amount that a coinbase pays to a user, in satoshis. Default 10,000. */
  readonly minimum?: bigint
  /** Bytes that the whole coinbase may have, without its witness. Default 750, as old firmware takes them. */
  readonly maxCoinbaseBytes?: number
}

export const ledgerPayoutsDefaults = { minimum: 10_000n, maxCoinbaseBytes: 750 } as const

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
/** How long a share waits for its block, if the source of work is not asked to submit it. */
const BLOCK_PATIENCE = Duration.seconds(1)

export interface LedgerPayoutsCalls {
  /** Records shares in the ledger. A share that is a block is recorded after the block, so the ledger never has it alone. */
  readonly sink: ShareSink
  /** Refuses users whose name is no address of the chain. */
  readonly validateUser: ValidateUser
  /** Follows the network's difficulty. */
  readonly follow: (target: Uint8Array) => Effect.Effect<void>
  /** Records blocks with their settlements. */
  readonly record: (blocks: ReadonlyArray<SourceShare>) => Effect.Effect<void>
  /** Whom a block with this reward would pay if it were found now; undefined in solo mining, where each miner has its own block. */
  readonly plan: (reward: bigint) => Plan | undefined
  /** The window of the next block. */
  readonly window: Pick<WindowTracker, "weights" | "work" | "last" | "limits">
}

export interface Plan extends Omit<Computed, "first"> {
  readonly policy: BlockPolicy
  /** The work that the window has room for; undefined for windows without such a limit. */
  readonly windowSize: bigint | undefined
  readonly minimum: bigint
}

export class LedgerPayouts extends Context.Service<LedgerPayouts, LedgerPayoutsCalls>()("sluice/ledger/LedgerPayouts") {
  static readonly layer = (
    options: LedgerPayoutsOptions
  ): Layer.Layer<LedgerPayouts | Payouts, OptionError | LedgerError, Ledger> =>
    Layer.effectContext(
      Effect.map(make(options), ({ calls, payouts }) =>
        Context.make(LedgerPayouts, calls).pipe(Context.add(Payouts, payouts))
      )
    )

  /** The source of work that it is given, which records blocks too. */
  static readonly work: Layer.Layer<WorkSource, never, WorkSource | LedgerPayouts> = Layer.effect(
    WorkSource,
    Effect.gen(function* () {
      const source = yield* WorkSource
      const { follow, record } = yield* LedgerPayouts
      return WorkSource.of({
        ...source,
        news: Stream.tap(source.news, () => {
          const { prevHash } = source.work.common.jobs
          return prevHash === undefined ? Effect.void : follow(prevHash.target)
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

const make = Effect.fnUntraced(function* (options: LedgerPayoutsOptions) {
  const { maxCoinbaseBytes, minimum, policy, pool } = { ...ledgerPayoutsDefaults, ...options }
  const ledger = yield* Ledger
  const clock = yield* Clock.Clock
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

  const tracker = new WindowTracker(ledger.sql, policy, ledger.lastSeq)
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

  /** Blocks that are being recorded, or that shares wait for, by hash in hex. */
  const recorded = new Map<string, Deferred.Deferred<void>>()
  const isRecorded = (hash: Uint8Array): Deferred.Deferred<void> => {
    const key = Buffer.from(hash).toString("hex")
    const known = recorded.get(key) ?? Deferred.makeUnsafe<void>()
    recorded.set(key, known)
    if (recorded.size > MAX_PLANS) recorded.delete(recorded.keys().next().value!)
    return known
  }

  const recordOne = (found: SourceShare) =>
    Effect.gen(function* () {
      const at = clock.currentTimeMillisUnsafe()
      const block = yield* blockOf(found, at, tracker.networkWork ?? 0n)
      const basis = basisOf(block)
      const isSettled = yield* ledger.transact(
        Effect.gen(function* () {
          const id = yield* ledger.books.addBlock(block)
          if (id === undefined) return true
          if (basis === undefined) return false
          const { payments, settlement, windowWork } = yield* computeSettlement(ledger.sql, block, policy, basis)
          if (!makesPayments(block.outputs, payments)) return false
          yield* ledger.books.settle(id, settlement, { policy, basis, windowWork, at })
          return true
        })
      )
      if (policy.scheme === "prop") yield* tracker.load()
      if (isSettled) return
      yield* Effect.logError(
        `Block ${block.height}, ${hashToDisplay(block.hash)}, has a coinbase that the ledger did not plan: it is recorded without ` +
          `a settlement; sluice ledger audit shows it`
      )
    }).pipe(
      Effect.catch((error) =>
        Effect.logError(
          `Block ${found.job.height}, ${hashToDisplay(found.hash)}, is not in the ledger: ${named(error).message}`
        )
      ),
      Effect.ensuring(Effect.suspend(() => Deferred.succeed(isRecorded(found.hash), undefined)))
    )

  let followed = tracker.networkWork
  const scope = yield* Effect.scope
  const changeNetworkWork = (work: bigint) =>
    Effect.andThen(
      tracker.load(work),
      ledger.transact(
        ledger.sql`INSERT INTO state (name, value) VALUES (${NETWORK_WORK}, ${work.toString()})
          ON CONFLICT (name) DO UPDATE SET value = excluded.value`
      )
    ).pipe(Effect.catch((error) => Effect.logWarning(named(error).message)))

  const calls = LedgerPayouts.of({
    sink: {
      record: (shares) => {
        const blocks = shares.filter(({ isBlock }) => isBlock)
        return blocks.length === 0
          ? ledger.sink.record(shares)
          : Effect.andThen(
              Effect.timeoutOption(
                Effect.forEach(blocks, ({ hash }) => Deferred.await(isRecorded(hash)), { discard: true }),
                BLOCK_PATIENCE
              ),
              ledger.sink.record(shares)
            )
      }
    },
    plan: (reward) => {
      if (solo !== undefined) return undefined
      const computed = computeFrom(tracker, ledger.books.balances, reward, policy, basisNow())
      return { ...computed, policy, minimum, windowSize: tracker.limits.work }
    },
    window: tracker,
    validateUser: ({ identity }) =>
      Effect.succeed(minerScript(identity, pool.chain) === undefined ? "invalid-user-identity" : undefined),
    record: Effect.forEach(recordOne, { discard: true }),
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

/** The name of the row that keeps the network's difficulty for the next start. */
const NETWORK_WORK = "network_work"

const readNetworkWork = ({ sql }: LedgerCalls) =>
  Effect.map(sql<{ value: string }>`SELECT value FROM state WHERE name = ${NETWORK_WORK}`, ([row]) =>
    row === undefined ? undefined : BigInt(row.value)
  )

const planKey = (outputs: ReadonlyArray<Output>): string =>
  outputs
    .filter(({ value }) => value > 0n)
    .map(keyOf)
    .join()

const blockOf = (share: SourceShare, at: number, networkWork: bigint): Effect.Effect<FoundBlock, LedgerError> => {
  const { extranonce, hash, job, userIdentity, worker } = share
  const parsed = parseJobCoinbase({
    prefix: job.coinbasePrefix,
    extranonceSize: extranonce.length,
    suffix: job.coinbaseSuffix
  })
  if (Result.isFailure(parsed)) return Effect.fail(new LedgerError({ message: parsed.failure.message }))
  const { outputs } = parsed.success
  return Effect.succeed({
    hash,
    height: job.height,
    at,
    ...ownerOf(userIdentity, worker),
    reward: outputs.reduce((sum, { value }) => sum + value, 0n),
    networkWork,
    outputs
  })
}
