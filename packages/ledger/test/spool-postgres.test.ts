/** Shares go to the spool while PostgreSQL is away, and from there into the ledger: all of them, in order, once. */
import { assert, describe, it } from "@effect/vitest"
import { type PostgresServer, startPostgres } from "@sluice/testing/postgres-server"
import { Effect, Exit, Fiber, Logger, Redacted, Scope, Stream } from "effect"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { audit, Ledger, type LedgerCalls, type LedgerPlace, type NewShare, sharesFrom } from "../src/index.ts"
import { Spool } from "../src/spool/spool.ts"
import { execute, POSTGRES_URL } from "./databases.ts"

const share = (number: number): NewShare => {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, number)
  return { at: Date.now(), user: "alice", worker: "", work: 1n, height: 1, hash, isBlock: false }
}
const shares = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => share(from + index))

describe.skipIf(POSTGRES_URL === undefined)("a ledger on PostgreSQL with a spool", () => {
  const scope = Scope.makeUnsafe()
  let server: PostgresServer
  let place: LedgerPlace
  beforeAll(async () => {
    server = await Effect.runPromise(Scope.provide(startPostgres, scope))
    place = { postgres: Redacted.make(server.url) }
  }, 60_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  const live = (name: string, test: (file: string) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(
      name,
      () =>
        Effect.gen(function* () {
          yield* execute(place, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
          const directory = yield* Effect.acquireRelease(
            Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-spool-"))),
            (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
          )
          yield* test(join(directory, "pool.spool"))
        }).pipe(Effect.scoped),
      120_000
    )

  /** Uses a ledger with the spool, and gives the lines of its log. */
  const withSpool = <A>(
    file: string,
    use: (ledger: LedgerCalls, lines: ReadonlyArray<string>) => Effect.Effect<A, unknown>,
    maxBytes?: number
  ) => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    const spool = { file, ...(maxBytes === undefined ? {} : { maxBytes }) }
    return Effect.flatMap(Ledger, (ledger) => use(ledger, lines)).pipe(
      Effect.provide(Ledger.layer({ ...place, commitInterval: 1, slice: 50, spool })),
      Effect.provide(Logger.layer([logger]))
    )
  }

  const said = (lines: ReadonlyArray<string>, what: RegExp) =>
    Effect.gen(function* () {
      while (!lines.some((line) => what.test(line))) yield* Effect.sleep(50)
    }).pipe(Effect.timeout("60 seconds"))

  /** Checks that the ledger has these shares in this order, and nothing that an audit finds. */
  const check = ({ sql }: LedgerCalls, numbers: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const all = yield* Stream.runCollect(sharesFrom(sql, 1))
      assert.deepStrictEqual(
        all.map(({ hash }) => new DataView(hash.buffer, hash.byteOffset).getUint32(0)),
        [...numbers]
      )
      assert.deepStrictEqual((yield* audit(sql, () => Effect.void)).faults, [])
    })

  const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

  live("acknowledges shares while the server is stopped, and hands them over when it is back", (file) =>
    withSpool(file, (ledger, lines) =>
      Effect.gen(function* () {
        yield* ledger.append(shares(1, 10))
        yield* server.stop
        yield* ledger.append(shares(11, 20))
        yield* said(
          lines,
          /^Shares go to the spool .*pool\.spool until the ledger postgres:.*\/pool can be written again$/
        )
        for (let number = 21; number <= 40; number++) yield* ledger.append([share(number)])
        // Money waits for the database.
        const adjusted = yield* Effect.forkChild(ledger.transact(ledger.books.adjust("alice", 7n, 1, "a gift")))
        assert.isAbove(statSync(file).size, 1_000)
        yield* server.start
        yield* said(lines, /is written again, and has all shares of the spool/)
        yield* Fiber.join(adjusted)
        assert.strictEqual(ledger.books.balances.get("alice"), 7n)
        yield* ledger.append([share(41)])
        yield* check(ledger, upTo(41))
        assert.strictEqual(statSync(file).size, 15)
      })
    )
  )

  live("hands over after a restart what was acknowledged before, and what it had handed over only once", (file) =>
    Effect.gen(function* () {
      yield* withSpool(file, (ledger, lines) =>
        Effect.gen(function* () {
          yield* server.stop
          for (let number = 1; number <= 20; number++) yield* ledger.append([share(number)])
          yield* said(lines, /Shares go to the spool/)
        })
      )
      // The process that is killed while it hands over leaves the whole spool behind, and half of a record that it was about to write.
      const left = readFileSync(file)
      yield* server.start
      yield* withSpool(file, (ledger, lines) =>
        Effect.andThen(said(lines, /has all shares of the spool/), check(ledger, upTo(20)))
      )
      writeFileSync(file, Buffer.concat([left, left.subarray(15, 60)]))
      yield* withSpool(file, (ledger, lines) =>
        Effect.gen(function* () {
          // Behind those of the spool, also while it is handed over.
          yield* ledger.append([share(21)])
          yield* said(lines, /has all shares of the spool/)
          assert.isTrue(lines.some((line) => line.includes("not written whole: it is dropped")))
          yield* check(ledger, upTo(21))
        })
      )
    })
  )

  live("does not count shares again whose commit was done when the program ended before it heard of it", (file) =>
    Effect.gen(function* () {
      const known = shares(1, 3)
      yield* Effect.flatMap(Ledger, ({ append }) => append(known)).pipe(Effect.provide(Ledger.layer(place)))
      yield* Effect.scoped(
        Effect.flatMap(Spool.open({ file }), (spool) => Effect.andThen(spool.append(known), spool.append(shares(4, 5))))
      )
      yield* withSpool(file, (ledger, lines) =>
        Effect.andThen(said(lines, /has all shares of the spool/), check(ledger, upTo(5)))
      )
    })
  )

  live("refuses shares with a sentence when the spool is full, and takes them when it is empty again", (file) =>
    withSpool(
      file,
      (ledger, lines) =>
        Effect.gen(function* () {
          yield* server.stop
          let taken = 0
          const fill = Effect.suspend(() => Effect.map(ledger.append([share(taken + 1)]), () => void taken++))
          const refusal = yield* Effect.flip(Effect.forever(fill))
          assert.match(String(refusal), /may have 2000: it takes no more shares until the ledger has taken those in it/)
          assert.isAtLeast(taken, 5)
          yield* server.start
          yield* said(lines, /has all shares of the spool/)
          yield* ledger.append([share(taken + 1)])
          yield* check(ledger, upTo(taken + 1))
        }),
      2_000
    )
  )
})
