/**
 * A proxy for Stratum V1 miners with one channel at a pool, alone in its process, so that only its memory and CPU time are counted.
 * The pool above it is in the same process and costs next to nothing: it has one channel, and gets no shares. It answers its
 * parent's questions. All times are of the system's monotonic clock, which both processes share.
 */
import { Pool } from "@sluice/pool"
import { Proxy } from "@sluice/proxy"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { Translator } from "@sluice/translator"
import { Listener, Memory, MiningDialer, MiningListener, Plain, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { channel } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { COINBASE_ADDRESS, futureTemplate, newPrevHash, poolOptions, shareOf } from "./pool-work.ts"
import { measureShareCryptography, shareHasher } from "./share-cryptography.ts"
import { serveFloor } from "./v1-floor.ts"

/** The questions of the parent. */
export type Question =
  | { readonly _tag: "Usage" }
  /** The same after a garbage collection, which takes CPU time. */
  | { readonly _tag: "Held" }
  /** Sends a new block to all miners through the pool and the proxy. */
  | { readonly _tag: "Block" }
  /** Writes the same bytes to the same sockets directly. */
  | { readonly _tag: "Raw" }
  /** The port of a server that does the least for each share. */
  | { readonly _tag: "Floor" }
  /** Times the hashes of an extended share. */
  | { readonly _tag: "Hashes" }

/** The answers. */
export type Answer =
  | { readonly _tag: "Ready"; readonly port: number }
  | {
      readonly _tag: "Usage"
      readonly rssBytes: number
      readonly cpuMicros: number
      readonly connections: number
      readonly accepted: number
      readonly refused: number
      /** Shares that the floor has answered. */
      readonly floor: number
    }
  | {
      readonly _tag: "Sent"
      /** Nanoseconds of the monotonic clock, as text. */
      readonly from: string
      /** When the operating system had the bytes of the last connection. */
      readonly written: string
    }
  | { readonly _tag: "Floor"; readonly port: number }
  | { readonly _tag: "Hashes"; readonly nanoseconds: number }

/** The writes since the last reset, and the bytes of the last one. */
const written = { writes: 0, at: 0n, done: (): void => {}, awaited: Infinity, bytes: new Uint8Array(0) as Uint8Array }
const sockets = new Set<Socket>()

channel("net.server.socket").subscribe((message) => {
  const { socket } = message as { readonly socket: Socket }
  sockets.add(socket)
  socket.once("close", () => sockets.delete(socket))
})

/** Makes the bytes of a write, and counts it. */
const counted = (bytes: () => Uint8Array) => (): Uint8Array => {
  written.bytes = bytes()
  if (++written.writes === written.awaited) {
    written.at = process.hrtime.bigint()
    setImmediate(written.done)
  }
  return written.bytes
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

/** Runs `send` and waits until there was a write to every connection. */
const timed = async (send: () => void): Promise<Extract<Answer, { _tag: "Sent" }>> => {
  const done = new Promise<void>((resolve) => (written.done = resolve))
  written.writes = 0
  written.awaited = sockets.size
  const from = process.hrtime.bigint()
  send()
  await done
  written.awaited = Infinity
  return { _tag: "Sent", from: String(from), written: String(written.at) }
}

const program = Effect.gen(function* () {
  const network = Memory.make()
  const upstream = { host: "pool", port: 1 }
  const pool = yield* Layer.build(
    Pool.layer({ coinbaseAddress: COINBASE_ADDRESS, policy: { minHashRate: 1e15 } }).pipe(
      Layer.provideMerge(TemplateSourceMemory.layer),
      Layer.provide(Setup.server(MiningListener)),
      Layer.provide(Plain.listener),
      Layer.provide(network.listener(upstream))
    )
  )
  const { publish } = yield* Effect.provideContext(TemplateFeed, pool)
  let block = 0
  const announce = () => {
    block++
    return publish([
      { ...futureTemplate, templateId: BigInt(block) },
      { ...newPrevHash(block), templateId: BigInt(block) }
    ])
  }
  yield* announce()
  const { policy } = poolOptions
  const context = yield* Layer.build(
    Proxy.layer({ upstreams: [{ server: { ...upstream, security: { _tag: "plain" } } }], policy: { ...policy } }).pipe(
      Layer.provide([
        Translator.listener({ nominalHashRate: 1e-6 }).pipe(
          Layer.provide(countWrites),
          Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
        ),
        Setup.client(MiningDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(network.dialer))
      ])
    )
  )
  const { address, stats } = yield* Effect.provideContext(Proxy, context)
  let floor: Awaited<ReturnType<typeof serveFloor>> | undefined

  const onQuestion = async (question: Question): Promise<Answer> => {
    switch (question._tag) {
      case "Held":
      case "Usage": {
        if (question._tag === "Held") globalThis.gc?.()
        const { system, user } = process.cpuUsage()
        const { accepted, refused } = Effect.runSync(stats)
        return {
          _tag: "Usage",
          rssBytes: process.memoryUsage.rss(),
          cpuMicros: system + user,
          connections: sockets.size,
          accepted,
          refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
          floor: floor?.answered() ?? 0
        }
      }
      case "Block":
        return timed(() => void Effect.runFork(announce()))
      case "Raw": {
        const { bytes } = written
        return timed(() => {
          for (const socket of sockets) {
            socket.write(bytes)
            written.writes++
          }
          written.at = process.hrtime.bigint()
          setImmediate(written.done)
        })
      }
      case "Floor":
        floor ??= await serveFloor(shareHasher(shareOf("extended", 1), futureTemplate))
        return { _tag: "Floor", port: floor.port }
      case "Hashes":
        return { _tag: "Hashes", nanoseconds: measureShareCryptography(shareOf("extended", 1), futureTemplate).hash }
    }
  }
  process.on("message", (question: Question) => {
    void onQuestion(question).then((answer) => process.send!(answer))
  })
  process.send!({ _tag: "Ready", port: address.port } satisfies Answer)
  yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

process.on("disconnect", () => process.exit())
Effect.runFork(program)
