/**
 * All roles over TCP with Noise: a development node, a template provider, a pool, and a miner on each kind of channel.
 * The blocks that the node accepts are taken apart with @scure/btc-signer and node:crypto.
 */
import { describe, expect, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { NodeRpc } from "@sluice/node"
import type { BlockFound } from "@sluice/channels"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  type Endpoint,
  MiningDialer,
  MiningListener,
  Noise,
  type ServerAddress,
  Setup,
  Tcp,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { RawTx } from "@scure/btc-signer"
import { BTCArray, RawOldTx } from "@scure/btc-signer/script.js"
import { Context, Effect, Layer, References, Stream } from "effect"
import { createHash } from "node:crypto"
import { DeviceDialer, HashThreads, Miner, type MinerOptions } from "../src/index.ts"

const NETWORK_BITS = 0x1f00ffff
const ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const POOL_OPTIONS: PoolOptions = { coinbaseAddress: ADDRESS, policy: { sharesPerMinute: 600 } }

const blockHash = (block: Uint8Array): string => hex(doubleSha256(block.subarray(0, 80)).toReversed())

/** The node, and the blocks that were submitted to it and accepted, by hash. */
const startNode = Effect.gen(function* () {
  const blocks = new Map<string, Uint8Array>()
  const context = yield* Layer.build(DevNode.layerInMemory({ bits: NETWORK_BITS }))
  const rpc = Context.get(context, NodeRpc)
  const recording = NodeRpc.of({
    ...rpc,
    submitBlock: (block) =>
      Effect.tap(rpc.submitBlock(block), (verdict) =>
        Effect.sync(() => {
          const bytes = typeof block === "string" ? new Uint8Array(Buffer.from(block, "hex")) : block
          if (verdict === null) blocks.set(blockHash(bytes), bytes)
        })
      )
  })
  yield* Context.get(context, DevNode).addMadeUpTransactions(5)
  return { blocks, context: Context.add(context, NodeRpc, recording) }
})

const startPool = Effect.gen(function* () {
  const { blocks, context } = yield* startNode
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const listen = () =>
    Noise.responder().pipe(
      Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })])
    )
  const serverAt = (address: Endpoint): ServerAddress => ({
    ...address,
    security: { _tag: "noise", authorityKey: publicKey }
  })
  const provider = yield* Layer.build(
    TemplateProvider.layer().pipe(
      Layer.provide([Setup.server(TemplateListener).pipe(Layer.provide(listen())), Layer.succeedContext(context)])
    )
  )
  const source = TemplateClient.layer({
    servers: [serverAt(Context.get(provider, TemplateProvider).address)]
  }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
  const pool = yield* Layer.build(
    Pool.layer(POOL_OPTIONS).pipe(Layer.provide([Setup.server(MiningListener).pipe(Layer.provide(listen())), source]))
  )
  const { address, events } = Context.get(pool, Pool)
  return { blocks, events, server: serverAt(address) }
})

const startMiner = (options: MinerOptions) =>
  Miner.start(options).pipe(
    Effect.provide(
      Layer.mergeAll(
        Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer)),
        DeviceDialer.layer.pipe(Layer.provide(Tcp.dialer)),
        // Few nonces, so that the version is rolled all the time.
        HashThreads.layer({ threads: 1, space: { nonces: 4096, versions: 2 ** 24, extranonces: Infinity } })
      )
    )
  )

describe("the whole chain", () => {
  it.live("finds blocks on each kind of channel, with rolled version bits and with transactions", () =>
    Effect.gen(function* () {
      const { blocks, events, server } = yield* startPool
      const found: Array<BlockFound> = []
      /** The miners with an accepted block that has a rolled version and a transaction beside the coinbase. */
      const finders = () =>
        new Set(
          found.flatMap(({ channel, hash }) => {
            const block = blocks.get(hash)
            return block !== undefined && takeApart(block).isFull ? [channel.userIdentity] : []
          })
        )
      const watching = yield* events.pipe(
        Stream.tap((event) => Effect.sync(() => event._tag === "BlockFound" && found.push(event))),
        Stream.runDrain,
        Effect.forkScoped({ startImmediately: true })
      )
      const common = { servers: [server], nominalHashRate: 100_000 } as const
      const miners = [
        yield* startMiner({ ...common, user: "standard", channel: "standard" }),
        yield* startMiner({ ...common, user: "extended", channel: "extended" }),
        // Gets the group's extended jobs, and makes its own merkle root of them.
        yield* startMiner({ ...common, user: "standard in a group", channel: "standard", requiresStandardJobs: false })
      ]
      while (finders().size < miners.length) yield* Effect.sleep(50)
      expect(watching.pollUnsafe()).toBeUndefined()

      for (const [hash, bytes] of blocks) {
        const block = takeApart(bytes)
        expect(block.merkleRoot).toBe(block.computedMerkleRoot)
        expect(block.commitment).toBe(block.computedCommitment)
        expect((block.version ^ 0x20000000) & ~0x1fffffe0).toBe(0)
        expect(BigInt(`0x${hash}`)).toBeLessThanOrEqual(0xffffn << 224n)
      }
      for (const miner of miners) {
        const { blocks, faulty, refused } = yield* miner.stats
        expect(blocks).toBeGreaterThan(0)
        expect(faulty).toBe(0)
        // A share may be on its way when the block of the other miner comes.
        expect(Object.keys(refused).filter((errorCode) => errorCode !== "stale-share")).toEqual([])
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.succeed(References.MinimumLogLevel, "None")))
  )
})

/** A block by other libraries: what its header says, and what its transactions make of it. */
const takeApart = (block: Uint8Array) => {
  const transactions = BTCArray(RawTx).decode(block.subarray(80))
  const [coinbase] = transactions
  const version = new DataView(block.buffer, block.byteOffset).getUint32(0, true)
  const txids = transactions.map(({ inputs, lockTime, outputs, version }) =>
    doubleSha256(RawOldTx.encode({ version, inputs, outputs, lockTime }))
  )
  const wtxids = transactions.map((transaction, index) =>
    index === 0 ? new Uint8Array(32) : doubleSha256(RawTx.encode(transaction))
  )
  const scripts = coinbase!.outputs.map(({ script }) => hex(script))
  const reserved = coinbase!.witnesses![0]![0]!
  return {
    version,
    merkleRoot: hex(block.subarray(36, 68)),
    computedMerkleRoot: hex(rootOf(txids)),
    commitment: scripts.findLast((script) => script.startsWith("6a24aa21a9ed"))?.slice(12),
    computedCommitment: hex(doubleSha256(rootOf(wtxids), reserved)),
    isFull: version !== 0x20000000 && transactions.length > 1
  }
}

const rootOf = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  let level = hashes
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, index) =>
      doubleSha256(level[2 * index]!, level[2 * index + 1] ?? level[2 * index]!)
    )
  }
  return level[0]!
}

const doubleSha256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const once = createHash("sha256").update(Buffer.concat(parts)).digest()
  return new Uint8Array(createHash("sha256").update(once).digest())
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
