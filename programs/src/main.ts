#!/usr/bin/env node
/** The process `sluice`: its arguments, its signals, its exit status. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { teardown } from "./report.ts"
import { sluice } from "./sluice.ts"

NodeRuntime.runMain(sluice(process.argv.slice(2)), { disableErrorReporting: true, teardown })
