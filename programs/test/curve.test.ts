import { curveModule, WasmCurve } from "@sluice/embedded"
import { AuthorityKey, CertificateAuthority, Curve, HandshakeWorkers, NobleCurve } from "@sluice/noise"
import {
  type Endpoint,
  MiningDialer,
  MiningListener,
  Security,
  type ServerAddress,
  Setup,
  Tcp
} from "@sluice/transport"
import { Effect, Layer, Logger, Metric, Stream } from "effect"
import { assert, describe, it } from "vitest"
import { layerCurveNamed, layerHandshakeThreads } from "../src/server/curve.ts"
import { secured } from "../src/server/secured.ts"

describe("handshakes of programs", () => {
  it("use the curve in WebAssembly, or the configured one", async () => {
    const used = (name: "wasm" | "noble") => Effect.runPromise(Effect.provide(Curve.Curve, layerCurveNamed(name)))
    assert.instanceOf(await used("wasm"), WasmCurve)
    assert.instanceOf(await used("noble"), NobleCurve)
  })

  it("have the same bytes in a thread as in the main thread", async () => {
    const curve = new WasmCurve(await curveModule())
    const bytes = (fill: number) => new Uint8Array(32).fill(fill)
    const act1 = new Uint8Array(64).fill(7)
    await Effect.runPromise(
      Effect.gen(function* () {
        const { secretKey } = yield* AuthorityKey.generate
        const { credentials } = yield* CertificateAuthority.make({ secretKey })
        const workers = (yield* HandshakeWorkers.HandshakeWorkers)!
        assert.deepStrictEqual([workers.threads, workers.above], [1, 16])
        const known = yield* workers.exchange({
          act1,
          ephemeralSecret: bytes(1),
          entropy: bytes(2),
          credentials: yield* credentials
        })
        const [theirs, ours] = [new Uint8Array(64), new Uint8Array(64)]
        assert.isTrue(known!.createEllSwift(bytes(1), bytes(2), theirs, 0))
        assert.isTrue(curve.createEllSwift(bytes(1), bytes(2), ours, 0))
        assert.deepStrictEqual(theirs, ours)
      }).pipe(Effect.provide(layerHandshakeThreads("wasm", 1)))
    )
    const none = Effect.provide(HandshakeWorkers.HandshakeWorkers, layerHandshakeThreads("wasm", 0))
    assert.isUndefined(await Effect.runPromise(none))
  })

  it("of many clients at once all succeed, in threads and in the main thread", async () => {
    const { publicKey, secretKey } = Effect.runSync(AuthorityKey.generate)
    const config = {
      listen: { host: "127.0.0.1", port: 0 },
      authoritySecretKey: secretKey,
      curve: "wasm",
      handshakeThreads: 1
    } as const
    const made = Effect.gen(function* () {
      const { address, run } = yield* MiningListener
      yield* Effect.forkScoped(run((connection) => Stream.runDrain(connection.receive)))
      const { dial } = yield* MiningDialer
      const server = (endpoint: Endpoint): ServerAddress => ({
        ...endpoint,
        security: { _tag: "noise", authorityKey: publicKey }
      })
      const connections = yield* Effect.forEach(Array.from({ length: 60 }), () => dial(server(address)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(connections.length, 60)
    })
    await Effect.runPromise(
      made.pipe(
        Effect.scoped,
        Effect.provide([
          Setup.server(MiningListener).pipe(Layer.provide(secured("server", config))),
          Setup.client(MiningDialer).pipe(
            Layer.provide(Security.dialer()),
            Layer.provide([Tcp.dialer, layerCurveNamed("wasm")])
          )
        ]),
        Effect.provide(Logger.layer([])),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
    )
  })
})
