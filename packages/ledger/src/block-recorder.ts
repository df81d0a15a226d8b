/** Records blocks that are found with their settlements, and keeps the shares of blocks until that is done. */
import { hashToDisplay, parseJobCoinbase } from "@sluice/bitcoin"
import type { SourceShare } from "@sluice/channels"
import { Recording, type ShareSink } from "@sluice/mining-server"
import { Clock, Deferred, Duration, Effect, FiberSet, Result, Schedule, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import type { LedgerCalls } from "./ledger.ts"
import { LedgerError, ledgerError } from "./ledger-error.ts"
import type { Policy } from "./scheme/policy.ts"
import { ownerOf } from "./share-of.ts"
import { computeSettlement, makesPayments } from "./settle.ts"
import type { Basis, FoundBlock } from "./store/books.ts"

/** How long a share waits for its block, if the source of work is not asked to submit it. */
const BLOCK_PATIENCE = Duration.seconds(1)
/** How often it is looked whether the ledger can be written again, for a block that it could not take. */
const LOOK = Duration.seconds(1)
/** How often such a block is tried again then. It may be the reason of the failure, which shares of the same commit have too. */
const TRIES = 3
/** How many blocks are remembered, and how many wait for the ledger at most. */
const MAX_BLOCKS = 1024

export interface BlockRecorderOptions {
  readonly policy: Policy
  /** What a block's coinbase is based on; undefined if that is not known. */
  readonly basisOf: (block: FoundBlock) => Basis | undefined
  readonly networkWork: () => bigint
  /** Runs after each block that was recorded. */
  readonly recorded: Effect.Effect<void, SqlError.SqlError>
}

export interface BlockRecorder {
  /** Records shares in the ledger. A share that is a block is recorded after the block, so the ledger never has it alone. */
  readonly sink: ShareSink
  /** Records blocks with their settlements. What the ledger cannot take now it gets when it can be written again, and this does not wait for that. */
  readonly record: (blocks: ReadonlyArray<SourceShare>) => Effect.Effect<void>
}

export const makeBlockRecorder = Effect.fnUntraced(function* (
  ledger: LedgerCalls,
  { basisOf, networkWork, policy, recorded: whenRecorded }: BlockRecorderOptions
): Effect.fn.Return<BlockRecorder, never, Scope.Scope> {
  const late = yield* FiberSet.make<void>()
  const tryLater = yield* FiberSet.runtime(late)()
  const named = ledgerError(ledger.name)
  /** Blocks that are being recorded, or that shares wait for, by hash in hex. */
  const recorded = new Map<string, Deferred.Deferred<void>>()
  const isRecorded = (hash: Uint8Array): Deferred.Deferred<void> => {
    const key = Buffer.from(hash).toString("hex")
    const known = recorded.get(key) ?? Deferred.makeUnsafe<void>()
    recorded.set(key, known)
    if (recorded.size > MAX_BLOCKS) recorded.delete(recorded.keys().next().value!)
    return known
  }

  const recordOne = (found: SourceShare): Effect.Effect<void> => {
    const which = `Block ${found.job.height}, ${hashToDisplay(found.hash)},`
    const fails = (error: { readonly message: string }, what = "") =>
      Effect.logError(`${which} is not in the ledger${what}: ${named(error).message}`)
    const logInterrupt = Effect.onInterrupt(() =>
      Effect.logError(`${which} may not be in the ledger, because the pool ends: look with sluice ledger blocks`)
    )
    return Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      const block = yield* blockOf(found, at, networkWork())
      const settling = settle(which, block, basisOf(block))
      const later = Effect.sleep(LOOK).pipe(
        Effect.andThen(ledger.refresh),
        Effect.retry(Schedule.forever),
        Effect.andThen(settling),
        Effect.retry({ times: TRIES - 1 }),
        Effect.andThen(Effect.logInfo(`${which} is in the ledger now`)),
        Effect.catch(fails),
        Effect.catchDefect((defect) => fails({ message: String(defect) })),
        logInterrupt
      )
      yield* Effect.catch(settling, (error) =>
        Effect.gen(function* () {
          if ((yield* FiberSet.size(late)) >= MAX_BLOCKS) return yield* fails(error)
          tryLater(later)
          yield* fails(error, " yet")
        })
      )
    }).pipe(
      Effect.catch(fails),
      logInterrupt,
      Effect.ensuring(Effect.suspend(() => Deferred.succeed(isRecorded(found.hash), undefined)))
    )
  }

  const settle = (which: string, block: FoundBlock, basis: Basis | undefined) =>
    Effect.gen(function* () {
      const isSettled = yield* ledger.transact(
        Effect.gen(function* () {
          const id = yield* ledger.books.addBlock(block)
          if (id === undefined) return true
          if (basis === undefined) return false
          const { payments, settlement, windowWork } = yield* computeSettlement(ledger.sql, block, policy, basis)
          if (!makesPayments(block.outputs, payments)) return false
          yield* ledger.books.settle(id, settlement, { policy, basis, windowWork, at: block.at })
          return true
        })
      )
      yield* Effect.catch(whenRecorded, (error) => Effect.logWarning(named(error).message))
      if (isSettled) return
      yield* Effect.logError(
        `${which} has a coinbase that the ledger did not plan: it is recorded without a settlement; sluice ledger audit shows it`
      )
    })

  const record: ShareSink["record"] = (shares) => {
    const blocks = shares.filter(({ isBlock }) => isBlock)
    return Effect.andThen(
      Effect.timeoutOption(
        Effect.forEach(blocks, ({ hash }) => Deferred.await(isRecorded(hash)), { discard: true }),
        BLOCK_PATIENCE
      ),
      ledger.sink.record(shares)
    )
  }
  return {
    record: Effect.forEach(recordOne, { discard: true }),
    sink: {
      record,
      recordLater: (shares) => {
        if (!shares.some(({ isBlock }) => isBlock)) return ledger.sink.recordLater(shares)
        const recording = new Recording()
        ledger.fork(
          Effect.match(record(shares), {
            onFailure: (failure) => recording.end(failure),
            onSuccess: () => recording.end()
          })
        )
        return recording
      }
    }
  }
})

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

/** The name of the row that keeps the network's difficulty for the next start. */
const NETWORK_WORK = "network_work"

export const readNetworkWork = ({ sql }: LedgerCalls): Effect.Effect<bigint | undefined, SqlError.SqlError> =>
  Effect.map(sql<{ value: string }>`SELECT value FROM state WHERE name = ${NETWORK_WORK}`, ([row]) =>
    row === undefined ? undefined : BigInt(row.value)
  )

export const keepNetworkWork = ({ sql, transact }: LedgerCalls, work: bigint): Effect.Effect<void, LedgerError> =>
  Effect.asVoid(
    transact(
      sql`INSERT INTO state (name, value) VALUES (${NETWORK_WORK}, ${work.toString()})
        ON CONFLICT (name) DO UPDATE SET value = excluded.value`
    )
  )
