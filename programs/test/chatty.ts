/** Logs as much as it is told, at once, to standard error; then says on standard output how much it holds. */
import { Console, Effect } from "effect"
import { layerLogging } from "../src/output/logging.ts"
import { console, flushed, stderr, stdout } from "../src/output/streams.ts"

const lines = Number(process.argv[2])

await Effect.gen(function* () {
  for (let i = 0; i < lines; i++) yield* Effect.logInfo("x".repeat(1000), { i })
  stdout.print(JSON.stringify({ waitingBytes: stderr.waitingBytes, dropped: stderr.dropped }))
  yield* Effect.promise(() => stderr.settled(0))
}).pipe(
  Effect.provide(layerLogging({ logLevel: "info", logFormat: "logfmt" })),
  Effect.provideService(Console.Console, console),
  Effect.runPromise
)
await flushed()
