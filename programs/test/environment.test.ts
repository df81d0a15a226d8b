import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Result, Schema } from "effect"
import { keysOf } from "../src/config/key.ts"
import { load } from "../src/config/load.ts"
import { DecodeConfig } from "../src/decode/config.ts"
import { DemoConfig } from "../src/demo/config.ts"
import { HealthConfig } from "../src/health/config.ts"
import { urlOf } from "../src/health/main.ts"
import { JobDeclaratorConfig } from "../src/job-declarator/config.ts"
import { KeyConfig } from "../src/key/config.ts"
import { MinerConfig } from "../src/miner/config.ts"
import { NodeConfig } from "../src/node/config.ts"
import { PoolConfig } from "../src/pool/config.ts"
import { ProxyConfig } from "../src/proxy/config.ts"
import { ReplayConfig } from "../src/replay/config.ts"
import { SniffConfig } from "../src/sniff/config.ts"
import { SwarmConfig } from "../src/swarm/config.ts"
import { TemplateProviderConfig } from "../src/template-provider/config.ts"

const configs = [
  DecodeConfig,
  DemoConfig,
  HealthConfig,
  JobDeclaratorConfig,
  KeyConfig,
  MinerConfig,
  NodeConfig,
  PoolConfig,
  ProxyConfig,
  ReplayConfig,
  SniffConfig,
  SwarmConfig,
  TemplateProviderConfig
].map(({ program, schema }) => ({
  program,
  fields: schema.fields as Schema.Struct.Fields,
  keys: keysOf(program, schema.fields)
}))

describe("the environment", () => {
  it.each(configs)("gives each key of $program as the file does", ({ fields, keys, program }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      for (const key of keys) {
        // Alone, because some keys exclude others.
        const schema = Schema.Struct({ [key.field]: fields[key.field]! }) as never
        const value = key.default ?? key.example
        const text = Array.isArray(value) ? value.join(key.value.separator) : String(value ?? "?")
        const from = (environment: Readonly<Record<string, string>>, file?: string) =>
          Effect.result(load<unknown>({ program, schema }, { flags: new Map(), environment, file }))
        const variable = yield* from({ [key.variable]: text })
        // A text that is no value, or a file that is not there: then the error names the variable.
        const shown = Result.isSuccess(variable)
          ? variable.success.given.get(key.name)!.where
          : variable.failure.problems.join("\n")
        assert.include(shown, key.variable)
        if (value === undefined || Result.isFailure(variable)) continue
        const file = `${directory}/${program}.toml`
        yield* fs.writeFileString(file, `${key.name} = ${JSON.stringify(value)}\n`)
        const { config } = Result.getOrThrow(yield* from({}, file))
        assert.strictEqual(withoutPlace(variable.success.config, process.cwd()), withoutPlace(config, directory))
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer), Effect.runPromise)
  )

  it("names the program that sluice health asks, over loopback if it listens everywhere", () => {
    assert.strictEqual(urlOf({ PATH: "/bin" }), undefined)
    assert.strictEqual(urlOf({ SLUICE_POOL__HTTP_LISTEN: "0.0.0.0:8080" }), "http://127.0.0.1:8080/health/ready")
    assert.strictEqual(urlOf({ SLUICE_PROXY__HTTP_LISTEN: "[::]:8080" }), "http://[::1]:8080/health/ready")
    assert.strictEqual(urlOf({ SLUICE_POOL__HTTP_LISTEN: "192.0.2.1:80" }), "http://192.0.2.1:80/health/ready")
  })
})

/** Paths in a file are relative to it, others to the working directory. */
const withoutPlace = (config: unknown, directory: string): string =>
  JSON.stringify(config, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)).replaceAll(
    `${directory}/`,
    ""
  )
