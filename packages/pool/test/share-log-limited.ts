/** Run with a limit on the size of files: a batch that does not fit into the share log, then one share that does. */
import { Effect } from "effect"
import { openShareLog, type ShareLogError } from "../src/share-log.ts"
import { acceptedShare } from "./accepted-share.ts"

const [path] = process.argv.slice(2)
await Effect.runPromise(
  Effect.scoped(
    Effect.map(openShareLog(path!), (write) => {
      write([acceptedShare(1)])
      try {
        write(Array.from({ length: 40 }, (_, i) => acceptedShare(100 + i)))
      } catch (error) {
        console.log((error as ShareLogError).message)
      }
      write([acceptedShare(2)])
    })
  )
)
