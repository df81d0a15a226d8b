#!/usr/bin/env node
/** The process `sluice`: its arguments, its signals, its exit status. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { teardown } from "./report.ts"
import { sluice } from "./sluice.ts"

// Who reads our events may stop: `sluice demo --json | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit(0)
})

// The first signal stops in good order; who cannot wait sends another. Ctrl-C under `npm start` comes twice at once, from
// the terminal and from npm.
let stoppingSince = Infinity
const onSignal = (): void => {
  if (performance.now() - stoppingSince > 1000) process.exit(130)
  stoppingSince = Math.min(stoppingSince, performance.now())
}
process.on("SIGINT", onSignal)
process.on("SIGTERM", onSignal)

NodeRuntime.runMain(sluice(process.argv.slice(2)), { disableErrorReporting: true, teardown })
