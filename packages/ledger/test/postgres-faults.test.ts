/** What happens to shares when PostgreSQL, or the network to it, fails. */
import { assert, describe, it } from "@effect/vitest"
import { type PostgresServer, startPostgres } from "@sluice/testing/postgres-server"
import { Effect, Exit, Fiber, Layer, Logger, Redacted, Scope, Stream } from "effect"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { afterAll, beforeAll } from "vitest"
import { behind, execute, POSTGRES_URL } from "./databases.ts"
import {
  audit,
  Ledger,
  type LedgerCalls,
  type LedgerPlace,
  type LedgerSettings,
  type NewShare,
  sharesFrom
} from "../src/index.ts"

const share = (number: number): NewShare => {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, number)
  return { at: Date.now(), user: "alice", worker: "", work: 1n, height: 1, hash, isBlock: false }
}

/** Uses a ledger, and gives the lines of its log. */
const withLedger = <A, E>(
  options: LedgerPlace & LedgerSettings,
  use: (ledger: LedgerCalls, lines: ReadonlyArray<string>) => Effect.Effect<A, E>
): Effect.Effect<A, unknown> => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push(String(message)))
  return Effect.flatMap(Ledger, (ledger) => use(ledger, lines)).pipe(
    Effect.provide(Ledger.layer({ commitInterval: 1, slice: 50, ...options })),
    Effect.provide(Logger.layer([logger]))
  )
}

/** Checks that the ledger has exactly these shares, once each, and nothing that an audit finds. */
const checkShares = ({ sql }: LedgerCalls, numbers: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const shares = yield* Stream.runCollect(sharesFrom(sql, 1))
    assert.sameMembers(
      shares.map(({ hash }) => new DataView(hash.buffer, hash.byteOffset).getUint32(0)),
      [...numbers]
    )
    assert.deepStrictEqual((yield* audit(sql, () => Effect.void)).faults, [])
  })

/** The network between a ledger and its database. */
class Network {
  /** Milliseconds by which each answer is late. */
  delay = 0
  /** Cuts the connection in the place of the answer to the next commit. */
  cutsCommit = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(target: PostgresServer) {
    this.#server = createServer((client) => {
      const server = connect(target.port, target.host)
      const end = () => [client, server].forEach((socket) => socket.destroy())
      for (const socket of [client, server]) socket.on("error", end).on("close", end)
      this.#sockets.add(client)
      client.pipe(server)
      server.on("data", (bytes) => {
        if (this.cutsCommit && bytes.includes("COMMIT\0")) {
          this.cutsCommit = false
          end()
        } else if (this.delay > 0) setTimeout(() => client.write(bytes), this.delay)
        else client.write(bytes)
      })
    })
  }

  static readonly to = (target: PostgresServer) =>
    Effect.acquireRelease(
      Effect.callback<readonly [Network, LedgerPlace]>((resume) => {
        const network = new Network(target)
        network.#server.listen(0, "127.0.0.1", () => {
          const url = new URL(target.url)
          url.port = String((network.#server.address() as AddressInfo).port)
          resume(Effect.succeed([network, { postgres: Redacted.make(url.href) }]))
        })
      }),
      ([network]) =>
        Effect.sync(() => {
          network.#server.close()
          for (const socket of network.#sockets) socket.destroy()
        })
    )
}

describe.skipIf(POSTGRES_URL === undefined)("a ledger on PostgreSQL", () => {
  const scope = Scope.makeUnsafe()
  let server: PostgresServer
  let place: LedgerPlace
  beforeAll(async () => {
    server = await Effect.runPromise(Scope.provide(startPostgres, scope))
    place = { postgres: Redacted.make(server.url) }
  }, 60_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  /** Runs a test on an empty database. */
  const live = (name: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(
      name,
      () =>
        Effect.gen(function* () {
          yield* execute(place, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
          yield* test()
        }).pipe(Effect.scoped),
      120_000
    )

  live("keeps shares while the server is stopped, says so once, and commits them when it is back", () =>
    withLedger(place, (ledger, lines) =>
      Effect.gen(function* () {
        yield* ledger.append([share(1)])
        yield* server.stop
        const waiting = yield* Effect.forkChild(ledger.append([share(2)]))
        yield* Effect.sleep("1 second")
        yield* server.start
        yield* Fiber.join(waiting)
        yield* checkShares(ledger, [1, 2])
        const warnings = lines.filter((line) => line.includes("cannot be written"))
        assert.strictEqual(warnings.length, 1)
        assert.match(
          warnings[0]!,
          /^The ledger postgres:\/\/127\.0\.0\.1:\d+\/pool cannot be written: .+; 1 shares wait for up to 30s$/
        )
        assert.isTrue(lines.some((line) => line.endsWith("is written again")))
      })
    )
  )

  live("fails shares that have waited too long for a stopped server, and goes on with later ones", () =>
    withLedger({ ...place, patience: "500 millis" }, (ledger) =>
      Effect.gen(function* () {
        yield* server.stop
        const { message } = yield* Effect.flip(ledger.append([share(1)]))
        assert.match(message, /cannot be written: .*ECONNREFUSED/)
        yield* server.start
        yield* ledger.append([share(2)])
        yield* checkShares(ledger, [2])
      })
    )
  )

  live("counts shares once whose connections are ended again and again", () =>
    withLedger(place, (ledger) =>
      Effect.gen(function* () {
        const cutting = yield* Effect.forkChild(
          behind(place, (other) =>
            Effect.forever(
              Effect.andThen(
                other`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`,
                Effect.suspend(() => Effect.sleep(20 + Math.random() * 100))
              )
            )
          )
        )
        const numbers = Array.from({ length: 100 }, (_, index) => index + 1)
        yield* Effect.forEach(numbers, (number) => ledger.append([share(number)]), {
          concurrency: 5,
          discard: true
        })
        yield* Fiber.interrupt(cutting)
        yield* checkShares(ledger, numbers)
      })
    )
  )

  live("finds shares of a commit whose answer was lost, and does not count them twice", () =>
    Effect.gen(function* () {
      const [network, through] = yield* Network.to(server)
      yield* withLedger(through, (ledger, lines) =>
        Effect.gen(function* () {
          const seen: Array<number> = []
          ledger.onCommit((shares) => Effect.sync(() => void seen.push(...shares.map(({ seq }) => seq))))
          yield* ledger.append([share(1)])
          network.cutsCommit = true
          yield* ledger.append([share(2), share(3)])
          assert.isFalse(network.cutsCommit)
          yield* ledger.append([share(4)])
          yield* checkShares(ledger, [1, 2, 3, 4])
          // Listeners hear of them once too.
          assert.deepStrictEqual(seen, [1, 2, 3, 4])
          assert.strictEqual(lines.filter((line) => line.includes("cannot be written")).length, 1)
          network.cutsCommit = true
          assert.strictEqual(
            yield* ledger.transact(Effect.as(ledger.books.adjust("alice", 7n, 1, "a gift"), "its result")),
            "its result"
          )
          assert.isFalse(network.cutsCommit)
          assert.strictEqual(ledger.books.balances.get("alice"), 7n)
          yield* ledger.transact(ledger.books.adjust("alice", 7n, 1, "another gift"))
          assert.strictEqual(ledger.books.balances.get("alice"), 14n)
        })
      )
    })
  )

  live("gives up a database that answers too late, and says so; what it did is counted once", () =>
    Effect.gen(function* () {
      const [network, through] = yield* Network.to(server)
      yield* withLedger({ ...through, patience: "900 millis" }, (ledger, lines) =>
        Effect.gen(function* () {
          yield* ledger.append([share(1)])
          network.delay = 600
          const { message } = yield* Effect.flip(ledger.append([share(2)]))
          assert.match(message, /cannot be written: it has not answered for 300ms$/)
          assert.match(
            lines.join("\n"),
            /cannot be written: it has not answered for 300ms; 1 shares wait for up to 900ms/
          )
          network.delay = 0
          yield* ledger.append([share(2), share(3)])
          yield* checkShares(ledger, [1, 2, 3])
        })
      )
    })
  )

  live("is not held up by a process that stands still while it has the turn to write", () =>
    withLedger(place, (ledger) =>
      Effect.gen(function* () {
        // As a process that was stopped by a signal, or whose machine is gone.
        const standing = yield* Effect.forkChild(
          behind(place, (other) => other.withTransaction(Effect.andThen(other.takeTurn, Effect.never)))
        )
        yield* Effect.sleep("500 millis")
        yield* ledger.append([share(1)])
        yield* checkShares(ledger, [1])
        yield* Fiber.interrupt(standing)
      })
    )
  )

  live("says that the password is wrong, and does not show it", () =>
    Effect.gen(function* () {
      const url = new URL(server.url)
      url.password = "hunter2"
      const open = Layer.build(Ledger.layer({ postgres: Redacted.make(url.href) }))
      const { message } = yield* Effect.flip(Effect.scoped(open))
      assert.match(
        message,
        /^the ledger postgres:\/\/127\.0\.0\.1:\d+\/pool: password authentication failed for user "sluice"$/
      )
    })
  )
})
