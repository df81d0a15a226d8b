/** The spool keeps what it has on the disk, whatever happens to the end of its file. */
import { assert, describe, it } from "@effect/vitest"
import { Program } from "@sluice/testing/program"
import { Effect, Fiber, Logger } from "effect"
import * as fc from "fast-check"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Spool, type SpoolOptions } from "../src/spool/spool.ts"
import { Ledger, type NewShare } from "../src/index.ts"

const runs = {
  numRuns: Number(process.env["SLUICE_SPOOL_CUTS"] ?? 30),
  // A counterexample is shown however large it still is.
  interruptAfterTimeLimit: 240_000,
  markInterruptAsFailure: true
}

const withFile = <A>(use: (file: string) => Effect.Effect<A, unknown>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-spool-"))),
    (directory) => use(join(directory, "pool.spool")),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ).pipe(Effect.provide(Logger.layer([])))

const opened = <A>(options: SpoolOptions, use: (spool: Spool) => Effect.Effect<A, unknown>) =>
  Effect.scoped(Effect.flatMap(Spool.open(options), use))

/** Another process that opens the spool, and keeps it. */
const holderOf = (file: string) => new Program([process.execPath, HOLDER, file])
const HOLDER = fileURLToPath(new URL("spool-holder.ts", import.meta.url))

/** All records, oldest first. */
const takeAll = (spool: Spool) =>
  Effect.gen(function* () {
    const records: Array<ReadonlyArray<NewShare>> = []
    for (;;) {
      const record = yield* spool.oldest
      if (record.length === 0) return records
      records.push(record)
      spool.handedOver(record.length)
    }
  })

const share: fc.Arbitrary<NewShare> = fc.record({
  at: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  user: fc.string({ unit: "binary" }),
  worker: fc.string(),
  work: fc.bigInt(1n, 1n << 256n),
  height: fc.nat(),
  hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  isBlock: fc.boolean()
})
const records = fc.array(fc.array(share, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 })

describe("a spool", () => {
  it.live(
    "gives back all records before a cut, or a hole of zeros, at any byte, and goes on behind them",
    () =>
      withFile((file) =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(records, fc.nat(), fc.option(fc.nat(), { freq: 2 }), (all, at, zeros) =>
              Effect.gen(function* () {
                rmSync(file, { force: true })
                const ends = yield* opened({ file }, (spool) =>
                  Effect.forEach(all, (some) => Effect.map(spool.append(some), () => spool.bytes))
                )
                const whole = readFileSync(file)
                const before = Buffer.from(whole)
                const cut = at % whole.length
                // A record is begun when the one before it is on the disk, so one record at most has lost its bytes.
                const end = zeros === null ? cut : ends.find((one) => one > cut)!
                const written = zeros === null ? cut : cut + 1 + (zeros % (end - cut))
                writeFileSync(file, whole.fill(0, cut, written).subarray(0, end))
                const isWhole = zeros !== null && Buffer.compare(whole, before) === 0
                const left = all.filter((_, index) => ends[index]! <= cut || (isWhole && ends[index] === end))
                // A header of zeros is no header.
                if (zeros !== null && cut < 15) return
                const more = [...all[0]!]
                yield* opened({ file }, (spool) =>
                  Effect.gen(function* () {
                    assert.strictEqual(spool.waiting, left.flat().length)
                    yield* spool.append(more)
                    assert.deepStrictEqual(yield* takeAll(spool), [...left, more])
                    assert.strictEqual(spool.waiting, 0)
                  })
                )
                // What was handed over before a restart is there until the file is cleared.
                yield* opened({ file }, (spool) =>
                  Effect.gen(function* () {
                    assert.strictEqual((yield* takeAll(spool)).length, left.length + 1)
                    yield* spool.clear
                  })
                )
                yield* opened({ file }, (spool) => Effect.sync(() => assert.isTrue(spool.isEmpty)))
              }).pipe(Effect.provide(Logger.layer([])), Effect.runPromise)
            ),
            runs
          )
        )
      ),
    300_000
  )

  const one: NewShare = {
    at: 1,
    user: "alice",
    worker: "",
    work: 1n,
    height: 1,
    hash: new Uint8Array(32),
    isBlock: false
  }

  it.live("with damage at any byte before its last record says so, and keeps the file", () =>
    withFile((file) =>
      Effect.gen(function* () {
        const end = yield* opened({ file }, (spool) =>
          Effect.gen(function* () {
            yield* spool.append([one])
            const { bytes } = spool
            yield* spool.append([one])
            return bytes
          })
        )
        const whole = readFileSync(file)
        for (let at = 15; at < end; at++) {
          const bytes = Buffer.from(whole)
          bytes[at] = bytes[at]! ^ 1
          // With a length that is right it is clear that there was one behind it, also if that was not written whole.
          const isCut = at >= 19 && at < end - 2
          writeFileSync(file, isCut ? bytes.subarray(0, end + 20) : bytes)
          const { message } = yield* Effect.flip(Effect.scoped(Spool.open({ file })))
          assert.match(message, /pool\.spool is damaged at byte 15: its shares were acknowledged, so keep the file/)
          assert.deepStrictEqual(readFileSync(file), isCut ? bytes.subarray(0, end + 20) : bytes)
        }
      })
    )
  )

  it.live("finds the record behind a megabyte of damage", () =>
    withFile((file) =>
      Effect.gen(function* () {
        yield* opened({ file }, (spool) => spool.append([one]))
        const bytes = readFileSync(file)
        // The file is looked through in pieces of a mebibyte: the record begins in one and ends in the next.
        for (let zeros = 2 ** 20 - 16; zeros <= 2 ** 20 + 16; zeros++) {
          writeFileSync(file, Buffer.concat([bytes.subarray(0, 15), Buffer.alloc(zeros), bytes.subarray(15)]))
          const { message } = yield* Effect.flip(Effect.scoped(Spool.open({ file })))
          assert.match(message, /damaged at byte 15/)
        }
      })
    )
  )

  it.live("hands over a record of as many shares as a commit may have collected", () =>
    withFile((file) =>
      Effect.gen(function* () {
        const COUNT = 150_000
        yield* opened({ file }, (spool) => spool.append(Array.from({ length: COUNT }, () => one)))
        yield* Effect.gen(function* () {
          const { isSpoolClear, lastSeq } = yield* Ledger
          yield* Effect.sleep(50).pipe(Effect.repeat({ until: isSpoolClear }), Effect.timeout("15 seconds"))
          assert.strictEqual(lastSeq(), COUNT)
        }).pipe(Effect.provide(Ledger.layer({ file: ":memory:", spool: { file } })))
      })
    )
  )

  it.live("takes no more than it may have, and says what it waits for", () =>
    withFile((file) =>
      Effect.gen(function* () {
        const refusal = yield* opened({ file, maxBytes: 1_000 }, (spool) =>
          Effect.flip(Effect.forever(spool.append([one])))
        )
        assert.match(String(refusal), /may have 1000: it takes no more shares until the ledger has taken those in it/)
        assert.isAtMost(statSync(file).size, 1_000)
        assert.isAbove(statSync(file).size, 700)
      })
    )
  )

  it.live("is one process's alone until that process ends, also if it is killed", () =>
    withFile((file) =>
      Effect.gen(function* () {
        const holder = holderOf(file)
        yield* Effect.promise(() => holder.find(/has the spool/))
        const { message } = yield* Effect.flip(Effect.scoped(Spool.open({ file })))
        assert.match(message, /pool\.spool is in use by another pool, .*: give each pool a file of its own \(spool\)$/)
        yield* Effect.promise(() => holder.stop("SIGKILL"))
        yield* opened({ file }, (mine) =>
          Effect.gen(function* () {
            yield* mine.append([one])
            const again = yield* Effect.flip(Effect.scoped(Spool.open({ file })))
            assert.match(again.message, /is in use by another pool/)
            // The attempt has not ended the lock.
            const late = holderOf(file)
            assert.match((yield* Effect.promise(() => late.finished)).stderr, /is in use by another pool/)
          })
        )
        // What a process that ends has for a moment longer, its successor waits for.
        const last = holderOf(file)
        yield* Effect.promise(() => last.find(/has the spool/))
        const opening = yield* Effect.forkChild(opened({ file }, (spool) => Effect.sync(() => spool.waiting)))
        yield* Effect.promise(() => last.stop("SIGTERM"))
        assert.strictEqual(yield* Fiber.join(opening), 1)
      })
    )
  )

  it.live("refuses a file of something else", () =>
    withFile((file) =>
      Effect.gen(function* () {
        writeFileSync(file, "shares = 1\nand more\n")
        assert.match((yield* Effect.flip(Effect.scoped(Spool.open({ file })))).message, /it is not a spool/)
      })
    )
  )
})
