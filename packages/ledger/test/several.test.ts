/** Several processes on one ledger: one order of shares, one holder of each server id. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, Stream } from "effect"
import { behind, databases, execute } from "./databases.ts"
import {
  audit,
  type BlockPolicy,
  Ledger,
  type LedgerOptions,
  leaseServerId,
  type NewShare,
  readWindow,
  sharesFrom,
  type StoredShare,
  WindowTracker
} from "../src/index.ts"

/** A ledger as one process has it open, until the Scope closes. */
const open = (options: LedgerOptions) =>
  Effect.map(Layer.build(Ledger.layer({ commitInterval: 1, slice: 20, ...options })), (context) =>
    Context.get(context, Ledger)
  )

const share = (number: number): NewShare => {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, number)
  const user = ["alice", "bob", "carol"][number % 3]!
  return { at: Date.now(), user, worker: "", work: BigInt(1 + (number % 5)), height: 1, hash, isBlock: false }
}

const policy: BlockPolicy = { version: 1, scheme: "pplns", window: 1_000, fee: 0 }
const plain = (weights: ReadonlyMap<string, bigint>) => [...weights].toSorted(([a], [b]) => (a < b ? -1 : 1))
const silent = Effect.provide(Logger.layer([]))

describe.each(databases)("several processes on $name", ({ fresh }) => {
  it.live(
    "give their shares one order without gaps, which each process sees as a whole, and have the same window",
    () =>
      Effect.gen(function* () {
        const place = yield* fresh
        const processes = []
        for (let id = 0; id < 3; id++) {
          const ledger = yield* open(place)
          const seen: Array<StoredShare> = []
          const tracker = new WindowTracker(ledger.sql, policy, ledger.lastSeq)
          yield* tracker.load(100n)
          ledger.onCommit((shares) =>
            Effect.andThen(
              Effect.sync(() => void seen.push(...shares)),
              tracker.add(shares)
            )
          )
          processes.push({ id, ledger, seen, tracker })
        }
        yield* Effect.forEach(
          processes,
          ({ id, ledger }) =>
            Effect.forEach(
              Array.from({ length: 8 }, (_, index) => index),
              (batch) =>
                ledger.append(Array.from({ length: 10 }, (_, index) => share(1 + id * 100 + batch * 10 + index))),
              { discard: true }
            ),
          { concurrency: "unbounded" }
        )
        for (const { ledger } of processes) yield* ledger.refresh
        const all = yield* Stream.runCollect(sharesFrom(processes[0]!.ledger.sql, 1))
        assert.deepStrictEqual(
          all.map(({ seq }) => seq),
          all.map((_, index) => index + 1)
        )
        assert.strictEqual(all.length, 3 * 80)
        for (const { seen, tracker } of processes) {
          assert.deepStrictEqual(seen, all)
          const window = yield* readWindow(processes[0]!.ledger.sql, all.length, tracker.limits)
          assert.deepStrictEqual(plain(tracker.weights), plain(window.weights))
        }
        assert.deepStrictEqual((yield* audit(processes[0]!.ledger.sql, () => Effect.void)).faults, [])
      }).pipe(Effect.scoped, silent)
  )

  it.live("never have the same server id; one whose id another one has taken writes no more", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      const [first, second] = [yield* open(place), yield* open(place)]
      const lease = (ledger: Ledger["Service"], holder: string) =>
        Effect.provideService(leaseServerId({ holder, duration: "600 millis", ids: 2 }), Ledger, ledger)
      const mine = yield* lease(first, "first")
      const other = yield* lease(second, "second")
      assert.notStrictEqual(mine.serverId, other.serverId)
      const third = yield* open(place)
      assert.match(
        (yield* Effect.flip(lease(third, "third"))).message,
        /all 2 server ids are in use; .* (first|second)/
      )
      // Both renew.
      yield* Effect.sleep("1 second")
      assert.isTrue(mine.isHeld())
      assert.isTrue(other.isHeld())

      // Another one took the id while the first one stood still.
      yield* execute(place, `UPDATE leases SET token = token + 100 WHERE server_id = ${mine.serverId}`)
      const error = yield* Effect.flip(mine.lost)
      assert.match(error.message, /another process has server id \d/)
      assert.isFalse(mine.isHeld())
      const refused = yield* Effect.flip(first.append([share(1)]))
      assert.match(refused.message, /cannot be written: another process has server id \d/)
      yield* second.append([share(1)])
      assert.strictEqual(second.lastSeq(), 1)
    }).pipe(Effect.scoped, silent)
  )

  it.live("stop to use an id that they cannot renew, before its lease has run out, and go on when they can again", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      const ledger = yield* open(place)
      const { isHeld } = yield* Effect.provideService(
        leaseServerId({ holder: "test", duration: "800 millis" }),
        Ledger,
        ledger
      )
      yield* behind(place, (other) =>
        other.withTransaction(
          Effect.gen(function* () {
            yield* other`UPDATE leases SET holder = 'nobody'`
            assert.isTrue(isHeld())
            while (isHeld()) yield* Effect.sleep(10)
            const lease = yield* other<{ expires_at: number }>`SELECT expires_at FROM leases`
            // One clock: both are on this machine.
            assert.isAbove(lease[0]!.expires_at, Date.now())
          })
        )
      )
      while (!isHeld()) yield* Effect.sleep(10)
    }).pipe(Effect.scoped, silent)
  )

  it.live("get the id of a process that ended without giving it back when its lease has run out", () =>
    Effect.gen(function* () {
      const place = yield* fresh
      const ledger = yield* open(place)
      const lease = (duration: number) =>
        Effect.provideService(leaseServerId({ holder: "test", duration, ids: 1 }), Ledger, ledger)
      // A process that is killed runs no finalizers.
      const killed = yield* Effect.forkChild(Effect.scoped(Effect.andThen(lease(60_000), Effect.never)))
      while ((yield* ledger.sql`SELECT token FROM leases`).length === 0) yield* Effect.sleep(5)
      assert.match((yield* Effect.flip(lease(300))).message, /all 1 server ids are in use/)
      yield* execute(place, "UPDATE leases SET expires_at = 0")
      const { isHeld, serverId } = yield* lease(300)
      assert.strictEqual(serverId, 0)
      assert.isTrue(isHeld())
      yield* Fiber.interrupt(killed)
      // The one that ended late did not end the lease of the other one.
      assert.deepStrictEqual(yield* ledger.sql`SELECT token FROM leases WHERE expires_at > 0`, [{ token: 2 }])
    }).pipe(Effect.scoped, silent)
  )
})
