/**
 * Times the ledger on PostgreSQL against a bare client that inserts the same rows by `unnest`, in turns in one run, each into its own
 * schema of the database that the variable `SLUICE_POSTGRES` names. Without it there are no rows.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Ledger, type NewShare } from "@sluice/ledger"
import { Effect, Layer, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomBytes } from "node:crypto"
import type { AsyncCase, Row } from "./case.ts"
import { share, SHARES_TABLE, WORK } from "./ledger-share.ts"

const BATCH = 1_000
const BATCHES = 100
/** Batches before them, in which code is compiled. */
const WARM_UP = 50

/** A schema that is gone at the end, as the URL of a ledger in it. */
const freshSchema = (url: string) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.make({ url: Redacted.make(url) })
    const schema = `bench_${randomBytes(8).toString("hex")}`
    yield* Effect.acquireRelease(sql.unsafe(`CREATE SCHEMA ${schema}`), () =>
      Effect.orDie(sql.unsafe(`DROP SCHEMA ${schema} CASCADE`))
    )
    const own = new URL(url)
    own.searchParams.set("options", `-c search_path=${schema}`)
    return Redacted.make(own.href)
  })

const open = (postgres: Redacted.Redacted) => Ledger.layer({ postgres, commitInterval: 0, slice: "1 hour" })

/** One statement for each batch, which is a transaction of its own. */
const INSERT = `INSERT INTO shares (seq, at, user_id, worker, work, height, hash, is_block)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bytea[], $8::bigint[])`

const measure = (url: string) =>
  Effect.gen(function* () {
    // The bare client has the tables of a ledger too.
    const bareUrl = yield* freshSchema(url)
    yield* Effect.scoped(Layer.build(open(bareUrl)))
    const sql = yield* PgClient.make({ url: bareUrl, maxConnections: 1 })
    yield* sql.unsafe(SHARES_TABLE)
    yield* sql`INSERT INTO users (id, name) SELECT number, 'user' || number FROM generate_series(1, 100) AS number`
    let seq = 0
    const bare = (batch: ReadonlyArray<NewShare>) => {
      const first = BigInt(seq + 1)
      seq += batch.length
      return sql.unsafe(INSERT, [
        batch.map((_, index) => first + BigInt(index)),
        batch.map(({ at }) => BigInt(at)),
        batch.map((_, index) => BigInt(1 + (index % 100))),
        batch.map(({ worker }) => worker),
        batch.map(() => String(WORK)),
        batch.map(({ height }) => BigInt(height)),
        batch.map(({ hash }) => hash),
        batch.map(() => 0n)
      ])
    }
    const place = yield* freshSchema(url)
    return yield* Effect.gen(function* () {
      const { append } = yield* Ledger
      const times = { wall: { bare: 0, ledger: 0 }, cpu: { bare: 0, ledger: 0 } }
      for (let count = 0; count < WARM_UP + BATCHES; count++) {
        const [one, other] = [0, 1].map(() => Array.from({ length: BATCH }, (_, index) => share(index)))
        for (const [name, run] of [
          ["bare", bare(one!)],
          ["ledger", append(other!)]
        ] as const) {
          const [begun, cpu] = [performance.now(), process.cpuUsage()]
          yield* run
          const { system, user } = process.cpuUsage(cpu)
          if (count < WARM_UP) continue
          times.wall[name] += performance.now() - begun
          times.cpu[name] += (system + user) / 1_000
        }
      }
      return times
    }).pipe(Effect.provide(open(place)))
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))

const rows = async (url: string): Promise<ReadonlyArray<Row>> => {
  const times = await Effect.runPromise(measure(url))
  return (["wall", "cpu"] as const).map((kind) => {
    const { bare, ledger } = times[kind]
    return {
      name: `ledger: append ${BATCH} shares durably to PostgreSQL, ${kind}`,
      unit: "ms",
      value: ledger / BATCHES,
      baseline: "an INSERT by unnest through a bare client",
      baselineValue: bare / BATCHES,
      ratio: ledger / bare
    }
  })
}

const url = process.env["SLUICE_POSTGRES"]

export const asyncCases: ReadonlyArray<AsyncCase> =
  url === undefined ? [] : [{ name: "ledger: PostgreSQL", rows: () => rows(url) }]
