/** A pool in memory under a test clock, and a swarm that mines for it. */
import type { PoolOptions } from "@sluice/pool"
import { Memory, type ServerAddress, Setup } from "@sluice/transport"
import { Layer, Logger } from "effect"
import { memoryWorld } from "@sluice/testing/pool-worlds"
import { Swarm, SwarmDialer, type SwarmOptions } from "../src/index.ts"

export const SERVER: ServerAddress = { ...Memory.ADDRESS, security: { _tag: "plain" } }

/** As many shares as the swarm makes are what its pool wants. */
export const poolOptions: Partial<PoolOptions> = { policy: { sharesPerMinute: 60 } }

export const world = (options: Omit<SwarmOptions, "server">, pool: Partial<PoolOptions> = {}) => {
  const all: SwarmOptions = { server: SERVER, sharesPerMinute: 60, nominalHashRate: 8, ...options }
  return Swarm.layer(all).pipe(
    Layer.provide(Setup.client(SwarmDialer)),
    Layer.provideMerge(memoryWorld({ ...poolOptions, ...pool })),
    Layer.provide(Logger.layer([]))
  )
}
