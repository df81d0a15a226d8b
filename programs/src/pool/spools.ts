/**
 * The files that keep shares while PostgreSQL is away. Each worker has one of its own; a worker that replaces another one goes on with its
 * file. A pool that is started with fewer workers hands over the files that have no worker any more.
 */
import { handOverSpool, hasSpooled, type LedgerPlace } from "@sluice/ledger"
import type { Endpoint } from "@sluice/transport"
import { Effect, type Scope } from "effect"
import { MAX_WORKERS } from "../workers/messages.ts"
import { segmentOf } from "../workers/share-segment.ts"

export interface SpoolConfig {
  readonly listen: Endpoint
  readonly spool?: string
  readonly workers: number
}

/** The pools of one machine listen at different ports. */
const fileOf = ({ listen, spool }: SpoolConfig): string => spool ?? `pool-${listen.port}.spool`

/** The file of a worker with this number; of a pool without workers if there is no number. */
export const spoolOf = (config: SpoolConfig, number?: number): string =>
  number === undefined ? fileOf(config) : segmentOf(fileOf(config), number)

/** Hands over the files that neither this pool nor one of its workers has, one after the other, until the Scope closes. */
export const handOverLeft = (place: LedgerPlace, config: SpoolConfig): Effect.Effect<void, never, Scope.Scope> => {
  const numbers = Array.from({ length: MAX_WORKERS }, (_, index) => index + 1)
  const left =
    config.workers === 1
      ? numbers.map((number) => spoolOf(config, number))
      : [spoolOf(config), ...numbers.slice(config.workers).map((number) => spoolOf(config, number))]
  const handOver = (file: string) =>
    Effect.logInfo(`The spool ${file} has shares, and no worker that it belongs to: they go to the ledger now`).pipe(
      Effect.andThen(handOverSpool(place, file)),
      Effect.catch(({ message }) => Effect.logError(`Shares are not handed over to the ledger: ${message}`))
    )
  return Effect.filter(left, hasSpooled).pipe(
    Effect.flatMap(Effect.forEach(handOver, { discard: true })),
    Effect.forkScoped,
    Effect.asVoid
  )
}
