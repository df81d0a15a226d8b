/** What the peer sends arrives whole and in its order, whatever the fiber does that pulls. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { SocketReader } from "../src/bytes/socket-reader.ts"
import { Closed, SocketFailed, TransportError } from "../src/bytes/transport-error.ts"

const remote = { host: "127.0.0.1", port: 1 }

/** Two ends of one connection: a socket to send with, and a reader of what it sends. */
const pair = Effect.gen(function* () {
  const server = Net.createServer({ pauseOnConnect: true })
  yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
  yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
  const { port } = server.address() as Net.AddressInfo
  const accepted = new Promise<Net.Socket>((resolve) => server.once("connection", resolve))
  const sender = Net.connect({ host: "127.0.0.1", port, noDelay: true }).on("error", () => {})
  const socket = yield* Effect.promise(() => accepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => [sender, socket].forEach((one) => one.destroy())))
  const reader = new SocketReader(
    socket,
    (end) =>
      new TransportError({
        remote,
        reason: end?.cause === undefined ? new Closed({ pendingBytes: 0 }) : new SocketFailed({ code: "test" })
      })
  )
  return { reader, sender, socket }
})

const settle = Effect.promise(() => sleep(20))

/** Pulls until there are so many bytes. */
const take = Effect.fnUntraced(function* (reader: SocketReader, size: number) {
  let text = ""
  while (text.length < size) for (const chunk of yield* reader.pull) text += Buffer.from(chunk).toString()
  return text
})

describe("a reader of a socket", () => {
  it.live("gives what came before the first pull, and after an interrupted one", () =>
    Effect.gen(function* () {
      const { reader, sender } = yield* pair
      sender.write("before,")
      yield* settle
      assert.strictEqual(yield* take(reader, 7), "before,")
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(reader.pull, 10)))
      for (const part of ["one,", "two,", "three."]) {
        sender.write(part)
        yield* settle
      }
      assert.strictEqual(yield* take(reader, 14), "one,two,three.")
    }).pipe(Effect.scoped)
  )

  it.live("gives a megabyte whole to a fiber that is slow, and the end after it", () =>
    Effect.gen(function* () {
      const { reader, sender, socket } = yield* pair
      const text = Array.from({ length: 100_000 }, (_, i) => String(i).padStart(10, "0")).join("")
      sender.end(text)
      let got = ""
      let pulls = 0
      while (got.length < text.length) {
        for (const chunk of yield* reader.pull) got += Buffer.from(chunk).toString()
        // Every second time it is back at once.
        if (pulls++ % 2 === 0) yield* Effect.promise(() => sleep(1))
        assert.isAtMost(socket.readableLength, 2 * socket.readableHighWaterMark)
      }
      assert.isTrue(got === text)
      assert.match((yield* Effect.flip(reader.pull)).message, /closed/)
    }).pipe(Effect.scoped)
  )

  it.live("fails a pull that waits when it is closed", () =>
    Effect.gen(function* () {
      const { reader } = yield* pair
      const waiting = yield* Effect.forkChild(Effect.flip(reader.pull), { startImmediately: true })
      yield* reader.close
      assert.match((yield* Fiber.join(waiting)).message, /closed/)
    }).pipe(Effect.scoped)
  )
})
