/**
 * A crowd of clients that send garbage, stall in the handshake or trickle a byte at a time, on one server, and an honest client
 * among them. `SLUICE_CROWD=2000` makes it as large as that, and prints what it took.
 */
import { assert, it } from "@effect/vitest"
import { CertificateAuthority } from "@sluice/noise"
import { Mining } from "@sluice/protocol"
import { type Endpoint, MiningDialer, MiningListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Stream } from "effect"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { noise, secretKey } from "./fixture.ts"

const CROWD = Number(process.env["SLUICE_CROWD"] ?? 240)
const MESSAGE = Mining.CloseChannel.codec.encode({ _tag: "CloseChannel", channelId: 1, reasonCode: "" })

const layers = Layer.merge(
  Setup.server(MiningListener, { setupTimeout: "3 seconds" }).pipe(
    Layer.provide(Noise.responder({ handshakeTimeout: "3 seconds" })),
    Layer.provide(CertificateAuthority.layer({ secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
  ),
  Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
)

/** One of them, of the kind that its number says; it never reads. */
const join = (address: Endpoint, number: number): { readonly closed: Promise<void>; readonly leave: () => void } => {
  const socket = Net.connect(address).pause()
  socket.on("error", () => {})
  let drip: NodeJS.Timeout | undefined
  socket.on("connect", () => {
    const kind = number % 3
    if (kind === 0) {
      socket.write(
        Uint8Array.from({ length: 3000 }, (_, index) => (Math.imul(index + number, 2654435761) >>> 24) | 0x80)
      )
    } else if (kind === 1) drip = setInterval(() => socket.write(Uint8Array.of(0x90)), 100)
  })
  const closed = new Promise<void>((resolve) => {
    socket.resume().on("close", () => {
      clearInterval(drip)
      resolve()
    })
  })
  return { closed, leave: () => socket.destroy() }
}

const memory = (): number => {
  const { arrayBuffers, external, heapUsed } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
}

it.live(
  `an honest client is served among ${CROWD} that are not, all of whom the server gets rid of`,
  () =>
    Effect.gen(function* () {
      const { address, run } = yield* MiningListener
      const open = { now: 0 }
      yield* Effect.forkScoped(
        run((connection) =>
          Stream.runForEachArray(connection.receive, (batch) =>
            connection.send(batch.map(() => ({ _tag: "Reconnect", newHost: "", newPort: 0 })))
          )
        )
      )
      const client = yield* (yield* MiningDialer).dial({ ...address, security: noise })
      const before = memory()
      // In waves: who comes while the system's queue of new connections is full is never seen by the server.
      const crowd: Array<ReturnType<typeof join>> = []
      const wave = () => {
        for (let i = 0; i < 100 && crowd.length < CROWD; i++) {
          const one = join(address, crowd.length)
          crowd.push(one)
          open.now++
          void one.closed.then(() => open.now--)
        }
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => crowd.forEach(({ leave }) => leave())))

      const latencies: Array<number> = []
      let most = 0
      let mostOpen = 0
      while (crowd.length < CROWD || open.now > 0) {
        wave()
        mostOpen = Math.max(mostOpen, open.now)
        const asked = performance.now()
        yield* client.sendFrames([MESSAGE])
        assert.strictEqual((yield* client.receive.pipe(Stream.take(1), Stream.runCollect)).length, 1)
        latencies.push(performance.now() - asked)
        most = Math.max(most, memory() - before)
        yield* Effect.promise(() => sleep(5))
      }
      latencies.sort((a, b) => a - b)
      const at = (part: number) => latencies[Math.floor((latencies.length - 1) * part)]!.toFixed(1)
      if (process.env["SLUICE_CROWD"] !== undefined) {
        console.log(
          `${mostOpen} connections at once: ${latencies.length} answers, median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms; ` +
            `at most ${(most / 1e6).toFixed(1)} MB, both ends of all sockets included`
        )
      }
      // It went on being served all the while, and a newcomer is too.
      assert.isAbove(latencies.length, 10)
      const newcomer = yield* (yield* MiningDialer).dial({ ...address, security: noise })
      yield* newcomer.sendFrames([MESSAGE])
      assert.strictEqual((yield* newcomer.receive.pipe(Stream.take(1), Stream.runCollect)).length, 1)
      assert.isBelow(most, 40e6 + CROWD * 100_000)
    }).pipe(Effect.scoped, Effect.provide(layers)),
  120_000
)
