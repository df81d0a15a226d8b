#!/usr/bin/env node
/** The `sluice` command: every program of the house under one name. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import packageJson from "../package.json" with { type: "json" }
import { key } from "./key/main.ts"
import { layerOutput } from "./output.ts"
import { report, teardown } from "./report.ts"
import { program } from "./program.ts"
import { NodeConfig } from "./node/config.ts"
import { TemplateProviderConfig } from "./template-provider/config.ts"
import { PoolConfig } from "./pool/config.ts"
import { MinerConfig } from "./miner/config.ts"
import { DemoConfig } from "./demo/config.ts"

const sluice = Command.make("sluice").pipe(
  Command.withDescription(
    "Stratum V2: a development node, a template provider, a pool, a miner, and a demo of them all"
  ),
  Command.withSubcommands([
    program({ ...NodeConfig, description: "A development chain.", run: (config) => Effect.logInfo(config) }),
    program({ ...TemplateProviderConfig, description: "The tp.", run: (config) => Effect.logInfo(config) }),
    program({ ...PoolConfig, description: "The pool.", run: (config) => Effect.logInfo(config) }),
    program({ ...MinerConfig, description: "The miner.", run: (config) => Effect.logInfo(config) }),
    program({ ...DemoConfig, description: "The demo.", run: (config) => Effect.logInfo(config) }),
    key
  ])
)

sluice.pipe(
  Command.run({ version: packageJson.version }),
  report,
  Effect.provide(
    Layer.mergeAll(
      NodeServices.layer,
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
      layerOutput
    )
  ),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
