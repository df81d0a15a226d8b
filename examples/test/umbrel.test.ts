/**
 * The app folder for Umbrel: what its store's linter refuses, as far as files show it, and that its programs take the configuration.
 * `npm run sessions` runs its services.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import { keysOf } from "../../programs/src/config/key.ts"
import { load, type ProgramConfig } from "../../programs/src/config/load.ts"
import { PoolConfig } from "../../programs/src/pool/config.ts"
import { TemplateProviderConfig } from "../../programs/src/template-provider/config.ts"
import { servicesOf } from "../../scripts/sessions/compose.ts"
import { buildUmbrelApp } from "../../scripts/ship/umbrel/build.ts"
import { version } from "../../scripts/ship/workspace.ts"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"

const packaging = new URL("../../packaging/umbrel/", import.meta.url)
const app = new URL("sluice/", packaging).pathname
const read = (name: string): string => readFileSync(join(app, name), "utf8")
const manifest = parse(read("umbrel-app.yml")) as Readonly<Record<string, unknown>>
const compose = parse(read("docker-compose.yml")) as {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image?: string
        readonly restart?: string
        readonly environment?: Readonly<Record<string, string | number>>
        readonly ports?: ReadonlyArray<string>
        readonly volumes?: ReadonlyArray<string>
        readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
        readonly healthcheck?: object
      }
    >
  >
}
const containers = Object.entries(compose.services).filter(([name]) => name !== "app_proxy")

describe("the app for Umbrel", () => {
  it("has a manifest with all fields in the form that the store expects", () => {
    const texts = ["name", "version", "tagline", "description", "developer", "website", "repo", "support", "submitter"]
    for (const field of [...texts, "submission"]) {
      assert.isString(manifest[field], field)
      assert.isNotEmpty(manifest[field], field)
    }
    for (const field of ["website", "repo", "support", "submission"])
      assert.doesNotThrow(() => new URL(`${manifest[field]}`))
    assert.strictEqual(manifest["manifestVersion"], 1)
    assert.match(`${manifest["id"]}`, /^[a-z0-9][a-z0-9-]*[a-z0-9]$/)
    assert.isTrue(app.endsWith(`/${manifest["id"]}/`))
    assert.include(["bitcoin", "finance", "networking"], manifest["category"])
    assert.deepStrictEqual(manifest["dependencies"], ["bitcoin"])
    // A new app has no notes of a release, and the store makes its pictures and its icon.
    assert.deepStrictEqual([manifest["releaseNotes"], manifest["gallery"], manifest["icon"]], ["", [], undefined])
    assert.strictEqual(manifest["path"], "")
    // The password that Umbrel shows is the page's token.
    assert.isTrue(manifest["deterministicPassword"])
    assert.strictEqual(compose.services["pool"]?.environment?.["SLUICE_POOL__HTTP_TOKEN"], "${APP_PASSWORD}")
  })

  it("leads to the page of the pool, and says at which ports miners connect", () => {
    const { APP_HOST, APP_PORT } = compose.services["app_proxy"]!.environment!
    assert.strictEqual(APP_HOST, `${manifest["id"]}_pool_1`)
    const { environment, ports } = compose.services["pool"]!
    assert.strictEqual(environment!["SLUICE_POOL__HTTP_LISTEN"], `0.0.0.0:${APP_PORT}`)
    const published = new Map(ports!.map((mapping) => mapping.split(":") as [string, string]))
    assert.notInclude([...published.keys()], `${manifest["port"]}`)
    for (const [outside, inside] of published) {
      const scheme = environment!["SLUICE_POOL__LISTEN"] === `0.0.0.0:${inside}` ? "stratum2" : "stratum"
      assert.include(`${manifest["description"]}`, `${scheme}+tcp://umbrel.local:${outside}`)
    }
  })

  it("keeps its state in committed folders under data, starts again after failures, and waits for what exists", () => {
    for (const [name, { restart, volumes = [], depends_on = {} }] of containers) {
      assert.strictEqual(restart, "on-failure", name)
      for (const volume of volumes) {
        const [, path] = /^\$\{APP_DATA_DIR\}\/(data\/[^:]+):\//.exec(volume) ?? []
        assert.isTrue(existsSync(join(app, path!)), volume)
      }
      for (const [other, { condition }] of Object.entries(depends_on)) {
        assert.property(compose.services, other)
        if (condition === "service_healthy") assert.isObject(compose.services[other]?.healthcheck)
      }
    }
  })

  it("is laid out with the version and the digest of a release", async () => {
    const digest = `sha256:${"0123456789abcdef".repeat(4)}`
    const folder = await buildUmbrelApp(digest)
    assert.strictEqual(parse(readFileSync(join(folder, "umbrel-app.yml"), "utf8")).version, version)
    const { services } = parse(readFileSync(join(folder, "docker-compose.yml"), "utf8")) as typeof compose
    for (const [name] of containers) {
      assert.strictEqual(services[name]?.image, `ghcr.io/sluice/sluice:${version}@${digest}`)
    }
    await buildUmbrelApp("sha256:12").then(
      () => assert.fail("it was laid out"),
      ({ message }) => assert.include(message, "expected --digest sha256:HEX, got sha256:12")
    )
  })

  it("gives the programs a configuration that they take, in the compose specification's form", async () => {
    const services = servicesOf(new URL("try/compose.yaml", packaging).pathname)
    /** Without what names files in the container. */
    const environmentOf = (name: string) =>
      Object.fromEntries(
        Object.entries(services[name]!.environment!).filter(([key]) => !/_FILE$|^SLUICE_HEALTH__/.test(key))
      )
    const loaded = <A>(name: string, program: ProgramConfig<A>, flags: Readonly<Record<string, string>> = {}) => {
      const environment = environmentOf(name)
      const known = keysOf(program.program, program.schema.fields).map((key) => key.variable)
      for (const key of Object.keys(environment)) assert.include(known, key)
      return Effect.runPromise(
        load(program, { flags: new Map(Object.entries(flags)), environment, file: undefined }).pipe(
          Effect.provide(NodeServices.layer)
        )
      )
    }
    const provider = await loaded("template-provider", TemplateProviderConfig)
    assert.strictEqual(provider.config.chain, "regtest")
    const secretKey = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"
    const pool = await loaded("pool", PoolConfig, { "authority-secret-key": secretKey })
    assert.strictEqual(pool.config.soloFee, 0)
    assert.deepStrictEqual(pool.config.httpHostNames, ["umbrel.local", "notyetset.onion", "sluice_pool_1"])
  })

  it("names the chain of Umbrel's Bitcoin app as the programs do, and its exports change nothing else of the shell", () => {
    const exported = read("exports.sh")
    assert.notMatch(exported, /^\s*(#!|exit|cd|set\s+-|docker|mkdir|chown|chmod)\b/m)
    assert.strictEqual(statSync(join(app, "exports.sh")).mode & 0o111, 0)
    const chains = ["mainnet", "testnet", "testnet4", "signet", "regtest", ""].map((network) =>
      execFileSync("bash", ["--norc", "-euo", "pipefail", "-c", `. ${app}exports.sh; printf %s "$APP_SLUICE_CHAIN"`], {
        encoding: "utf8",
        env: { APP_BITCOIN_NETWORK: network }
      })
    )
    assert.deepStrictEqual(chains, ["main", "test", "testnet4", "signet", "regtest", "main"])
  })
})
