/**
 * Who does the hashing: a number of workers that share one work at a time. `HashThreads.layer` has real threads,
 * `HashInProcess.layer` hashes slowly in this one, in steps of the Clock, for tests.
 */
import type { Work } from "@sluice/channels"
import { Context, type Effect, Schema, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { FoundShare } from "./search.ts"

/** The workers of one miner. */
export interface Hashers {
  /**
   * Gives all workers this work instead of what they have, which they stop within milliseconds. `elapsedMs` is how long
   * its previous hash is known: it bounds nTime (5.3.11). The number, at least 1 and another for each work, comes back
   * with every share that is found.
   */
  readonly start: (workNumber: number, work: Work, elapsedMs: number) => Effect.Effect<void, HashWorkerError>
  /** The workers rest. */
  readonly stop: Effect.Effect<void>
  /** Waits for shares and takes all there are. Workers find no more while many wait to be taken. */
  readonly take: Effect.Effect<NonEmptyReadonlyArray<Found>, HashWorkerError>
  /** Hashes done since the beginning. */
  readonly hashes: () => number
  /** Hashes a second of all workers together, tried out for a fraction of a second. To be asked before any work. */
  readonly measure: Effect.Effect<number, HashWorkerError>
}

export interface Found {
  /** What `start` got for the work. */
  readonly workNumber: number
  readonly share: FoundShare
}

/** Makes workers; closing the Scope ends them. */
export class HashWorkers extends Context.Service<
  HashWorkers,
  {
    readonly make: Effect.Effect<Hashers, HashWorkerError, Scope.Scope>
  }
>()("sluice/miner/HashWorkers") {}

/** A worker cannot be started, or it died. */
export class HashWorkerError extends Schema.TaggedError<HashWorkerError>("sluice/miner/HashWorkerError")(
  "HashWorkerError",
  { message: Schema.String, cause: Schema.Defect() }
) {}
