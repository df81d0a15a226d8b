import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Layer, Stream } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import { Publisher } from "zeromq"
import { NodeNotifications, NodeNotificationsZmq } from "../src/index.ts"
import { readNotification, SequenceGaps } from "../src/notifications/zmq-message.ts"

const hash = Uint8Array.from({ length: 32 }, (_, index) => index)
const display = hash.toReversed()

const sequenceFrame = (sequence: number) => {
  const frame = Buffer.alloc(4)
  frame.writeUInt32LE(sequence)
  return frame
}

/** What a node does: a publisher on a free port, and its messages. */
const publish = (endpoint = "tcp://127.0.0.1:*") =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = new Publisher({ linger: 0, sendHighWaterMark: 1000 })
      // libzmq closes sockets in the background: the port of one that was closed is in use for a moment longer.
      for (let attempts = 0; ; attempts++) {
        try {
          await socket.bind(endpoint)
          break
        } catch (error) {
          if (attempts === 100) throw error
          await sleep(20)
        }
      }
      return {
        endpoint: socket.lastEndpoint!,
        close: Effect.sync(() => socket.close()),
        send: (topic: string, sequence: number, body: Uint8Array = display) =>
          Effect.promise(() => socket.send([topic, body, sequenceFrame(sequence)]))
      }
    }),
    (publisher) => publisher.close
  )

const subscribe = Effect.fnUntraced(function* (endpoint: string) {
  const context = yield* Layer.build(NodeNotificationsZmq.layer(endpoint))
  return Context.get(context, NodeNotifications).events
})

/** Publishes the first message until the subscription is known to the publisher, and gives the stream behind it. */
const settled = Effect.fnUntraced(function* (publisher: Effect.Success<ReturnType<typeof publish>>) {
  const events = yield* subscribe(publisher.endpoint)
  const first = yield* events.pipe(
    Stream.filter(({ _tag }) => _tag === "NewBlock"),
    Stream.take(1),
    Stream.runDrain,
    Effect.forkChild({ startImmediately: true })
  )
  yield* publisher
    .send("hashblock", 7)
    .pipe(Effect.andThen(Effect.sleep(10)), Effect.forever, Effect.race(Fiber.join(first)))
  // libzmq tells of its connections on another way than messages, so these may come late.
  return events.pipe(Stream.filter(({ _tag }) => _tag !== "Connected"))
})

describe("NodeNotifications over ZMQ", () => {
  it.live("gives blocks and mempool changes in the node's order, with hashes in internal order", () =>
    Effect.gen(function* () {
      const publisher = yield* publish()
      const events = yield* settled(publisher)
      const seen = yield* events.pipe(Stream.take(5), Stream.runCollect, Effect.forkChild({ startImmediately: true }))
      const added = Buffer.concat([display, Buffer.from("A"), Buffer.from("0500000000000000", "hex")])
      const removed = Buffer.concat([display, Buffer.from("R"), Buffer.from("0000000001000000", "hex")])
      yield* publisher.send("sequence", 0, Buffer.concat([display, Buffer.from("C")]))
      yield* publisher.send("hashblock", 8)
      yield* publisher.send("sequence", 1, added)
      yield* publisher.send("sequence", 2, removed)
      yield* publisher.send("sequence", 3, Buffer.concat([display, Buffer.from("D")]))
      assert.deepStrictEqual(yield* Fiber.join(seen), [
        { _tag: "BlockConnected", hash },
        { _tag: "NewBlock", hash },
        { _tag: "TransactionAdded", txid: hash, mempoolSequence: 5n },
        { _tag: "TransactionRemoved", txid: hash, mempoolSequence: 1n << 32n },
        { _tag: "BlockDisconnected", hash }
      ])
    })
  )

  it.live("reports missing messages before the message that shows the gap", () =>
    Effect.gen(function* () {
      const publisher = yield* publish()
      const events = yield* settled(publisher)
      const seen = yield* events.pipe(Stream.take(3), Stream.runCollect, Effect.forkChild({ startImmediately: true }))
      yield* publisher.send("hashblock", 8)
      yield* publisher.send("hashblock", 12)
      assert.deepStrictEqual(yield* Fiber.join(seen), [
        { _tag: "NewBlock", hash },
        { _tag: "Missed", topic: "hashblock", count: 3 },
        { _tag: "NewBlock", hash }
      ])
    })
  )

  it.live("ignores messages of another form", () =>
    Effect.gen(function* () {
      const publisher = yield* publish()
      const events = yield* settled(publisher)
      const seen = yield* events.pipe(Stream.take(1), Stream.runCollect, Effect.forkChild({ startImmediately: true }))
      yield* publisher.send("hashblock", 8, display.subarray(1))
      yield* publisher.send("hashblockx", 9)
      yield* publisher.send("sequence", 10, Buffer.concat([display, Buffer.from("X")]))
      yield* publisher.send("hashblock", 8)
      assert.deepStrictEqual(yield* Fiber.join(seen), [{ _tag: "NewBlock", hash }])
    })
  )

  it.live("connects again to a node that restarts, and reports it", () =>
    Effect.gen(function* () {
      const publisher = yield* publish()
      yield* settled(publisher)
      const events = yield* subscribe(publisher.endpoint)
      const connected = yield* Latch.make(false)
      const states = yield* events.pipe(
        Stream.map(({ _tag }) => _tag),
        Stream.tap(() => connected.open),
        Stream.dropUntil((state) => state === "Connected"),
        Stream.filter((state) => state === "Connected" || state === "Disconnected"),
        Stream.take(2),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* connected.await
      yield* publisher.close
      yield* publish(publisher.endpoint)
      assert.deepStrictEqual(yield* Fiber.join(states), ["Disconnected", "Connected"])
    })
  )

  it.effect("refuses an invalid endpoint, and says what is expected", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(subscribe("127.0.0.1:28332"))
      assert.instanceOf(error, NodeNotificationsZmq.ZmqEndpointError)
      assert.match(error.message, /"127.0.0.1:28332" cannot be used .*tcp:\/\/127.0.0.1:28332/)
    })
  )
})

describe("sequence numbers", () => {
  it("reveal the number of missing messages, also over the wrap and after a restart of the node", () => {
    const gaps = new SequenceGaps()
    const missed = (sequence: number) => gaps.missedBefore("hashblock", sequence)
    assert.strictEqual(missed(0xfffffffe), 0)
    assert.strictEqual(missed(0xffffffff), 0)
    assert.strictEqual(missed(0), 0)
    assert.strictEqual(missed(3), 2)
    assert.strictEqual(gaps.missedBefore("sequence", 99), 0)
    assert.strictEqual(missed(0), 0)
    assert.strictEqual(missed(0), 0)
    assert.strictEqual(missed(9), 8)
    assert.strictEqual(missed(4), 4)
  })

  it("are read, and bodies that are too short for a hash are ignored", () => {
    for (const topic of ["hashblock", "sequence"]) assert.isUndefined(readNotification(topic, new Uint8Array(31)))
  })
})
