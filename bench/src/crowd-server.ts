/**
 * A server of miners for a crowd, alone in its process, so that only its memory and CPU time are counted. It answers its parent's
 * questions. All times are of the system's monotonic clock, which all processes share.
 */
import { CipherState, Handshake } from "@sluice/core"
import { curveModule, layerWasm, threadCurveUrl } from "@sluice/embedded"
import type { MiningServerCalls } from "@sluice/mining-server"
import { AuthorityKey, CertificateAuthority, Curve, HandshakeWorkers } from "@sluice/noise"
import { Mining } from "@sluice/protocol"
import { formatServerAddress, FrameListener, Listener, MiningListener, Noise, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import { channel } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { seal } from "../../packages/transport/src/noise/seal.ts"
import { endWithParent } from "./child.ts"

/** The questions of the parent. */
export type Question =
  | { readonly _tag: "Usage" }
  /** Sends a new block to all connections through the server. */
  | { readonly _tag: "Block" }
  /** Sends the same frames to the same connections with the transport alone. */
  | { readonly _tag: "Transport" }
  /** Seals as many bytes and writes them to the same sockets directly. The connections are unusable afterwards. */
  | { readonly _tag: "Raw" }
  /** Times a number of responder handshakes, one after the other. */
  | { readonly _tag: "Handshakes"; readonly count: number }

/** The answers. */
export type Answer =
  | { readonly _tag: "Ready"; readonly url: string; readonly port: number }
  | {
      readonly _tag: "Usage"
      readonly rssBytes: number
      readonly cpuMicros: number
      readonly connections: number
      readonly accepted: number
      readonly refused: number
    }
  | {
      readonly _tag: "Sent"
      /** Nanoseconds of the monotonic clock, as text. */
      readonly from: string
      /** When the operating system had the bytes of the last connection. */
      readonly written: string
      readonly writes: number
      readonly cpuMicros: number
    }
  | { readonly _tag: "Handshakes"; readonly seconds: number }

/** The policy of a crowd's servers. */
export const crowdPolicy = { minHashRate: 1, sharesPerMinute: 60 }

/** The writes since the last reset, by connection. */
const written = { writes: 0, at: 0n, done: (): void => {}, awaited: Infinity }
const connections = new Set<{ readonly write: (frames: readonly [Uint8Array, Uint8Array]) => Effect.Effect<void> }>()
const sockets = new Set<Socket>()

channel("net.server.socket").subscribe((message) => {
  const { socket } = message as { readonly socket: Socket }
  sockets.add(socket)
  socket.once("close", () => sockets.delete(socket))
})

/** Makes the bytes of a write, and counts it. */
const counted = (bytes: () => Uint8Array) => (): Uint8Array => {
  const sealed = bytes()
  if (++written.writes === written.awaited) {
    written.at = process.hrtime.bigint()
    setImmediate(written.done)
  }
  return sealed
}

const countWrites = Layer.effect(
  Listener,
  Effect.map(Listener, (listener) => ({
    ...listener,
    run: (handler) =>
      listener.run((duplex) =>
        handler({
          ...duplex,
          write: (bytes, size) => duplex.write(counted(bytes), size),
          writeNow: (bytes) => duplex.writeNow?.(counted(bytes)) ?? false
        })
      )
  }))
)

const rememberConnections = Layer.effect(
  FrameListener,
  Effect.map(FrameListener, (listener) => ({
    ...listener,
    run: (handler) =>
      listener.run((frames) => {
        const connection = { write: (two: readonly [Uint8Array, Uint8Array]) => Effect.ignore(frames.write(two)) }
        connections.add(connection)
        return Effect.ensuring(
          handler(frames),
          Effect.sync(() => connections.delete(connection))
        )
      })
  }))
)

/** Runs `send` and waits until there was a write to every connection. */
const timed = async (count: number, send: () => void): Promise<Extract<Answer, { _tag: "Sent" }>> => {
  const done = new Promise<void>((resolve) => (written.done = resolve))
  written.writes = 0
  written.awaited = count
  const cpu = process.cpuUsage()
  const from = process.hrtime.bigint()
  send()
  await done
  const { system, user } = process.cpuUsage(cpu)
  written.awaited = Infinity
  return {
    _tag: "Sent",
    from: String(from),
    written: String(written.at),
    writes: written.writes,
    cpuMicros: system + user
  }
}

/** Serves until the parent ends this process. `announce` makes the source of the server's work announce a new block. */
export const serveCrowd = <Self, Others = never>(options: {
  readonly service: Context.Key<Self, MiningServerCalls>
  readonly layer: Layer.Layer<Self | Others, unknown, MiningListener>
  readonly announce: (block: number) => Effect.Effect<unknown, unknown, Others>
}): void => {
  const program = Effect.gen(function* () {
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const authority = CertificateAuthority.layer({ secretKey })
    // As `sluice pool` has them on two cores.
    const bytes = yield* Effect.promise(curveModule)
    const threads = HandshakeWorkers.layer({ threads: 1, curve: { url: threadCurveUrl, bytes } })
    const context = yield* Layer.build(
      options.layer.pipe(
        Layer.provide(Setup.server(MiningListener)),
        Layer.provide(rememberConnections),
        Layer.provide(Noise.responder().pipe(Layer.provide(threads))),
        Layer.provide(countWrites),
        Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
        Layer.provideMerge(authority),
        Layer.provideMerge(layerWasm)
      )
    )
    yield* Effect.gen(function* () {
      const { address, stats } = yield* options.service
      const curve = yield* Curve.Curve
      const { credentials } = yield* CertificateAuthority
      const { certificate, staticKey, staticSecret } = yield* credentials
      let block = 1
      const announce = () => Effect.provideContext(options.announce(++block), context as Context.Context<Others>)
      yield* announce()

      /** The frames of a new block for a connection with standard jobs. */
      const blockFrames = (): readonly [Uint8Array, Uint8Array] => {
        const jobId = 0xf0000000 + ++block
        const common = { channelId: 2, jobId }
        return [
          Mining.protocol.toClient.encode({
            _tag: "NewMiningJob",
            ...common,
            minNtime: undefined,
            version: 0x20000000,
            merkleRoot: new Uint8Array(32).fill(block)
          }),
          Mining.protocol.toClient.encode({
            _tag: "SetNewPrevHash",
            ...common,
            prevHash: new Uint8Array(32).fill(block),
            minNtime: Math.floor(Date.now() / 1000),
            nbits: 0x1d00ffff
          })
        ]
      }

      const onQuestion = async (question: Question): Promise<Answer> => {
        switch (question._tag) {
          case "Usage": {
            globalThis.gc?.()
            const { system, user } = process.cpuUsage()
            const { accepted, refused } = Effect.runSync(stats)
            return {
              _tag: "Usage",
              rssBytes: process.memoryUsage.rss(),
              cpuMicros: system + user,
              connections: connections.size,
              accepted,
              refused: Object.values(refused).reduce((sum, count) => sum + count, 0)
            }
          }
          case "Block":
            return timed(connections.size, () => void Effect.runFork(announce()))
          case "Transport":
            return timed(connections.size, () => {
              const frames = blockFrames()
              for (const { write } of connections) Effect.runFork(write(frames))
            })
          case "Raw": {
            const frames = blockFrames()
            const ciphers = Array.from(sockets, () => {
              const cipher = new CipherState()
              cipher.setKey(new Uint8Array(32).fill(7), 0)
              return cipher
            })
            return timed(sockets.size, () => {
              let index = 0
              for (const socket of sockets) {
                socket.write(seal(ciphers[index++]!, frames))
                written.writes++
              }
              written.at = process.hrtime.bigint()
              setImmediate(written.done)
            })
          }
          case "Handshakes": {
            const act2 = new Uint8Array(234)
            const from = process.cpuUsage()
            for (let i = 0; i < question.count; i++) {
              const act1 = crypto.getRandomValues(new Uint8Array(64))
              const [secret, entropy] = [
                crypto.getRandomValues(new Uint8Array(32)),
                crypto.getRandomValues(new Uint8Array(32))
              ]
              const responder = new Handshake.Responder(curve, Redacted.value(staticSecret), staticKey, certificate)
              if (responder.respond(act1, 0, secret, entropy, act2, 0) !== Handshake.HANDSHAKE_OK)
                throw new Error("no handshake")
            }
            const { system, user } = process.cpuUsage(from)
            return { _tag: "Handshakes", seconds: (system + user) / 1e6 }
          }
        }
      }
      process.on("message", (question: Question) => {
        void onQuestion(question).then((answer) => process.send!(answer))
      })
      const url = formatServerAddress({ ...address, security: { _tag: "noise", authorityKey: publicKey } })
      process.send!({ _tag: "Ready", url, port: address.port } satisfies Answer)
      yield* Effect.never
    }).pipe(Effect.provide(context))
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

  endWithParent()
  Effect.runFork(program)
}
