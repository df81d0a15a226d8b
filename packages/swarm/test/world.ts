/** A pool in memory under a test clock, and work for it. */
import { Pool, type PoolOptions } from "@sluice/pool"
import type { TemplateDistribution } from "@sluice/protocol"
import { TemplateFeed, TemplateSource } from "@sluice/template-provider"
import { Memory, MiningDialer, MiningListener, Plain, type ServerAddress, Setup } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { Swarm, type SwarmOptions } from "../src/index.ts"

export const SERVER: ServerAddress = { ...Memory.ADDRESS, security: { _tag: "plain" } }

export const poolOptions: PoolOptions = {
  coinbaseAddress: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
  policy: { minHashRate: 1, sharesPerMinute: 60 }
}

/** The pool and a swarm that mines for it. */
export const world = (options: Omit<SwarmOptions, "server">, pool: Partial<PoolOptions> = {}) => {
  const all: SwarmOptions = { server: SERVER, sharesPerMinute: 60, nominalHashRate: 8, ...options }
  const poolLayer = Pool.layer({ ...poolOptions, ...pool }).pipe(
    Layer.provideMerge(TemplateSource.layerMemory),
    Layer.provide(Setup.server(MiningListener, Pool.setup({}))),
    Layer.provide(Plain.listener)
  )
  const swarmLayer = Swarm.layer(all).pipe(
    Layer.provide(Setup.client(MiningDialer, Swarm.setup(all))),
    Layer.provide(Plain.dialer)
  )
  return Layer.merge(poolLayer, swarmLayer).pipe(Layer.provide(Memory.network()), Layer.provide(Logger.layer([])))
}

/** A new block to mine on: a template and the previous hash that it is for. No hash is a block. */
export const newBlock = (number: number) =>
  Effect.flatMap(TemplateFeed, ({ publish }) => publish([template(number), prevHash(number)]))

const template = (templateId: number): TemplateDistribution.NewTemplate => ({
  _tag: "NewTemplate",
  templateId: BigInt(templateId),
  futureTemplate: true,
  version: 0x20000000,
  coinbaseTxVersion: 2,
  coinbasePrefix: Uint8Array.of(2, 0x9f, 0),
  coinbaseTxInputSequence: 0xfffffffe,
  coinbaseTxValueRemaining: 5_000_000_000n,
  coinbaseTxOutputsCount: 0,
  coinbaseTxOutputs: new Uint8Array(0),
  coinbaseTxLocktime: 158,
  merklePath: [new Uint8Array(32).fill(templateId)]
})

const prevHash = (templateId: number): TemplateDistribution.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  templateId: BigInt(templateId),
  prevHash: new Uint8Array(32).fill(templateId),
  headerTimestamp: 1_800_000_000,
  nbits: 0x1d00ffff,
  target: new Uint8Array(32)
})
