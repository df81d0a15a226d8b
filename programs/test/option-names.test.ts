import * as NodeServices from "@effect/platform-node/NodeServices"
import { OptionError } from "@sluice/mining-server"
import { Console, Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { assert, describe, it } from "vitest"
import { program } from "../src/command/program.ts"
import { defaulted, keysOf } from "../src/config/key.ts"
import { OptionNames } from "../src/config/option-names.ts"
import { string, whole } from "../src/config/value.ts"
import { loggingKeys } from "../src/output/logging.ts"
import { PoolConfig } from "../src/pool/config.ts"
import { ProxyConfig } from "../src/proxy/config.ts"

const fields = {
  maxWells: defaulted(whole("N", 1, 9), { description: "Wells.", default: 3 }),
  wellName: defaulted(string({ metavar: "NAME", expected: "a name" }), {
    description: "Their name.",
    default: "well",
    option: "tag"
  }),
  ...loggingKeys
}

/** What a program prints to stderr that runs this. */
const stderrOf = async (run: Effect.Effect<void, OptionError>, ...args: ReadonlyArray<string>) => {
  const lines: Array<string> = []
  const console: Console.Console = { ...globalThis.console, error: (line: string) => lines.push(line) }
  const command = program({ program: "dig", description: "Dig.", schema: Schema.Struct(fields), run: () => run })
  const error = await Command.runWith(command, { version: "0" })([...args]).pipe(
    Effect.flip,
    Effect.orElseSucceed(() => undefined),
    Effect.provide(NodeServices.layer),
    Effect.provideService(Console.Console, console),
    Effect.runPromise
  )
  return { log: lines.join("\n"), error: error as { readonly message: string } | undefined }
}

describe("a program shows its keys where a library names its options:", () => {
  it.each(["logfmt", "pretty", "json"])("in log lines as %s", async (format) => {
    const line = Effect.logWarning("3 are open (maxWells); maxWellsDeep and the tag are no keys", { maxWells: 3 })
    const { log } = await stderrOf(line, "--log-format", format)
    assert.include(log, "3 are open (max-wells); maxWellsDeep and the tag are no keys")
  })

  it("in the error that ends it", async () => {
    const refused = new OptionError({ option: "tag", message: "the tag is too long for maxWells" })
    assert.strictEqual(
      (await stderrOf(Effect.fail(refused))).error?.message,
      "well-name: the tag is too long for max-wells"
    )
    const unknown = new OptionError({ option: "depth", message: "the depth is below 0" })
    assert.strictEqual((await stderrOf(Effect.fail(unknown))).error?.message, "the depth is below 0")
  })

  it.each([
    "maxChannels",
    "maxChannelsInAll",
    "maxChannelsPerAddress",
    "maxErrorsPerSecond",
    "maxMessagesPerSecond",
    "maxSharesPerSecond",
    "upstreamTimeout"
  ])("in the logs of the pool and the proxy for %s", (option) => {
    const key = option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    for (const { program, schema } of [PoolConfig, ProxyConfig]) {
      const names = new OptionNames(keysOf(program, schema.fields))
      assert.strictEqual(names.replace(`the limit is reached (${option})`), `the limit is reached (${key})`)
    }
  })

  it("in the log of the proxy for extranonceSize", () => {
    const names = new OptionNames(keysOf(ProxyConfig.program, ProxyConfig.schema.fields))
    assert.strictEqual(names.replace("3 bytes are missing (extranonceSize)"), "3 bytes are missing (extranonce-size)")
  })
})
