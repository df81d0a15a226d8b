/**
 * Whatever pieces a stream comes in, and whatever its receiver leaves to be waited for: the messages and the end are those of a reader that
 * gets all bytes at once.
 */
import { assert, describe, it } from "@effect/vitest"
import { CipherState } from "@sluice/core"
import { DecodeError, type Frame, Mining } from "@sluice/protocol"
import { seededRandom } from "@sluice/testing/seeded-random"
import { Effect, Fiber, Scheduler, type Scope } from "effect"
import { Duplex as NodeDuplex } from "node:stream"
import type * as Net from "node:net"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Duplex, Rest } from "../src/bytes/duplex.ts"
import { type SocketEnd, SocketReader } from "../src/bytes/socket-reader.ts"
import { Closed, SocketFailed, TransportError } from "../src/bytes/transport-error.ts"
import { eachBatch } from "../src/connection/connection.ts"
import { overFrames } from "../src/connection/message-stream.ts"
import { FrameReader } from "../src/frames/frame-reader.ts"
import { overDuplex } from "../src/frames/frame-stream.ts"
import { seal } from "../src/noise/seal.ts"
import { socketPair } from "./fixture.ts"

const remote = { host: "127.0.0.1", port: 1 }
const { toClient: outgoing, toServer: incoming } = Mining.protocol
/** Behind the declared fields there may be TLVs. */
const LIMIT = incoming.maxPayload + 1024

type Random = (below: number) => number

const randomOf = (seed: number): Random => {
  const random = seededRandom(seed)
  return (below) => Math.floor(random() * below)
}

const cipher = (): CipherState => {
  const state = new CipherState()
  state.setKey(new Uint8Array(32).fill(9), 0)
  return state
}

const frame = (messageType: number, payload: Uint8Array): Uint8Array => {
  const { length } = payload
  return Uint8Array.of(0, 0x80, messageType, length & 0xff, (length >> 8) & 0xff, length >> 16, ...payload)
}

/** A stream of messages, in which something may be wrong. */
const streamOf = (random: Random, isEncrypted: boolean): Uint8Array => {
  const closing = (id: number) =>
    incoming.encode({ _tag: "CloseChannel", channelId: id, reasonCode: "r".repeat(random(200)) })
  const frames = Array.from({ length: 1 + random(80) }, (_, id) =>
    random(10) === 0 ? frame(0xee, new Uint8Array(random(3000))) : closing(id)
  )
  const at = random(frames.length)
  const fault = random(6)
  if (fault === 0) frames[at] = frame(closing(0)[2]!, new Uint8Array(2))
  if (fault === 1) frames[at] = frame(0xee, new Uint8Array(LIMIT + 1))
  const [first, ...others] = frames
  const bytes = isEncrypted ? seal(cipher(), [first!, ...others]) : new Uint8Array(Buffer.concat(frames))
  if (fault === 2 && isEncrypted) bytes[random(bytes.length)]! ^= 1
  return fault === 3 ? bytes.subarray(0, random(bytes.length)) : bytes
}

const cut = (bytes: Uint8Array, random: Random, most: number): Array<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random(random(4) === 0 ? most : 60)
    chunks.push(bytes.slice(at, at + size))
    at += size
  }
  return chunks
}

const readerOf = (isEncrypted: boolean) => new FrameReader(isEncrypted ? cipher() : undefined, LIMIT)
const idOf = (message: Mining.ToServer) => ("channelId" in message ? message.channelId : -1)

/** What comes of the bytes if all come at once. */
const expected = (bytes: Uint8Array, isEncrypted: boolean) => {
  const reader = readerOf(isEncrypted)
  const frames: Array<Frame> = []
  reader.push(bytes.slice(), frames)
  const ids: Array<number> = []
  for (const one of frames) {
    try {
      const message = incoming.decode(one)
      if (message !== undefined) ids.push(idOf(message))
    } catch (error) {
      assert.instanceOf(error, DecodeError)
      return { ids, end: JSON.stringify(error) }
    }
  }
  return { ids, end: JSON.stringify(reader.failure ?? new Closed({ pendingBytes: reader.pendingBytes })) }
}

type Ends = Effect.Effect<
  {
    readonly socket: Net.Socket
    readonly send: (chunk: Uint8Array) => void
    readonly end: () => void
  },
  never,
  Scope.Scope
>

/** Two ends of a connection of sockets. */
const sockets: Ends = Effect.map(socketPair, ({ sender, socket }) => ({
  socket,
  send: (chunk) => void sender.write(chunk),
  end: () => void sender.end()
}))

/** The same without a system between them: chunks come when they are sent, many in one turn. */
const streams: Ends = Effect.sync(() => {
  const socket = new NodeDuplex({ read() {}, write: (_chunk, _encoding, done) => done() }) as Net.Socket
  return { socket, send: (chunk: Uint8Array) => void socket.push(chunk), end: () => void socket.push(null) }
})

const nextTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** What a receiver may leave to be waited for. */
const restOf = (random: Random): Rest<never> => {
  switch (random(10)) {
    case 0:
      return Effect.void
    case 1:
      return Effect.yieldNow
    case 2:
      return nextTurn
    case 3:
      return random(4) === 0 ? Effect.sleep(1) : Effect.promise(() => Promise.resolve())
    default:
      return undefined
  }
}

const closed = () => new TransportError({ remote, reason: new Closed({ pendingBytes: 0 }) })
const failure = ({ cause }: SocketEnd) =>
  cause === undefined ? closed() : new TransportError({ remote, reason: new SocketFailed({ code: "test" }) })

const run = Effect.fnUntraced(function* (seed: number, ends: Ends, isEncrypted: boolean) {
  const random = randomOf(seed)
  const bytes = streamOf(random, isEncrypted)
  const earlySize = random(3) === 0 ? random(bytes.length) : 0
  const { end, send, socket } = yield* ends
  const reader = new SocketReader(socket, failure)
  const duplex: Duplex = { pull: reader.pull, each: reader.each, write: () => Effect.void, remote }
  const frames = overDuplex({
    duplex,
    reader: readerOf(isEncrypted),
    early: cut(bytes.subarray(0, earlySize), random, 500),
    seal: ([first]) => first,
    limits: {}
  })
  const { each: _, ...withoutEach } = frames
  const connection = overFrames<Mining.ToServer, Mining.ToClient>({
    frames: seed % 5 === 0 ? withoutEach : frames,
    speak: () => ({ incoming, outgoing, extensions: [] }),
    setup: { version: 2, flags: 0, device: { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" } },
    early: [],
    limits: {}
  })
  const ids: Array<number> = []
  let isBusy = false
  const take = (messages: NonEmptyReadonlyArray<Mining.ToServer>) => {
    assert.isFalse(isBusy, "nothing comes while the receiver waits")
    ids.push(...messages.map(idOf))
    const rest = restOf(random)
    if (rest === undefined) return undefined
    isBusy = true
    return Effect.andThen(
      rest,
      Effect.sync(() => void (isBusy = false))
    )
  }
  const fiber = yield* Effect.forkChild(Effect.flip(eachBatch(connection, { take, touch: () => 0 })), {
    startImmediately: random(2) === 0
  })
  for (const chunk of cut(bytes.subarray(earlySize), random, 100_000)) {
    send(chunk)
    if (random(3) === 0) yield* nextTurn
  }
  if (random(2) === 0) yield* nextTurn
  end()
  const error = yield* Fiber.join(fiber)
  const reason = error instanceof TransportError ? error.reason : error
  return { got: { ids, end: JSON.stringify(reason) }, expected: expected(bytes, isEncrypted) }
})

const COUNT = 150

describe.each([
  { over: "sockets", ends: sockets },
  { over: "streams", ends: streams }
])("messages over $over", ({ ends }) => {
  it.live.each([true, false])(
    "are those of the whole stream, and so is the end (encrypted: %s)",
    (isEncrypted) =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= COUNT; seed++) {
          // Some fibers give way after each few steps.
          const steps = seed % 3 === 0 ? 3 + (seed % 7) : 2048
          const { expected, got } = yield* run(seed, ends, isEncrypted).pipe(
            Effect.scoped,
            Effect.provideService(Scheduler.MaxOpsBeforeYield, steps)
          )
          assert.deepStrictEqual(got, expected, `seed ${seed}`)
        }
      }),
    60_000
  )

  it.live(
    "come in their order to readers that are interrupted and replaced",
    () =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= COUNT; seed++) {
          const random = randomOf(seed)
          const bytes = Uint8Array.from({ length: random(200_000) }, () => random(256))
          const got: Array<Uint8Array> = []
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { end, send, socket } = yield* ends
              const reader = new SocketReader(socket, failure)
              const feeding = yield* Effect.forkChild(
                Effect.gen(function* () {
                  for (const chunk of cut(bytes, random, 50_000)) {
                    send(chunk)
                    if (random(2) === 0) yield* nextTurn
                  }
                  end()
                })
              )
              let isOpen = true
              while (isOpen) {
                const take = (chunk: Uint8Array): Rest<TransportError> => {
                  got.push(chunk)
                  if (random(5) === 0) return Effect.map(reader.pull, (more) => void got.push(...more))
                  return restOf(random)
                }
                const reading: Effect.Effect<unknown, TransportError> =
                  random(2) === 0
                    ? reader.each({ take, touch: () => 0 })
                    : Effect.map(reader.pull, (more) => void got.push(...more))
                const fiber = yield* Effect.forkChild(reading, { startImmediately: true })
                if (random(2) === 0) yield* nextTurn
                if (random(2) === 0) yield* Effect.promise(() => Promise.resolve())
                yield* Fiber.interrupt(fiber)
                const exit = yield* Fiber.await(fiber)
                isOpen = !(exit._tag === "Failure" && exit.cause.reasons.some((one) => one._tag === "Fail"))
                assert.isAtMost(socket.readableLength, 3 * socket.readableHighWaterMark)
              }
              yield* Fiber.join(feeding)
            })
          )
          assert.isTrue(Buffer.concat(got).equals(Buffer.from(bytes)), `seed ${seed}`)
        }
      }),
    60_000
  )
})
