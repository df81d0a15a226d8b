/** `sluice conformance serve`: checks which rules of the specification a client keeps. */
import { Conformance } from "@sluice/conformance"
import { escaped } from "@sluice/protocol"
import { formatServerAddress, Listener, Tcp } from "@sluice/transport"
import { Console, Context, Duration, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { layerLogging } from "../output/logging.ts"
import { configured, logWarnings } from "../command/program.ts"
import { ProgramError } from "../command/report.ts"
import { securityOf } from "../server/secured.ts"
import { ServeConfig } from "./config.ts"
import { chosen, failIfBroken, lineOf, print } from "./verdicts.ts"

const { program } = ServeConfig
const { flags, loadFrom, note } = configured(ServeConfig)

export const serve = Command.make(
  "serve",
  flags,
  Effect.fnUntraced(function* (input) {
    const { config, warnings } = yield* loadFrom(input)
    const { answerSeconds, authoritySecretKey, connectSeconds, json, listen, protocol, sharesPerMinute } = config
    const only = yield* chosen(config.only, Conformance.clientRulesFor(protocol), { program, protocol })
    const results = yield* Effect.gen(function* () {
      yield* logWarnings(warnings)
      const here = yield* listenAt(listen)
      const elsewhere = yield* listenAt(config.secondListen ?? { host: listen.host, port: 0 })
      const url = formatServerAddress({ ...here.address, security: securityOf(authoritySecretKey) })
      const pool = config.poolListen === undefined ? undefined : yield* listenAt(config.poolListen)
      yield* Effect.logInfo(`Let the client connect to ${url}, and again whenever its connection ends`)
      const context = yield* Effect.context()
      return yield* Conformance.serve({
        protocol,
        elsewhere,
        ...(pool === undefined ? {} : { pool }),
        sharesPerMinute,
        connectTimeout: Duration.seconds(connectSeconds),
        answerTimeout: Duration.seconds(answerSeconds),
        shareTimeout: Duration.seconds(config.shareSeconds),
        onResult: (result) => {
          const shown = json ? Console.log(escaped(JSON.stringify(result))) : Effect.logInfo(lineOf(result).join(" "))
          Effect.runSyncWith(context)(shown)
        },
        ...(authoritySecretKey === undefined ? {} : { authoritySecretKey }),
        ...only
      }).pipe(Effect.provideService(Listener, here))
    }).pipe(Effect.scoped, Effect.provide(layerLogging(config)))
    // As JSON, each verdict was printed as soon as it was known.
    if (!json) yield* print(results, json)
    yield* failIfBroken(results)
  })
).pipe(
  Command.withDescription(
    [
      "Serve one client, check it against the rules of the specification, and print a verdict for each rule.",
      "The client is a miner or a proxy, or with --protocol template-distribution a pool. With job-declaration it is a",
      "proxy whose job declarator is here, whose pool is at --pool-listen, and which has a template provider of its own.",
      "It must connect again whenever its connection ends. The kit sends it easy work, and unusual or wrong messages on",
      "purpose.",
      "The exit status is 1 if a rule is broken, or if no client came.",
      "",
      ...note
    ].join("\n  ")
  ),
  Command.withShortDescription("Check a client: a miner, a proxy, or a pool.")
)

const listenAt = Effect.fnUntraced(function* (endpoint: Parameters<typeof Tcp.listener>[0]) {
  const context = yield* Effect.mapError(
    Layer.build(Tcp.listener(endpoint)),
    ({ message }) => new ProgramError({ program, message })
  )
  return Context.get(context, Listener)
})
