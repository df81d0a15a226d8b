/** A pool, its job declarator and a template provider over a development node, in memory, as they are or with a fault put between them and the kit. */
import { DevNode, solveTemplate } from "@sluice/dev-node"
import { DeclarationServer, type DeclarationServerOptions, TokenKey, Tokens } from "@sluice/job-declaration"
import { payoutScript } from "@sluice/mining-server"
import { NodeRpc } from "@sluice/node"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Frame } from "@sluice/protocol"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  DeclarationListener,
  type FrameDuplex,
  FrameListener,
  Memory,
  MiningListener,
  Noise,
  Plain,
  type ServerAddress,
  Setup,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Effect, Layer, Logger, Result } from "effect"
import { COINBASE_ADDRESS, options as poolOptions } from "@sluice/testing/pool-worlds"
import { Conformance } from "../src/index.ts"

/** The fault of a broken variant: functions that replace each frame of one connection by others. */
export interface Fault {
  readonly send?: (frame: Frame) => ReadonlyArray<Uint8Array>
  readonly receive?: (frame: Frame) => ReadonlyArray<Frame>
}

const POOL: ServerAddress = { host: "memory", port: 1, security: { _tag: "plain" } }
const PROVIDER: ServerAddress = { host: "memory", port: 2, security: { _tag: "plain" } }
const DECLARATOR: ServerAddress = { host: "memory", port: 3, security: { _tag: "plain" } }
const ADDRESS = { mining: POOL, "job-declaration": DECLARATOR, "template-distribution": PROVIDER }

const KEY = TokenKey(new Uint8Array(32).fill(7))
const PAYOUT_RULES = { scripts: [Result.getOrThrow(payoutScript(COINBASE_ADDRESS))], minPercent: 100 }
const BESIDE = {
  mining: { beside: DECLARATOR },
  "job-declaration": { beside: POOL },
  "template-distribution": {}
}

/** The listener, with a fault of its own for each connection. */
const broken = (makeFault: () => Fault): Layer.Layer<FrameListener, never, FrameListener> =>
  Layer.effect(
    FrameListener,
    Effect.map(FrameListener, (listener) =>
      FrameListener.of({
        ...listener,
        run: (handler) => listener.run((frames) => handler(withFault(frames, makeFault())))
      })
    )
  )

export const withFault = (frames: FrameDuplex, { receive, send }: Fault): FrameDuplex => {
  const pull: FrameDuplex["pull"] = Effect.flatMap(frames.pull, (batch) => {
    const [first, ...rest] = receive === undefined ? batch : batch.flatMap((frame) => receive(frame))
    return first === undefined ? pull : Effect.succeed([first, ...rest] as const)
  })
  return {
    ...frames,
    pull,
    write: (written) => {
      if (send === undefined) return frames.write(written)
      const [first, ...rest] = written.flatMap((bytes) => send(Frame.read(bytes)!))
      return first === undefined ? Effect.void : frames.write([first, ...rest])
    }
  }
}

export interface Check extends Partial<Conformance.RunOptions> {
  readonly protocol: Conformance.RunOptions["protocol"]
  readonly fault?: () => Fault
  readonly pool?: Partial<PoolOptions>
  readonly declarator?: Partial<DeclarationServerOptions>
  /** Uses Noise between the kit and the server. Default false. */
  readonly noise?: boolean
}

/** Runs the kit against a new world. */
export const check = ({ declarator, fault = () => ({}), noise = false, pool, protocol, ...options }: Check) =>
  Effect.gen(function* () {
    const node = yield* DevNode
    yield* node.addMadeUpTransactions(5)
    const network = Memory.make()
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const secured = Noise.responder().pipe(Layer.provide(CertificateAuthority.layer({ secretKey })))
    const listening = (address: ServerAddress, makeFault: () => Fault, frames = Plain.listener) =>
      broken(makeFault).pipe(Layer.provide(frames), Layer.provide(Layer.orDie(network.listener(address))))
    // The fault and Noise are those of the server that is checked.
    const serving = (address: ServerAddress) =>
      address === ADDRESS[protocol]
        ? listening(address, fault, noise ? secured : Plain.listener)
        : listening(address, () => ({}))
    const provider = TemplateProvider.layer().pipe(
      Layer.provide(Setup.server(TemplateListener)),
      Layer.provide(serving(PROVIDER))
    )
    const dialer = Plain.dialer.pipe(Layer.provide(network.dialer))
    const source = TemplateClient.layer({ servers: [PROVIDER] }).pipe(
      Layer.provide(Setup.client(TemplateDialer)),
      Layer.provide(dialer)
    )
    const all = poolOptions({ customJobs: { tokens: new Tokens(KEY) }, ...pool })
    const mining = Pool.layer(all).pipe(
      Layer.provide(source),
      Layer.provide(Setup.server(MiningListener)),
      Layer.provide(serving(POOL))
    )
    const declarations = DeclarationServer.layer({
      tokenKey: KEY,
      payout: () => PAYOUT_RULES,
      ...declarator
    }).pipe(Layer.provide(Setup.server(DeclarationListener)), Layer.provide(serving(DECLARATOR)))
    yield* Layer.build(protocol === "template-distribution" ? provider : Layer.mergeAll(provider, mining, declarations))
    const rpc = yield* NodeRpc
    const newBlock = Effect.gen(function* () {
      const template = yield* rpc.getBlockTemplate()
      yield* node.submitBlock(solveTemplate(template)!)
    }).pipe(Effect.orDie)
    return yield* Conformance.run({
      server: {
        ...ADDRESS[protocol],
        security: noise ? { _tag: "noise", authorityKey: publicKey } : { _tag: "plain" }
      },
      protocol,
      ...BESIDE[protocol],
      answerTimeout: "10 seconds",
      quietTime: "100 millis",
      concurrency: 8,
      newBlock,
      ...options
    }).pipe(Effect.provide(network.dialer))
  }).pipe(
    Effect.scoped,
    Effect.provide(DevNode.layerInMemory({ bits: 0x1e0fffff, transactionsPerSecond: 0 })),
    Effect.provide(Logger.layer([])),
    Effect.orDie
  )

/** The rules that did not pass, with the reason. */
export const others = (results: ReadonlyArray<Conformance.RuleResult>) =>
  Object.fromEntries(
    results.flatMap(({ id, verdict }) =>
      verdict._tag === "Passed"
        ? []
        : [[id, verdict._tag === "Skipped" ? verdict.why : `expected ${verdict.expected}, came ${verdict.came}`]]
    )
  )
