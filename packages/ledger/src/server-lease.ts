/**
 * Gives each process that serves miners on one ledger a server id, the byte of its extranonce prefixes that no other process has at the
 * same time. An id is on lease, by the clock of the database: a process that cannot renew its lease stops to give out prefixes before
 * another process can have the id, and one that has lost it can no longer write to the ledger.
 */
import { Clock, Deferred, Duration, Effect, Schedule, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { Ledger } from "./ledger.ts"
import { LedgerError, ledgerError } from "./ledger-error.ts"
import { lostLease } from "./store/shares.ts"

export interface ServerLeaseOptions {
  /** A name of the process for people, such as its host and process id. */
  readonly holder: string
  /** Default 1 minute. */
  readonly duration?: Duration.Input
  /** How many ids there are. Default 256. */
  readonly ids?: number
}

export interface ServerLease {
  readonly serverId: number
  /** Whether prefixes with the id may be given out now. */
  readonly isHeld: () => boolean
  /** Fails when another process has the id. */
  readonly lost: Effect.Effect<never, LedgerError>
}

const DURATION = Duration.minutes(1)
const IDS = 256
/** Parts of the duration: between two renewals, and until the process stops to give out prefixes. */
const RENEWAL = 1 / 4
const USE = 5 / 6

/** Takes an id until the Scope closes. The ledger writes nothing any more once the id is another process's. */
export const leaseServerId = Effect.fnUntraced(function* ({
  duration = DURATION,
  holder,
  ids = IDS
}: ServerLeaseOptions): Effect.fn.Return<ServerLease, LedgerError, Ledger | Scope.Scope> {
  const { fence, name, sql, transact } = yield* Ledger
  const clock = yield* Clock.Clock
  const ms = Math.round(Duration.toMillis(duration))
  const now = sql.literal(timeOf(sql))
  const elapsedMs = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

  let asked = elapsedMs()
  const { serverId, token } = yield* transact(
    Effect.gen(function* () {
      const leases = yield* sql<LeaseRow>`SELECT server_id, token, expires_at - ${now} AS remaining, holder FROM leases`
      const taken = new Map(leases.filter(({ remaining }) => remaining > 0).map((lease) => [lease.server_id, lease]))
      const token = leases.reduce((greatest, lease) => Math.max(greatest, lease.token), 0) + 1
      // Ids are given in turn, so the id of a process that ended comes again as late as possible.
      const serverId = Array.from({ length: ids }, (_, index) => (token + index) % ids).find((id) => !taken.has(id))
      if (serverId === undefined) {
        const [next] = [...taken.values()].toSorted((a, b) => a.remaining - b.remaining)
        return yield* new LedgerError({
          message:
            `all ${ids} server ids are in use; the next one is free in ${Math.ceil(next!.remaining / 1_000)} s ` +
            `if ${next!.holder} does not renew it`
        })
      }
      yield* sql`INSERT INTO leases (server_id, token, holder, expires_at) VALUES (${serverId}, ${token}, ${holder}, ${now} + ${ms})
        ON CONFLICT (server_id) DO UPDATE SET token = excluded.token, holder = excluded.holder, expires_at = excluded.expires_at`
      return { serverId, token }
    })
  )
  fence({ serverId, token })
  let heldUntil = asked + ms * USE
  const lost = Deferred.makeUnsafe<never, LedgerError>()

  const renew = Effect.gen(function* () {
    asked = elapsedMs()
    const rows = yield* sql`UPDATE leases SET expires_at = ${now} + ${ms}
      WHERE server_id = ${serverId} AND token = ${token} RETURNING token`
    if (rows.length > 0) {
      heldUntil = asked + ms * USE
      return
    }
    heldUntil = 0
    yield* Deferred.fail(lost, new LedgerError({ message: `the ledger ${name}: ${lostLease(serverId)}` }))
  }).pipe(
    // An answer that is too late says nothing of the time since.
    Effect.timeoutOption(ms * RENEWAL),
    Effect.catch((error) =>
      elapsedMs() < heldUntil
        ? Effect.void
        : Effect.logWarning(
            `The lease of server id ${serverId} cannot be renewed, so no channel is opened: ${ledgerError(name)(error).message}`
          )
    )
  )
  yield* Effect.forkScoped(Effect.repeat(renew, Schedule.spaced(ms * RENEWAL)))
  yield* Effect.addFinalizer(() =>
    Effect.ignore(sql`UPDATE leases SET expires_at = ${now} WHERE server_id = ${serverId} AND token = ${token}`)
  )
  return { serverId, isHeld: () => elapsedMs() < heldUntil, lost: Deferred.await(lost) }
})

/** Milliseconds since 1970 by the clock of the database, which all processes share. */
const timeOf = (sql: SqlClient.SqlClient): string =>
  sql.onDialectOrElse({
    pg: () => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    orElse: () => "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
  })

interface LeaseRow {
  readonly server_id: number
  readonly token: number
  readonly remaining: number
  readonly holder: string
}
