/** The `sluice` command: every program of the house under one name. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import packageJson from "../package.json" with { type: "json" }
import { conformance } from "./conformance/main.ts"
import { decode } from "./decode/main.ts"
import { demo } from "./demo/main.ts"
import { encode } from "./encode/main.ts"
import { key } from "./key/main.ts"
import { miner } from "./miner/main.ts"
import { node } from "./node/main.ts"
import { layerOutput } from "./command/help.ts"
import { pool } from "./pool/main.ts"
import { replay } from "./replay/main.ts"
import { report } from "./command/report.ts"
import { sniff } from "./sniff/main.ts"
import { swarm } from "./swarm/main.ts"
import { templateProvider } from "./template-provider/main.ts"

const command = Command.make("sluice").pipe(
  Command.withDescription(
    "Stratum V2: a development node, a template provider, a pool, a miner, and a demo of them all."
  ),
  Command.withSubcommands([
    demo,
    node,
    templateProvider,
    pool,
    miner,
    key,
    decode,
    encode,
    sniff,
    replay,
    conformance,
    swarm
  ])
)

/** Runs `sluice ARGS` until it is done or interrupted, and gives the exit status. */
export const sluice = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Command.runWith(command, { version: packageJson.version })(args).pipe(report, Effect.provide(surroundings))

const surroundings = Layer.mergeAll(
  NodeServices.layer,
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  layerOutput
)
