/** The `sluice` command: every program under one name. A program is loaded when the command line names it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import packageJson from "../package.json" with { type: "json" }
import { layerHelp } from "./command/help.ts"
import { report } from "./command/report.ts"
import { type ProgramName, summaries } from "./command/summaries.ts"

/** Runs `sluice ARGS` until it is done or interrupted, and gives the exit status. */
export const sluice = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.promise(() => commandFor(args)).pipe(
    Effect.flatMap((command) => Command.runWith(command, { version: packageJson.version })(args)),
    report,
    Effect.provide(surroundings)
  )

/** The command tree that these arguments need: of the programs that they do not name it has the names and summaries alone. */
const commandFor = async (args: ReadonlyArray<string>) => {
  const named = args.find(isProgramName)
  const isWhole = args.some((arg) => arg.startsWith("--completions"))
  const subcommands = await Promise.all(
    Object.keys(summaries)
      .filter(isProgramName)
      .map(async (name) => {
        if (isWhole || name === named) return await load[name]()
        return Command.make(name).pipe(Command.withDescription(summaries[name]))
      })
  )
  return Command.make("sluice").pipe(
    Command.withDescription(
      "Stratum V2: a development node, a template provider, a pool, a proxy, a miner, and a demo of them all."
    ),
    Command.withSubcommands(subcommands)
  )
}

const isProgramName = (name: string): name is ProgramName => Object.hasOwn(summaries, name)

const load = {
  demo: async () => (await import("./demo/main.ts")).demo,
  init: async () => (await import("./init/main.ts")).init,
  start: async () => (await import("./start/main.ts")).start,
  node: async () => (await import("./node/main.ts")).node,
  "template-provider": async () => (await import("./template-provider/main.ts")).templateProvider,
  pool: async () => (await import("./pool/main.ts")).pool,
  "job-declarator": async () => (await import("./job-declarator/main.ts")).jobDeclarator,
  proxy: async () => (await import("./proxy/main.ts")).proxy,
  miner: async () => (await import("./miner/main.ts")).miner,
  key: async () => (await import("./key/main.ts")).key,
  decode: async () => (await import("./decode/main.ts")).decode,
  encode: async () => (await import("./encode/main.ts")).encode,
  sniff: async () => (await import("./sniff/main.ts")).sniff,
  replay: async () => (await import("./replay/main.ts")).replay,
  conformance: async () => (await import("./conformance/main.ts")).conformance,
  swarm: async () => (await import("./swarm/main.ts")).swarm,
  ledger: async () => (await import("./ledger/main.ts")).ledger,
  health: async () => (await import("./health/main.ts")).health
}

const surroundings = Layer.mergeAll(
  NodeServices.layer,
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  layerHelp
)
