/** The process `sluice`: its arguments, its streams, its signals, its exit status. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { statusOf } from "./command/report.ts"
import { sluice } from "./sluice.ts"
import { console, flushed, outputLost, stderr } from "./output/streams.ts"

// The first signal stops the program in good order, a second one ends it at once. Under `npm start` Ctrl-C arrives twice,
// from the terminal and from npm, so a second signal counts only after a second.
let stoppingSince = Infinity
const onSignal = (): void => {
  if (performance.now() - stoppingSince > 1000) process.exit(130)
  stoppingSince = Math.min(stoppingSince, performance.now())
}
process.on("SIGINT", onSignal)
process.on("SIGTERM", onSignal)

// The reader of standard output may stop, as in `sluice decode | head`. That ends the program in good order, as a signal
// does. `outputLost` starts first, so that a program which goes on without a reader can replace its handler.
const main = Effect.raceFirst(Effect.as(outputLost, 0), sluice(process.argv.slice(2))).pipe(
  Effect.provideService(Console.Console, console)
)

NodeRuntime.runMain(main, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    // From here on one signal is enough: the program only waits for the reader of its last lines.
    if (stoppingSince === Infinity) stoppingSince = -Infinity
    void flushed().then((failure) => {
      if (failure !== undefined) stderr.print(`sluice: cannot write to standard output: ${failure.message}`)
      onExit(failure === undefined ? statusOf(exit) : 1)
    })
  }
})
