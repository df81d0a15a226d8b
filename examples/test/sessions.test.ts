/** The sessions, each in a process of its own, on real sockets with Noise or Stratum V1: they find blocks. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startExample } from "./world.ts"

/** `npm test` starts some of them; `npm run soak` all, and `npm run sessions` each as programs. */
const isAll = process.env["SLUICE_ALL_SESSIONS"] !== undefined
const inShort = new Set(["sessions/01", "sessions/06", "sessions/09"])

const sessions = [
  { folder: "sessions/01", channels: "0 standard and 2 extended channels of farm", connections: 1 },
  { folder: "sessions/02", channels: "0 standard and 2 extended channels of hall", connections: 1 },
  { folder: "sessions/03", channels: "0 standard and 2 extended channels of hall", connections: 1 },
  { folder: "sessions/04", channels: "2 standard and 0 extended channels of hall", connections: 1 },
  { folder: "sessions/06", channels: "0 standard and 1 extended channels of farm", connections: 1 },
  { folder: "sessions/07", channels: "0 standard and 1 extended channels of farm", connections: 1 },
  { folder: "sessions/08", channels: "2 standard and 0 extended channels of hall", connections: 2 },
  { folder: "farm-behind-a-v1-pool", channels: "0 standard and 1 extended channels of farm", connections: 1 }
]

describe("a session", () => {
  for (const { channels, connections, folder } of sessions) {
    it.live.skipIf(!isAll && !inShort.has(folder))(`${folder} finds blocks on the development node`, () =>
      Effect.gen(function* () {
        const { find, output } = yield* startExample(folder, [])
        yield* find(
          new RegExp(`^the pool has ${channels}: \\d+ shares, [1-9]\\d* blocks, over ${connections} connections?$`, "m")
        )
        assert.match(output(), /^the node accepted block 1$/m)
      })
    )
  }

  // With transactions the pool's declarator gets the blocks too.
  for (const { args, folder, pushed } of [
    { folder: "sessions/09", args: [], pushed: String.raw`[1-9]\d*` },
    { folder: "sessions/10", args: ["coinbase-only"], pushed: "0" }
  ]) {
    const mode = args.length === 0 ? "with" : "without"
    it.live.skipIf(!isAll && !inShort.has(folder))(
      `${folder} finds blocks of declared jobs ${mode} showing their transactions to the pool`,
      () =>
        Effect.gen(function* () {
          const { find } = yield* startExample(folder, args)
          yield* find(/^the node accepted block 1$/m)
          const jobs = String.raw`^declared [1-9]\d* jobs, [1-9]\d* acknowledged`
          yield* find(new RegExp(`${jobs}, ${pushed} blocks pushed to the pool's declarator$`, "m"))
        })
    )
  }
})
