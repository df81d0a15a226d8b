/**
 * The conformance kit below the proxy, as its miner, and above it, as its pool. `npm run soak` checks all rules for clients; some of them
 * wait for seconds.
 */
import { assert, describe, it } from "@effect/vitest"
import { Conformance } from "@sluice/conformance"
import { DevNode, solveTemplate } from "@sluice/dev-node"
import { HashInProcess, Miner } from "@sluice/miner"
import { NodeRpc } from "@sluice/node"
import { AuthorityKey } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import { options as poolOptions } from "@sluice/testing/pool-worlds"
import {
  Listener,
  Memory,
  MiningDialer,
  MiningListener,
  Noise,
  Plain,
  type ServerAddress,
  Setup,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Context, Effect, Layer, Logger } from "effect"
import { Proxy, type ProxyOptions } from "../src/index.ts"

const address = (port: number): ServerAddress => ({ host: "memory", port, security: { _tag: "plain" } })
const [POOL, PROVIDER, PROXY, KIT, ELSEWHERE] = [1, 2, 3, 4, 5].map(address) as [
  ServerAddress,
  ServerAddress,
  ServerAddress,
  ServerAddress,
  ServerAddress
]
/** By default the rules that depend on the proxy, and not on the transport, which other clients share. */
const ONLY = ["jobs", "target", "open", "prefix", "groups", "reconnect", "close.stops"]
const only = Number(process.env["SLUICE_ALL_RULES"] ?? 0) > 0 ? undefined : ONLY.map((name) => `client-${name}`)

const NO_UPDATE = "no UpdateChannel came"
const TIMES = { answerTimeout: "10 seconds", quietTime: "100 millis" } as const

const listenAt = (network: Memory.Network, at: ServerAddress) =>
  Plain.listener.pipe(Layer.provide(Layer.orDie(network.listener(at))))
const dialerOf = (network: Memory.Network) => Plain.dialer.pipe(Layer.provide(network.dialer))

const proxyOf = (network: Memory.Network, options: ProxyOptions) =>
  Proxy.layer({ ...options, policy: { minHashRate: 1, ...options.policy } }).pipe(
    Layer.provide(Setup.server(MiningListener).pipe(Layer.provide(listenAt(network, PROXY))))
  )

/** The rules that did not pass, with the reason. */
const others = (results: ReadonlyArray<Conformance.RuleResult>) =>
  Object.fromEntries(
    results.flatMap(({ id, verdict }) =>
      verdict._tag === "Passed"
        ? []
        : [[id, verdict._tag === "Skipped" ? verdict.why : `expected ${verdict.expected}, came ${verdict.came}`]]
    )
  )

describe.each(["aggregated", "per-miner"] as const)("a proxy (%s)", (mode) => {
  it.live(
    "keeps the rules for servers",
    () =>
      Effect.gen(function* () {
        const network = Memory.make()
        const node = yield* DevNode
        const rpc = yield* NodeRpc
        const dialer = dialerOf(network)
        const provider = TemplateProvider.layer().pipe(
          Layer.provide(Setup.server(TemplateListener)),
          Layer.provide(listenAt(network, PROVIDER))
        )
        const pool = Pool.layer(poolOptions()).pipe(
          Layer.provide([
            TemplateClient.layer({ servers: [PROVIDER] }).pipe(
              Layer.provide(Setup.client(TemplateDialer)),
              Layer.provide(dialer)
            ),
            Setup.server(MiningListener).pipe(Layer.provide(listenAt(network, POOL)))
          ])
        )
        const proxy = proxyOf(network, { mode, upstreams: [{ server: POOL }] }).pipe(
          Layer.provide(Setup.client(MiningDialer).pipe(Layer.provide(dialer)))
        )
        yield* Layer.build(Layer.mergeAll(provider, pool, proxy))
        const newBlock = Effect.gen(function* () {
          const template = yield* rpc.getBlockTemplate()
          yield* node.submitBlock(solveTemplate(template)!)
        }).pipe(Effect.orDie)
        const results = yield* Conformance.run({
          server: PROXY,
          protocol: "mining",
          concurrency: 8,
          newBlock,
          ...TIMES
        }).pipe(Effect.provide(network.dialer))
        assert.deepStrictEqual(withoutCustomJobs(others(results)), {
          ...Object.fromEntries(
            ["frames.bad-tag", "frames.garbage", "noise.act-size", "noise.required"].map((id) => [
              id,
              "the server is checked without Noise"
            ])
          ),
          "jobs.fixed-version": "the server lets versions be rolled",
          "shares.version-fixed": "the server's jobs allow version rolling"
        })
      }).pipe(
        Effect.scoped,
        Effect.provide(DevNode.layerInMemory({ bits: 0x1e0fffff, transactionsPerSecond: 0 })),
        Effect.provide(Logger.layer([]))
      ),
    120_000
  )

  it.live(
    "keeps the rules for clients, with Noise",
    () =>
      Effect.gen(function* () {
        const network = Memory.make()
        const { publicKey, secretKey } = yield* AuthorityKey.generate
        const server: ServerAddress = { ...KIT, security: { _tag: "noise", authorityKey: publicKey } }
        const listenerAt = (at: ServerAddress) =>
          Effect.map(Layer.build(network.listener(at)), (context) => Context.get(context, Listener))
        const here = yield* listenerAt(KIT)
        const elsewhere = yield* listenerAt(ELSEWHERE)
        const reconnecting = { firstDelay: "1 millis", maxDelay: "5 millis" } as const
        const proxy = proxyOf(network, {
          mode,
          upstreams: [{ server }],
          userIdentity: "conformance",
          reconnecting,
          policy: { sharesPerMinute: 60 }
        }).pipe(
          Layer.provide(
            Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(network.dialer))
          )
        )
        const miner = Miner.layer({
          servers: [PROXY],
          user: "miner",
          channel: "extended",
          nominalHashRate: 64,
          workTimeout: "1 minute",
          reconnecting
        }).pipe(
          Layer.provide([
            Setup.client(MiningDialer).pipe(Layer.provide(dialerOf(network))),
            HashInProcess.layer({
              slice: "4 millis",
              hashesPerSlice: 256,
              space: { nonces: 32, versions: 4, extranonces: 2 ** 32 }
            })
          ])
        )
        yield* Layer.build(Layer.merge(proxy, miner))
        const results = yield* Conformance.serve({
          protocol: "mining",
          elsewhere,
          authoritySecretKey: secretKey,
          ...(only === undefined ? {} : { only }),
          connectTimeout: "10 seconds",
          shareTimeout: "10 seconds",
          sharesPerMinute: 60,
          ...TIMES
        }).pipe(Effect.provideService(Listener, here))
        // In the full run, the miner never leaves.
        const why = "no CloseChannel came"
        const left = { "client-close.channel": why, "client-close.reason": why }
        // A miner of ours states its hash rate once, and an aggregating proxy when it changes.
        const states = { "client-update.channel": NO_UPDATE, "client-update.hash-rate": NO_UPDATE }
        const skipped = only !== undefined ? {} : mode === "aggregated" ? left : { ...left, ...states }
        assert.deepStrictEqual(others(results), skipped)
        assert.isAtLeast(results.length, only === undefined ? 40 : 17)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
    240_000
  )
})

/** A proxy takes no jobs of its clients: the kit says so of each rule about them. */
const withoutCustomJobs = (verdicts: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(verdicts).filter(([id]) => !id.startsWith("custom.")))
