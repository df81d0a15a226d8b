/** Our miner, our pool with a miner on it, and our proxy that declares jobs, as clients of the kit: in memory, as they are or with a fault put between. */
import type { Curve as AbstractCurve } from "@sluice/core"
import { HashInProcess, Miner, type MinerOptions } from "@sluice/miner"
import { AuthorityKey, Curve } from "@sluice/noise"
import { DevNode } from "@sluice/dev-node"
import { Pool } from "@sluice/pool"
import { type DeclaringProxyOptions, Proxy } from "@sluice/proxy"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  DeclarationDialer,
  FrameDialer,
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
import { options as poolOptions } from "@sluice/testing/pool-worlds"
import { Conformance } from "../src/index.ts"
import { type Fault, withFault } from "./worlds.ts"

export interface ClientCheck extends Partial<Conformance.ServeOptions> {
  readonly protocol: Conformance.ServeOptions["protocol"]
  /** The fault to put on the client's frames, made anew for each connection. */
  readonly fault?: () => Fault
  readonly miner?: Partial<MinerOptions>
  readonly proxy?: Partial<DeclaringProxyOptions>
  /** Uses Noise between the client and the kit. Default false. */
  readonly noise?: boolean
  /** The curve that the client checks the server with. */
  readonly curve?: AbstractCurve
  /** The client's tolerance for clock differences. */
  readonly clockTolerance?: Noise.InitiatorOptions["clockTolerance"]
}

const KIT = { host: "memory", port: 1 }
const ELSEWHERE = { host: "memory", port: 2 }
const POOL = { host: "memory", port: 3 }
/** The kit's own pool, for a client that declares jobs. */
const KIT_POOL = { host: "memory", port: 4 }
const PROVIDER = { host: "memory", port: 5 }
const PROXY = { host: "memory", port: 6 }
const PLAIN = { _tag: "plain" } as const

/** Few nonces, so that all else is rolled soon; more where little else can be. */
const hashing = (nonces: number) =>
  HashInProcess.layer({
    slice: "4 millis",
    hashesPerSlice: 256,
    space: { nonces, versions: 4, extranonces: 2 ** 32 }
  })
const reconnecting = { firstDelay: "1 millis", maxDelay: "5 millis" } as const

/** The hash rate that the miner announces: one hash in 64 is a share, about four in a slice. */
const SHARES_PER_MINUTE = 60
const HASH_RATE = 64

/** Runs the kit, to which a client comes. */
export const checkClient = ({
  clockTolerance,
  curve,
  fault,
  miner = {},
  noise = false,
  protocol,
  proxy = {},
  ...options
}: ClientCheck) =>
  Effect.gen(function* () {
    const network = Memory.make()
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const security: ServerAddress["security"] = noise ? { _tag: "noise", authorityKey: publicKey } : PLAIN
    const listenAt = (address: typeof KIT) =>
      Effect.map(Layer.build(network.listener(address)), (context) => Context.get(context, Listener))
    const listener = yield* listenAt(KIT)
    const elsewhere = yield* listenAt(ELSEWHERE)

    const secured = noise ? Noise.initiator(clockTolerance === undefined ? {} : { clockTolerance }) : Plain.dialer
    const dialer = faulty(fault).pipe(Layer.provide(secured), Layer.provide(network.dialer))
    const server = { ...KIT, security }
    const pool = protocol === "job-declaration" ? { pool: yield* listenAt(KIT_POOL) } : {}
    const client = {
      mining: () => minerOf([server], miner, dialer),
      "job-declaration": () => proxyOf(server, { ...KIT_POOL, security }, network, dialer, proxy),
      "template-distribution": () => poolOf(server, network, dialer)
    }[protocol]()
    yield* Layer.build(client).pipe(curve === undefined ? (self) => self : Effect.provideService(Curve.Curve, curve))
    return yield* Conformance.serve({
      protocol,
      elsewhere,
      ...pool,
      connectTimeout: "10 seconds",
      answerTimeout: "10 seconds",
      quietTime: "100 millis",
      shareTimeout: "10 seconds",
      sharesPerMinute: SHARES_PER_MINUTE,
      ...(noise ? { authoritySecretKey: secretKey } : {}),
      ...options
    }).pipe(Effect.provideService(Listener, listener))
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])), Effect.orDie)

const minerOf = (
  servers: readonly [ServerAddress],
  changes: Partial<MinerOptions>,
  dialer: Layer.Layer<FrameDialer>
) => {
  const options: MinerOptions = {
    servers,
    user: "conformance",
    channel: "extended",
    nominalHashRate: HASH_RATE,
    reconnecting,
    ...changes
  }
  return Miner.layer(options).pipe(
    Layer.provide(Setup.client(MiningDialer)),
    Layer.provide([dialer, hashing(options.channel === "extended" ? 32 : 65_536)])
  )
}

/** A pool whose templates come from the kit, and a miner on it that makes them blocks. */
const poolOf = (provider: ServerAddress, network: Memory.Network, dialer: Layer.Layer<FrameDialer>) => {
  const options = poolOptions({ policy: { sharesPerMinute: SHARES_PER_MINUTE } })
  const source = TemplateClient.layer({
    servers: [provider],
    reconnecting
  }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(dialer))
  const pool = Pool.layer(options).pipe(
    Layer.provide(source),
    Layer.provide(Setup.server(MiningListener)),
    Layer.provide(Plain.listener),
    Layer.provide(Layer.orDie(network.listener(POOL)))
  )
  const plain = Plain.dialer.pipe(Layer.provide(network.dialer))
  return Layer.merge(pool, minerOf([{ ...POOL, security: PLAIN }], {}, plain))
}

/** A proxy that declares the templates of a development node to the kit, with a miner. */
const proxyOf = (
  declarator: ServerAddress,
  server: ServerAddress,
  network: Memory.Network,
  dialer: Layer.Layer<FrameDialer>,
  changes: Partial<DeclaringProxyOptions>
) => {
  const plain = Plain.dialer.pipe(Layer.provide(network.dialer))
  const provider = TemplateProvider.layer({ interval: "500 millis" }).pipe(
    Layer.provide(Setup.server(TemplateListener)),
    Layer.provide(Plain.listener),
    Layer.provide(Layer.orDie(network.listener(PROVIDER))),
    Layer.provide(DevNode.layerInMemory({ bits: 0x1d00ffff, transactionsPerSecond: 20 }))
  )
  const templates = TemplateClient.layer({ servers: [{ ...PROVIDER, security: PLAIN }], reconnecting }).pipe(
    Layer.provide(Setup.client(TemplateDialer)),
    Layer.provide(plain)
  )
  const proxy = Proxy.layerDeclared({
    upstreams: [{ server, declarator }],
    userIdentity: "conformance",
    policy: { sharesPerMinute: SHARES_PER_MINUTE, minHashRate: 1 },
    minFeeDelta: 0n,
    declareInterval: "100 millis",
    reconnecting,
    ...changes
  }).pipe(
    Layer.provide(templates),
    Layer.provide([Setup.client(MiningDialer), Setup.client(DeclarationDialer)]),
    Layer.provide(dialer),
    Layer.provide(Setup.server(MiningListener)),
    Layer.provide(Plain.listener),
    Layer.provide(Layer.orDie(network.listener(PROXY)))
  )
  return Layer.mergeAll(provider, proxy, minerOf([{ ...PROXY, security: PLAIN }], {}, plain))
}

/** The dialer, with a fault of its own for each connection. */
const faulty = (makeFault: (() => Fault) | undefined): Layer.Layer<FrameDialer, never, FrameDialer> =>
  Layer.effect(
    FrameDialer,
    Effect.map(FrameDialer, ({ dial }) =>
      FrameDialer.of({
        dial: (server) =>
          Effect.map(dial(server), (frames) => (makeFault === undefined ? frames : withFault(frames, makeFault())))
      })
    )
  )
