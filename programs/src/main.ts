#!/usr/bin/env node
/** The process `sluice`: its arguments, its streams, its signals, its exit status. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { statusOf } from "./command/report.ts"
import { sluice } from "./sluice.ts"
import { console, flushed, outputLost, stderr } from "./output/streams.ts"

// The first signal stops in good order; who cannot wait sends another. Ctrl-C under `npm start` comes twice at once, from
// the terminal and from npm.
let stoppingSince = Infinity
const onSignal = (): void => {
  if (performance.now() - stoppingSince > 1000) process.exit(130)
  stoppingSince = Math.min(stoppingSince, performance.now())
}
process.on("SIGINT", onSignal)
process.on("SIGTERM", onSignal)

// Who reads what we print may stop, as in `sluice decode | head`: that ends the program in good order, as a signal does.
// The first of the two begins first, so that a program which does without its reader says so later.
const main = Effect.raceFirst(Effect.as(outputLost, 0), sluice(process.argv.slice(2))).pipe(
  Effect.provideService(Console.Console, console)
)

NodeRuntime.runMain(main, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    // While the last lines wait for their reader one signal is enough.
    if (stoppingSince === Infinity) stoppingSince = -Infinity
    void flushed().then((failure) => {
      if (failure !== undefined) stderr.print(`sluice: cannot write to standard output: ${failure.message}`)
      onExit(failure === undefined ? statusOf(exit) : 1)
    })
  }
})
