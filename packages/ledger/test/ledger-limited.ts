/** Run with a limit on the size of files, as a full disk: shares until they do not fit, then again once the limit is gone. */
import { Effect, Logger } from "effect"
import { Ledger, type NewShare } from "../src/index.ts"

const [path] = process.argv.slice(2)

/** A thousand shares with long names, about half a megabyte. */
const batch = (number: number): ReadonlyArray<NewShare> =>
  Array.from({ length: 1_000 }, (_, index) => {
    const hash = new Uint8Array(32)
    new DataView(hash.buffer).setUint32(0, number * 1_000 + index)
    return { at: 1, user: "alice", worker: "rig".repeat(100), work: 1n, height: 1, hash, isBlock: false }
  })

await Effect.runPromise(
  Effect.gen(function* () {
    const { append } = yield* Ledger
    let acknowledged = 0
    const fill = Effect.suspend(() => Effect.map(append(batch(acknowledged / 1_000)), () => (acknowledged += 1_000)))
    const { message: failure } = yield* Effect.flip(Effect.forever(fill))
    console.log(JSON.stringify({ acknowledged, failure }))
  }).pipe(
    Effect.provide(Ledger.layer({ file: path!, commitInterval: 1, patience: "300 millis" })),
    Effect.provide(Logger.layer([]))
  )
)
