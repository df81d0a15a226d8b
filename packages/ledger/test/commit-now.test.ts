/** A commit in one step: when it is made, and what it writes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { LedgerSql } from "../src/index.ts"
import { layer as layerSqlite } from "../src/sqlite/sqlite-client.ts"
import { prepareSchema } from "../src/store/migrations.ts"
import { type NewShare, unplaced } from "../src/store/share.ts"
import { Shares } from "../src/store/shares.ts"
import { batchesOf, namesOf, textOf } from "../src/store/stored-batch.ts"
import { Users } from "../src/store/users.ts"

const share = (at: number): NewShare => {
  return { at, user: "alice", worker: "rig", work: 5n, height: 7, hash: new Uint8Array(32).fill(at), isBlock: false }
}

/** The shares of a database with one share, of a user who is known from then on; and what else is written there. */
const opened = Effect.gen(function* () {
  const sql = yield* LedgerSql
  yield* prepareSchema({})
  const users = new Users(sql)
  const shares = yield* Shares.open(sql, users, { sliceMs: 60_000 })
  shares.committed(yield* sql.withTransaction(shares.append(unplaced([share(1)]))))
  users.committed()
  const rows = Effect.map(sql<{ lines: string }>`SELECT lines FROM batches ORDER BY last_seq`, (all) =>
    all.flatMap(({ lines }) => lines.trimEnd().split("\n"))
  )
  return { shares, sql, rows, commitNow: (at: number) => shares.commitNow(unplaced([share(at)]), at) }
})

const inMemory = Effect.provide(layerSqlite({ file: ":memory:" }))

describe("a commit in one step", () => {
  it.effect("writes shares of known users behind the newest, and says which entry about money is the newest", () =>
    Effect.gen(function* () {
      const { commitNow, rows, shares } = yield* opened
      const committed = commitNow(2)
      assert.strictEqual(committed?.newestEntry, 0)
      shares.committed(committed?.batches ?? [])
      assert.strictEqual(shares.lastSeq, 2)
      assert.isDefined(commitNow(3))
      assert.strictEqual((yield* rows).length, 3)
    }).pipe(inMemory)
  )

  it.effect("is not made behind shares of another program", () =>
    Effect.gen(function* () {
      const { commitNow, rows, sql } = yield* opened
      yield* sql`INSERT INTO batches (last_seq, first_seq, lines) VALUES (2, 2, ${"[]\n"})`
      assert.isUndefined(commitNow(2))
      assert.strictEqual((yield* rows).length, 2)
    }).pipe(inMemory)
  )

  it.effect("is not made behind a slice that another program has closed", () =>
    Effect.gen(function* () {
      const { commitNow, rows, sql } = yield* opened
      yield* sql`INSERT INTO slices (first_seq, last_seq, began_at, ended_at, work, hash)
        VALUES (1, 1, 1, 1, '5', ${new Uint8Array(32)})`
      assert.isUndefined(commitNow(2))
      assert.strictEqual((yield* rows).length, 1)
    }).pipe(inMemory)
  )

  it.effect("is made with the lease of its server id, and not when another process has it", () =>
    Effect.gen(function* () {
      const { commitNow, rows, shares, sql } = yield* opened
      yield* sql`INSERT INTO leases (server_id, token, expires_at, holder) VALUES (4, 9, 0, ${"another"})`
      shares.fence = { serverId: 4, token: 8 }
      assert.isUndefined(commitNow(2))
      shares.fence = { serverId: 5, token: 9 }
      assert.isUndefined(commitNow(2))
      assert.strictEqual((yield* rows).length, 1)
      shares.fence = { serverId: 4, token: 9 }
      assert.isDefined(commitNow(2))
    }).pipe(inMemory)
  )

  it.effect("is not made inside a transaction of others", () =>
    Effect.gen(function* () {
      const { commitNow, sql } = yield* opened
      yield* sql.withTransaction(Effect.sync(() => assert.isUndefined(commitNow(2))))
      assert.isDefined(commitNow(2))
    }).pipe(inMemory)
  )
})

describe("the lines of a batch", () => {
  it("have names that keep no more memory than their own", () => {
    const names = namesOf({ user: "alice", worker: "rig" })
    assert.strictEqual(names.buffer.byteLength, names.length)
  })

  it("are the JSON of its shares, with any names and numbers", () => {
    const name = fc
      .string({ unit: "binary", maxLength: 40 })
      .filter((text) => text.isWellFormed() && !text.includes("\0"))
    const shares = fc.array(
      fc.record({
        seq: fc.maxSafeNat(),
        at: fc.maxSafeInteger(),
        user: name,
        worker: name,
        work: fc.bigInt({ min: 1n, max: 1n << 1100n }),
        height: fc.maxSafeNat(),
        hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        isBlock: fc.boolean()
      }),
      { minLength: 1, maxLength: 20 }
    )
    fc.assert(
      fc.property(shares, (all) => {
        const [batch] = batchesOf(unplaced(all).map((share, index) => ({ ...share, seq: all[index]!.seq })))
        const lines = all.map(({ at, hash, height, isBlock, seq, user, work, worker }) =>
          JSON.stringify([seq, at, user, worker, String(work), height, Buffer.from(hash).toString("hex"), isBlock])
        )
        assert.strictEqual(textOf(batch!.lines), `${lines.join("\n")}\n`)
      })
    )
  })
})
