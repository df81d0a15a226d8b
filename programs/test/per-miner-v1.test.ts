/** `sluice proxy --mode per-miner` between miners and a pool of Stratum V1 that takes one user a connection. */
import { expect, it } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { newBlock, options, poolStats } from "@sluice/testing/pool-worlds"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { formatEndpoint, Tcp } from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Effect, Layer, Logger } from "effect"
import { run } from "./in-process.ts"

const pool = Pool.layer(options({ policy: { sharesPerMinute: 600 } })).pipe(
  Layer.provideMerge(TemplateSourceMemory.layer),
  Layer.provide(Translator.listener({ nominalHashRate: 1e5 })),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(Logger.layer([]))
)

it.live(
  "gives each miner a connection to the pool, under its own name",
  () =>
    Effect.gen(function* () {
      const { address } = yield* Pool
      yield* newBlock(1, { headerTimestamp: Math.floor(Date.now() / 1000) })
      const [port] = yield* Effect.promise(() => freePorts(1))
      const proxy = new Sluice(
        ["proxy", "--mode", "per-miner", "--password", "d=0.000001", "--plain", "--listen", `127.0.0.1:${port}`].concat(
          ["--upstream", `stratum+tcp://${formatEndpoint(address)}`]
        )
      )
      yield* Effect.promise(() => proxy.find(/Work comes from/))
      const server = ["--connect", `stratum2+tcp+plain://127.0.0.1:${port}`, "--shares", "2"]
      const mine = (user: string) => Effect.promise(() => run(["miner", ...server, "--user", user]))
      // The second comes when the first has gone, and the others come together.
      const miners = [yield* mine("alice"), ...(yield* Effect.all([mine("bob"), mine("carol")], { concurrency: 2 }))]
      expect(miners.map(({ status }) => status)).toEqual([0, 0, 0])
      const { users } = yield* poolStats
      expect(users.map(({ user }) => user).toSorted()).toEqual(["alice", "bob", "carol"])
      expect((yield* Effect.promise(() => proxy.stop("SIGTERM"))).status).toBe(0)
    }).pipe(Effect.provide(pool)),
  60_000
)
