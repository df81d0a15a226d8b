/** Hands over the spool of a process that does not run any more. */
import { Effect, Metric, Schedule } from "effect"
import { stat } from "node:fs/promises"
import { Ledger } from "../ledger.ts"
import type { LedgerError } from "../ledger-error.ts"
import type { LedgerPlace } from "../place.ts"
import { HEADER } from "./record.ts"

const LOOK = Schedule.spaced("200 millis")

/** Whether a file has shares that were not handed over. */
export const hasSpooled = (file: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    stat(file).then(
      ({ size }) => size > HEADER.length,
      () => false
    )
  )

/** Completes when the ledger has all shares of the spool. It waits for as long as the database is away. */
export const handOverSpool = (place: LedgerPlace, file: string): Effect.Effect<void, LedgerError> =>
  Effect.flatMap(Ledger, ({ isSpoolClear }) =>
    Effect.asVoid(Effect.repeat(Effect.sync(isSpoolClear), { until: (isClear) => isClear, schedule: LOOK }))
  ).pipe(
    Effect.provide(Ledger.layer({ ...place, spool: { file } })),
    // The metrics of the program are those of its own ledger.
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
