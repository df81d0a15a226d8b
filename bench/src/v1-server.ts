/**
 * A pool with V1 miners only, alone in its process, so that only its CPU time and memory are counted. It listens on a free port of
 * this machine, and answers its parent's questions. Times are of the system's monotonic clock, which both processes share.
 */
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { Listener, Tcp } from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Effect, Layer, Logger } from "effect"
import { channel } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { type BareSizes, serveBare } from "./bare-sockets.ts"
import { cpuTime, measureShareCryptography } from "./share-cryptography.ts"
import { COINBASE_ADDRESS, futureTemplate, newPrevHash, poolOptions, shareOf } from "./pool-work.ts"

export type Question =
  | { readonly _tag: "Usage" }
  /** The port of the server that measures the sockets alone. */
  | { readonly _tag: "Bare"; readonly sizes: BareSizes }
  /** The CPU nanoseconds of JSON.parse of this line, JSON.stringify of its answer, and the hashes of a share. */
  | { readonly _tag: "Floor"; readonly line: string }
  /** Sends a new block to all miners through the pool. */
  | { readonly _tag: "Block" }
  /** Writes the bytes of the last block to the same sockets directly. */
  | { readonly _tag: "Raw" }

export type Answer =
  | { readonly _tag: "Ready"; readonly port: number }
  | {
      readonly _tag: "Usage"
      readonly cpu: number
      readonly rss: number
      readonly accepted: number
      readonly refused: number
      readonly bare: number
    }
  | { readonly _tag: "Bare"; readonly port: number }
  | { readonly _tag: "Floor"; readonly json: number; readonly hash: number }
  | { readonly _tag: "Sent"; readonly from: string; readonly written: string }

const crowdOptions: PoolOptions = { coinbaseAddress: COINBASE_ADDRESS, policy: { minHashRate: 1 } }

const sockets = new Set<Socket>()
channel("net.server.socket").subscribe((message) => {
  const { socket } = message as { readonly socket: Socket }
  sockets.add(socket)
  socket.once("close", () => sockets.delete(socket))
})

/** The writes since the last reset, and the bytes of the last one. */
const written = { writes: 0, at: 0n, bytes: new Uint8Array(0) as Uint8Array, done: (): void => {}, awaited: Infinity }
const countWrites = Layer.effect(
  Listener,
  Effect.map(Listener, (listener) => ({
    ...listener,
    run: (handler) =>
      listener.run(({ pull, remote, standing, write }) =>
        handler({
          pull,
          remote,
          standing,
          write: (bytes, size) =>
            write(() => {
              written.bytes = bytes()
              if (++written.writes === written.awaited) {
                written.at = process.hrtime.bigint()
                setImmediate(written.done)
              }
              return written.bytes
            }, size)
        })
      )
  }))
)

const timed = async (send: () => void): Promise<Answer> => {
  const done = new Promise<void>((resolve) => (written.done = resolve))
  written.writes = 0
  written.awaited = sockets.size
  const from = process.hrtime.bigint()
  send()
  await done
  written.awaited = Infinity
  return { _tag: "Sent", from: String(from), written: String(written.at) }
}

const floorOf = (line: string): Answer => {
  const bytes = Buffer.from(line)
  let sum = 0
  const json = cpuTime(() => {
    for (let i = 0; i < 1000; i++) {
      // Begins with bytes, because JSON.parse is faster for a string that it has parsed before.
      const { id } = JSON.parse(bytes.toString()) as { readonly id: number }
      sum += `${JSON.stringify({ id, result: true, error: null })}\n`.length
    }
  })
  if (sum === 0) throw new Error("nothing was measured")
  return { _tag: "Floor", json, hash: measureShareCryptography(shareOf("extended", 1), futureTemplate).hash }
}

const isCrowd = process.argv[2] === "crowd"
const program = Effect.gen(function* () {
  const context = yield* Layer.build(
    Pool.layer(isCrowd ? crowdOptions : poolOptions).pipe(
      Layer.provideMerge(TemplateSourceMemory.layer),
      Layer.provide(
        Translator.listener({ nominalHashRate: 1e-6, maxMessagesPerSecond: 1e9 }).pipe(
          Layer.provide(isCrowd ? countWrites : Layer.empty)
        )
      ),
      Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
    )
  )
  yield* Effect.gen(function* () {
    const { address, stats } = yield* Pool
    const { publish } = yield* TemplateFeed
    let block = 0
    const announce = () => {
      block++
      return publish([
        { ...futureTemplate, templateId: BigInt(block) },
        { ...newPrevHash(block), templateId: BigInt(block) }
      ])
    }
    yield* announce()
    let bare: Awaited<ReturnType<typeof serveBare>> | undefined
    const onQuestion = async (question: Question): Promise<Answer> => {
      switch (question._tag) {
        case "Usage": {
          if (isCrowd) globalThis.gc?.()
          const { system, user } = process.cpuUsage()
          const { accepted, refused } = Effect.runSync(stats)
          const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
          const rss = process.memoryUsage.rss()
          return { _tag: "Usage", cpu: system + user, rss, accepted, refused: refusals, bare: bare?.replies() ?? 0 }
        }
        case "Bare":
          bare = await serveBare(question.sizes)
          return { _tag: "Bare", port: bare.port }
        case "Floor":
          return floorOf(question.line)
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
      }
    }
    process.on("message", (question: Question) => {
      void onQuestion(question).then((answer) => process.send!(answer))
    })
    process.send!({ _tag: "Ready", port: address.port } satisfies Answer)
    yield* Effect.never
  }).pipe(Effect.provide(context))
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

process.on("disconnect", () => process.exit())
Effect.runFork(program)
