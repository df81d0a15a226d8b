import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, Schema } from "effect"
import { execFileSync } from "node:child_process"
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LoggedShare, openShareLog } from "../src/index.ts"
import { acceptedShare } from "@sluice/testing/accepted-share"

const place = () => join(mkdtempSync(join(tmpdir(), "sluice-share-log-")), "shares.ndjson")
const linesOf = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n")
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(LoggedShare))

describe("openShareLog", () => {
  it.effect("appends each share to the file before the call returns", () =>
    Effect.gen(function* () {
      const path = place()
      for (const first of [1, 3]) {
        yield* Effect.gen(function* () {
          const { record } = yield* openShareLog(path)
          yield* record([acceptedShare(first), acceptedShare(first + 1, "rig7")])
          assert.strictEqual(linesOf(path).length, first + 1)
        }).pipe(Effect.scoped)
      }
      const shares = linesOf(path).map((line) => decode(line))
      assert.deepStrictEqual(
        shares.map(({ sequenceNumber, user, worker }) => [sequenceNumber, user, worker]),
        [
          [1, "alice\n.rig", undefined],
          [2, "alice\n.rig", "rig7"],
          [3, "alice\n.rig", undefined],
          [4, "alice\n.rig", "rig7"]
        ]
      )
      assert.strictEqual(shares[0]!.hash, `01${"00".repeat(31)}`)
    })
  )

  it.effect("begins a new line after half a line of a process that was killed", () =>
    Effect.gen(function* () {
      const path = place()
      appendFileSync(path, '{"at":1')
      const { record } = yield* openShareLog(path)
      yield* record([acceptedShare(1)])
      const [half, whole] = linesOf(path)
      assert.strictEqual(half, '{"at":1')
      assert.strictEqual(decode(whole!).sequenceNumber, 1)
    }).pipe(Effect.scoped)
  )

  it("removes the half line of a failed write, so that the next share is readable", () => {
    const path = place()
    const program = join(import.meta.dirname, "share-log-limited.ts")
    // 4 or 8 kB: the blocks of some shells are half a kilobyte.
    const command = 'ulimit -f 8 && exec "$0" "$@"'
    const said = execFileSync("sh", ["-c", command, process.execPath, program, path], { encoding: "utf8" })
    assert.match(said, /shares\.ndjson cannot be written: EFBIG/)
    assert.deepStrictEqual(
      linesOf(path).map((line) => decode(line).sequenceNumber),
      [1, 2]
    )
  })

  it.effect("makes a file that others cannot read", () =>
    Effect.gen(function* () {
      const path = place()
      yield* openShareLog(path)
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.effect("warns about an existing file that others can read, and not about a file that it made", () =>
    Effect.gen(function* () {
      const warnings: Array<unknown> = []
      const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(message))
      const open = (path: string) => Effect.provide(openShareLog(path), Logger.layer([logger]))
      const path = place()
      yield* open(path)
      yield* open(path)
      assert.deepStrictEqual(warnings, [])
      chmodSync(path, 0o644)
      yield* open(path)
      assert.deepStrictEqual(warnings, [
        [`Every user of this machine can read or write the share log ${path}; chmod 600 ${path}`]
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("says which file cannot be opened", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(openShareLog("/no/such/place/shares.ndjson")))
      assert.isTrue(Exit.isFailure(exit))
      assert.match(String(exit), /the share log \/no\/such\/place\/shares\.ndjson cannot be written: ENOENT/)
    })
  )
})
