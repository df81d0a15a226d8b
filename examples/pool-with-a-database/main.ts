/**
 * A pool whose accounting is a database: each batch of shares is written in one transaction, and acknowledged after it. While
 * the database cannot be written, no share is acknowledged: the miner knows that it does not count.
 *
 *     node examples/pool-with-a-database/main.ts stratum2+tcp+plain://127.0.0.1:18447 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { type ShareSink, ShareSinkError } from "@sluice/mining-server"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { TemplateClient } from "@sluice/template-provider"
import {
  formatServerAddress,
  MiningListener,
  Noise,
  parseServerAddress,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Console, Effect, Layer, Schedule } from "effect"
import { DatabaseSync } from "node:sqlite"

const [templateProvider = "", coinbaseAddress = "", file = "shares.sqlite", listen = "3333"] = process.argv.slice(2)

/** A share sink that writes to the table `shares`. The database is closed with the Scope. */
const openShares = Effect.gen(function* () {
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(file)),
    (database) => Effect.sync(() => database.close())
  )
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
  database.exec("CREATE TABLE IF NOT EXISTS shares (hash BLOB PRIMARY KEY, user TEXT, height INTEGER, difficulty REAL)")
  const insert = database.prepare("INSERT INTO shares (hash, user, height, difficulty) VALUES (?, ?, ?, ?)")

  const record: ShareSink["record"] = (shares) =>
    Effect.try({
      try: () => {
        database.exec("BEGIN IMMEDIATE")
        try {
          for (const { channel, difficulty, hash, height } of shares) {
            insert.run(hash, channel.userIdentity, height, difficulty)
          }
          database.exec("COMMIT")
        } catch (error) {
          if (database.isTransaction) database.exec("ROLLBACK")
          throw error
        }
      },
      catch: (error) => {
        const reason = error instanceof Error ? error.message : String(error)
        return new ShareSinkError({ message: `shares cannot be written to ${file}: ${reason}` })
      }
      // Another program may hold the lock for a moment. Only the connection that sent these shares waits.
    }).pipe(Effect.retry({ times: 10, schedule: Schedule.spaced("100 millis") }))

  return { record }
})

const program = Effect.gen(function* () {
  const server = yield* Effect.fromResult(parseServerAddress(templateProvider))
  const authority = yield* AuthorityKey.generate
  const shares = yield* openShares

  const templates = TemplateClient.layer({ servers: [server] }).pipe(
    Layer.provide(Setup.client(TemplateDialer)),
    Layer.provide(Security.dialer()),
    Layer.provide(Tcp.dialer)
  )

  const miners = Setup.server(MiningListener).pipe(
    Layer.provide(Noise.responder()),
    Layer.provide(CertificateAuthority.layer({ secretKey: authority.secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: Number(listen) }))
  )

  const pool = Pool.layer({ coinbaseAddress, tag: "a database", shareSinks: [shares] }).pipe(
    Layer.provide([templates, miners])
  )

  yield* Effect.gen(function* () {
    const security = { _tag: "noise", authorityKey: authority.publicKey } as const
    yield* Console.log(`miners connect to ${formatServerAddress({ ...(yield* Pool).address, security })}`)
    yield* Effect.never
  }).pipe(Effect.provide(pool))
})

NodeRuntime.runMain(Effect.scoped(program))
