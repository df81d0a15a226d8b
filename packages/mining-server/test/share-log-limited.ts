/** Run with a limit on the size of files: a batch that does not fit into the share log, then one share that does. */
import { Effect } from "effect"
import { openShareLog } from "../src/shares/share-log.ts"
import { acceptedShare } from "@sluice/testing/accepted-share"

const [path] = process.argv.slice(2)
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const { record } = yield* openShareLog(path!)
      yield* record([acceptedShare(1)])
      const many = Array.from({ length: 39 }, (_, i) => acceptedShare(101 + i))
      console.log((yield* Effect.flip(record([acceptedShare(100), ...many]))).message)
      yield* record([acceptedShare(2)])
    })
  )
)
