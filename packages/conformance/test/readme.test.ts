import { expect, it, vi } from "@effect/vitest"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { TemplateFeed, TemplateSource } from "@sluice/template-provider"
import { formatServerAddress, MiningListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { readFileSync } from "node:fs"
import { firstTemplate, firstPrevHash, poolOptions } from "./worlds.ts"

it.live("the example of the README runs as it stands there, against a pool on a real socket with Noise", () =>
  Effect.gen(function* () {
    const example = readFileSync(new URL("./readme-example.ts", import.meta.url), "utf8")
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    expect(readme).toContain("```ts\n" + example + "```")

    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const pool = Pool.layer(poolOptions).pipe(
      Layer.provideMerge(TemplateSource.layerMemory),
      Layer.provide(Setup.server(MiningListener, Pool.setup(poolOptions))),
      Layer.provide(Noise.responder()),
      Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })])
    )
    yield* Effect.gen(function* () {
      const { publish } = yield* TemplateFeed
      yield* publish([firstTemplate, firstPrevHash])
      const { address } = yield* Pool
      vi.stubEnv("SERVER", formatServerAddress({ ...address, security: { _tag: "noise", authorityKey: publicKey } }))
      const lines: Array<string> = []
      const log = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)))
      yield* Effect.promise(() => import("./readme-example.ts"))
      vi.unstubAllEnvs()
      log.mockRestore()
      expect(lines.filter((line) => !line.startsWith("Passed "))).toEqual([
        "Skipped shares.version-fixed (5.3.16)",
        "Skipped shares.stale (5.3.17)"
      ])
      expect(lines).toContain("Passed shares.duplicate-standard (5.3.14)")
    }).pipe(Effect.provide(pool))
  }).pipe(Effect.provide(Logger.layer([])), Effect.orDie)
)
