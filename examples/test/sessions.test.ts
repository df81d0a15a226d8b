/** The sessions, each in a process of its own with Noise on real sockets: they find blocks. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startExample } from "./world.ts"

const sessions = [
  { folder: "session-4", sees: /the pool has 2 standard and 0 extended channels of hall: \d+ shares, [1-9]\d* blocks/ },
  { folder: "session-6", sees: /the pool has 0 standard and 1 extended channels of farm: \d+ shares, [1-9]\d* blocks/ },
  { folder: "session-8", sees: /the pool has 2 standard and 0 extended channels of hall: \d+ shares, [1-9]\d* blocks/ }
]

describe("a session", () => {
  for (const { folder, sees } of sessions) {
    it.live(`${folder} finds blocks on the development node`, () =>
      Effect.gen(function* () {
        const { find } = yield* startExample(folder, [])
        yield* find(/the node accepted block 2$/m)
        yield* find(sees)
        if (folder === "session-4") yield* find(/the pool has 1 connection, the proxy's/)
      })
    )
  }
})
