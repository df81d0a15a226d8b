/**
 * Workers that hash, all on the same work. `HashThreads.layer` uses threads. `HashInProcess.layer` hashes slowly in this thread,
 * in steps of the Clock, for tests.
 */
import type { ChannelWork } from "@sluice/channels"
import { Context, type Effect, Schema, type Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { FoundShare } from "./search.ts"

/** The workers of one miner. */
export interface Hashers {
  /**
   * Gives all workers new work. They stop their current work within milliseconds. `elapsedMs` is the time since its previous
   * hash came, which limits nTime (5.3.11). Returns the number of the work, at least 1 and unique; every share has it.
   */
  readonly start: (workNumber: number, work: ChannelWork, elapsedMs: number) => Effect.Effect<void, HashWorkerError>
  /** Stops hashing until the next `start`. */
  readonly stop: Effect.Effect<void>
  /** Waits for shares and takes all of them. The workers pause while many shares wait. */
  readonly take: Effect.Effect<NonEmptyReadonlyArray<Found>, HashWorkerError>
  /** Hashes since the start. */
  readonly hashes: () => number
  /** Measures the hashes a second of all workers, for a fraction of a second. Call it before `start`. */
  readonly measure: Effect.Effect<number, HashWorkerError>
}

export interface Found {
  /** The number that `start` returned for the work. */
  readonly workNumber: number
  readonly share: FoundShare
}

/** Makes workers, which end with the Scope. */
export class HashWorkers extends Context.Service<
  HashWorkers,
  {
    readonly make: Effect.Effect<Hashers, HashWorkerError, Scope.Scope>
  }
>()("sluice/miner/HashWorkers") {}

/** A worker could not be started, or died. */
export class HashWorkerError extends Schema.TaggedError<HashWorkerError>("sluice/miner/HashWorkerError")(
  "HashWorkerError",
  { message: Schema.String, cause: Schema.Defect() }
) {}
