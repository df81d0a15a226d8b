/** The sessions, each in a process of its own, on real sockets with Noise or Stratum V1: they find blocks. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startExample } from "./world.ts"

const sessions = [
  { folder: "session-1", channels: "0 standard and 2 extended channels of farm", connections: 1 },
  { folder: "session-2", channels: "0 standard and 2 extended channels of hall", connections: 1 },
  { folder: "session-3", channels: "0 standard and 2 extended channels of hall", connections: 1 },
  { folder: "session-4", channels: "2 standard and 0 extended channels of hall", connections: 1 },
  { folder: "session-6", channels: "0 standard and 1 extended channels of farm", connections: 1 },
  { folder: "session-7", channels: "0 standard and 1 extended channels of farm", connections: 1 },
  { folder: "session-8", channels: "2 standard and 0 extended channels of hall", connections: 2 },
  { folder: "behind-a-v1-pool", channels: "0 standard and 1 extended channels of farm", connections: 1 }
]

describe("a session", () => {
  for (const { channels, connections, folder } of sessions) {
    it.live(`${folder} finds blocks on the development node`, () =>
      Effect.gen(function* () {
        const { find, output } = yield* startExample(folder, [])
        yield* find(
          new RegExp(`^the pool has ${channels}: \\d+ shares, [1-9]\\d* blocks, over ${connections} connections?$`, "m")
        )
        assert.match(output(), /^the node accepted block 1$/m)
      })
    )
  }
})
