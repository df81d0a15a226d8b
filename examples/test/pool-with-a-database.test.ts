/** The example in a process of its own, and a miner whose shares it cannot write for a while: another program holds the lock. */
import { assert, describe, it } from "@effect/vitest"
import { HashThreads, Miner, type MinerEvent } from "@sluice/miner"
import { Effect, Layer, Option, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { dialer, POOL_ADDRESS, quiet, startExample, templateProvider, templateProviderUrl } from "./world.ts"

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-shares-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ),
  (directory) => join(directory, "shares.sqlite")
)

describe("pool-with-a-database", () => {
  it.live("acknowledges shares that are in the database, and none while it cannot be written", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const pool = yield* startExample("pool-with-a-database", [yield* templateProviderUrl, POOL_ADDRESS, file, "0"])
      const server = yield* pool.server("miners connect to")
      const database = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(file, { timeout: 10_000 })),
        (database) => Effect.sync(() => database.close())
      )
      const written = () => Number(database.prepare("SELECT count(*) AS n FROM shares WHERE user = 'me'").get()!["n"])

      const { events, stats } = yield* Miner.start({
        servers: [server],
        user: "me",
        channel: "extended",
        nominalHashRate: 1_000,
        reconnecting: { firstDelay: "10 millis", maxDelay: "100 millis" }
      })
      const next = <Tag extends MinerEvent["_tag"]>(
        tag: Tag,
        wanted: (event: Extract<MinerEvent, { _tag: Tag }>) => boolean = () => true
      ) =>
        events.pipe(
          Stream.filter((event) => event._tag === tag && wanted(event as Extract<MinerEvent, { _tag: Tag }>)),
          Stream.runHead,
          Effect.map((event) => Option.getOrThrow(event) as Extract<MinerEvent, { _tag: Tag }>)
        )
      yield* next("ShareAccepted", ({ accepted }) => accepted >= 3)
      assert.isAtLeast(written(), 3)

      database.exec("BEGIN IMMEDIATE")
      const before = written()
      const { unanswered } = yield* next("Disconnected")
      assert.isAtLeast(unanswered, 1)
      assert.strictEqual(written(), before)
      assert.isAtMost((yield* stats).accepted, before)
      yield* pool.find(/Ended the connection of \S+: shares cannot be written to \S+shares.sqlite: database is locked/)

      database.exec("ROLLBACK")
      yield* next("ShareAccepted", ({ accepted }) => accepted > before)
      assert.isAtLeast(written(), (yield* stats).accepted)
    }).pipe(
      Effect.provide(
        Layer.mergeAll(templateProvider, dialer, HashThreads.layer({ threads: 1 })).pipe(Layer.provideMerge(quiet))
      )
    )
  )
})
