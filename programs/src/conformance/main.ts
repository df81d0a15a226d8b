/** `sluice conformance connect URL`: which rules of the specification a server keeps. */
import { Conformance } from "@sluice/conformance"
import { parseServerAddress, Tcp } from "@sluice/transport"
import { Console, Duration, Effect, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { ConfigError } from "../config/load.ts"
import { columns } from "../demo/columns.ts"
import { layerLogging } from "../logging.ts"
import { configured } from "../program.ts"
import { FaultsFound } from "../report.ts"
import { ConformanceConfig } from "./config.ts"

const { flags, loadFrom, note } = configured(ConformanceConfig)

const refuse = (problem: string): ConfigError => new ConfigError({ program: "conformance", problems: [problem] })

const connect = Command.make(
  "connect",
  { url: Argument.String("URL").pipe(Argument.withDescription("The server to check")), ...flags },
  Effect.fnUntraced(function* ({ url, ...input }) {
    const { config } = yield* loadFrom(input)
    const { answerSeconds, hashRate, json, maxHashes, only, protocol, user } = config
    const server = parseServerAddress(url)
    if (Result.isFailure(server)) return yield* refuse(server.failure.message)
    const prefixes = only?.split(",").filter((prefix) => prefix !== "")
    const rules = Conformance.rulesFor(protocol)
    const strange = prefixes?.find((prefix) => !rules.some(({ id }) => id.startsWith(prefix)))
    if (strange !== undefined) return yield* refuse(`--only: no rule for ${protocol} begins with "${strange}"`)
    const results = yield* Conformance.run({
      server: server.success,
      protocol,
      userIdentity: user,
      nominalHashRate: hashRate,
      maxHashes,
      answerTimeout: Duration.seconds(answerSeconds),
      ...(prefixes === undefined ? {} : { only: prefixes })
    }).pipe(Effect.provide(Tcp.dialer), Effect.provide(layerLogging(config)))
    yield* Console.log((json ? results.map((result) => JSON.stringify(result)) : table(results)).join("\n"))
    if (results.some(({ verdict }) => verdict._tag === "Failed")) return yield* new FaultsFound()
  })
).pipe(
  Command.withDescription(
    [
      "Check a server against the rules of the specification, and print a verdict for each.",
      "It opens many connections and sends what is wrong on purpose: it is for servers of one's own.",
      "The exit status is 1 when a rule is broken.",
      "",
      ...note
    ].join("\n  ")
  ),
  Command.withShortDescription("Check a server: a pool, or a template provider.")
)

export const conformance = Command.make("conformance").pipe(
  Command.withDescription("Find out which rules of the specification an implementation keeps."),
  Command.withSubcommands([connect])
)

const table = (results: ReadonlyArray<Conformance.RuleResult>): ReadonlyArray<string> => {
  const count = (tag: Conformance.Verdict["_tag"]) => results.filter(({ verdict }) => verdict._tag === tag).length
  return [
    ...columns([
      ["VERDICT", "SECTION", "RULE", ""],
      ...results.map(({ id, section, title, verdict }) => [
        verdict._tag.toLowerCase(),
        section,
        id,
        tell(title, verdict)
      ])
    ]),
    "",
    `${count("Passed")} passed, ${count("Failed")} failed, ${count("Skipped")} skipped`
  ]
}

const tell = (title: string, verdict: Conformance.Verdict): string => {
  switch (verdict._tag) {
    case "Passed":
      return title
    case "Failed":
      return `${title}: expected ${verdict.expected}, came ${verdict.came}`
    case "Skipped":
      return `${title}: ${verdict.why}`
  }
}
