/** `sluice conformance connect URL`: checks which rules of the specification a server keeps. */
import { Conformance } from "@sluice/conformance"
import { Tcp } from "@sluice/transport"
import { Duration, Effect, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { ConfigError } from "../config/config-error.ts"
import { serverAddress } from "../config/stratum.ts"
import { layerLogging } from "../output/logging.ts"
import { configured } from "../command/program.ts"
import { ConnectConfig } from "./config.ts"
import { chosen, failIfBroken, print } from "./verdicts.ts"

const { program } = ConnectConfig
const { flags, loadFrom, note } = configured(ConnectConfig)

export const connect = Command.make(
  "connect",
  { url: Argument.String("URL").pipe(Argument.withDescription("The server to check")), ...flags },
  Effect.fnUntraced(function* ({ url, ...input }) {
    const { config } = yield* loadFrom(input)
    const { answerSeconds, hashRate, json, maxHashes, protocol, user } = config
    const server = serverAddress(url)
    if (Result.isFailure(server)) return yield* new ConfigError({ program, problems: [server.failure] })
    const only = yield* chosen(config.only, Conformance.rulesFor(protocol), { program, protocol })
    const results = yield* Conformance.run({
      server: server.success,
      protocol,
      ...(config.beside === undefined ? {} : { beside: config.beside }),
      userIdentity: user,
      nominalHashRate: hashRate,
      maxHashes,
      answerTimeout: Duration.seconds(answerSeconds),
      ...only
    }).pipe(Effect.provide(Tcp.dialer), Effect.provide(layerLogging(config)))
    yield* print(results, json)
    yield* failIfBroken(results)
  })
).pipe(
  Command.withDescription(
    [
      "Check a server against the rules of the specification, and print a verdict for each rule.",
      "It opens many connections and sends wrong messages on purpose: use it for servers of your own.",
      "The exit status is 1 if a rule is broken, or if none could be tried.",
      "",
      ...note
    ].join("\n  ")
  ),
  Command.withShortDescription("Check a server: a pool, a job declarator, or a template provider.")
)
