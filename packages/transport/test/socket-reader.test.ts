/** What the peer sends arrives whole and in its order, whatever the fiber does that pulls. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import type { Receiver, Rest } from "../src/bytes/duplex.ts"
import { SocketReader } from "../src/bytes/socket-reader.ts"
import { FrameReader } from "../src/frames/frame-reader.ts"
import { overDuplex } from "../src/frames/frame-stream.ts"
import { Closed, SocketFailed, TransportError } from "../src/bytes/transport-error.ts"
import { socketPair } from "./fixture.ts"

const remote = { host: "127.0.0.1", port: 1 }

/** Two ends of one connection: a socket to send with, and a reader of what it sends. */
const pair = Effect.gen(function* () {
  const { sender, socket } = yield* socketPair
  const reader = new SocketReader(
    socket,
    (end) =>
      new TransportError({
        remote,
        reason: end.cause === undefined ? new Closed({ pendingBytes: 0 }) : new SocketFailed({ code: "test" })
      })
  )
  return { reader, sender, socket }
})

/** Gets what each read brings with this function. */
const receiver = <A, E>(take: (input: A) => Rest<E>): Receiver<A, E> => ({ take, touch: () => 0 })

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

  it.live("fails whoever reads after it was closed", () =>
    Effect.gen(function* () {
      const { reader } = yield* pair
      yield* reader.close
      const failed = <A>(read: Effect.Effect<A, TransportError>) => Effect.flip(Effect.timeout(read, 1_000))
      assert.match((yield* failed(reader.pull)).message, /closed/)
      assert.match((yield* failed(reader.each<never>(receiver(() => undefined)))).message, /closed/)
    }).pipe(Effect.scoped)
  )

  it.live("gives each chunk in its event, and reads nothing while a step leaves something to wait for", () =>
    Effect.gen(function* () {
      const { reader, sender } = yield* pair
      const text = Array.from({ length: 100_000 }, (_, i) => String(i).padStart(10, "0")).join("")
      let got = ""
      let steps = 0
      let isBusy = false
      const step = (chunk: Uint8Array) => {
        assert.isFalse(isBusy)
        got += Buffer.from(chunk).toString()
        if (steps++ % 3 !== 0) return undefined
        isBusy = true
        return Effect.andThen(
          Effect.sleep(1),
          Effect.sync(() => (isBusy = false))
        ).pipe(Effect.asVoid)
      }
      sender.write("early,")
      yield* settle
      sender.end(text)
      assert.match((yield* Effect.flip(reader.each(receiver(step)))).message, /closed/)
      assert.isTrue(got === `early,${text}`)
    }).pipe(Effect.scoped)
  )

  it.live("lets what a step leaves pull the next chunk", () =>
    Effect.gen(function* () {
      const { reader, sender } = yield* pair
      const seen: Array<string> = []
      const note = (by: string, chunk: Uint8Array) => void seen.push(`${by}: ${Buffer.from(chunk).toString()}`)
      const looping = yield* Effect.forkChild(
        reader.each(
          receiver((chunk) => {
            note("step", chunk)
            return seen.length === 1
              ? Effect.map(reader.pull, (chunks) => chunks.forEach((one) => note("pull", one)))
              : undefined
          })
        ),
        { startImmediately: true }
      )
      for (const part of ["one", "two", "three"]) {
        sender.write(part)
        yield* settle
      }
      assert.deepStrictEqual(seen, ["step: one", "pull: two", "step: three"])
      yield* Fiber.interrupt(looping)
    }).pipe(Effect.scoped)
  )

  it.live("lets all floors look at what they will need, before each chunk", () =>
    Effect.gen(function* () {
      const { reader, sender } = yield* pair
      const seen: Array<string> = []
      const floor = (name: string, above?: Receiver<Uint8Array, never>): Receiver<Uint8Array, never> => ({
        take: () => void seen.push("take"),
        touch: () => seen.push(name),
        ...(above && { above })
      })
      const looping = yield* Effect.forkChild(reader.each(floor("frames", floor("messages", floor("role")))), {
        startImmediately: true
      })
      for (const part of ["one", "two"]) {
        sender.write(part)
        yield* settle
      }
      const each = ["frames", "messages", "role", "take"]
      assert.deepStrictEqual(seen, [...each, ...each])
      yield* Fiber.interrupt(looping)
    }).pipe(Effect.scoped)
  )

  it.live("ends with the defect of a step that throws", () =>
    Effect.gen(function* () {
      const { reader, sender } = yield* pair
      sender.write("bytes")
      const exit = yield* Effect.exit(
        reader.each(
          receiver(() => {
            throw new Error("a fault of the step")
          })
        )
      )
      assert.match(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), /a fault of the step/)
    }).pipe(Effect.scoped)
  )
})

describe("frames of a reader that steps", () => {
  /** Five bytes of payload. */
  const frame = Uint8Array.of(0, 0, 1, 5, 0, 0, 1, 2, 3, 4, 5)

  const framesOf = (reader: SocketReader) =>
    overDuplex({
      duplex: { pull: reader.pull, each: reader.each, write: () => Effect.void, remote },
      reader: new FrameReader(undefined, 100),
      early: [],
      seal: ([first]) => first,
      limits: { frameTimeout: "200 millis" }
    })

  it.live("come whole from parts of them, and one that stays incomplete ends the connection in time", () =>
    Effect.gen(function* () {
      const { reader, sender } = yield* pair
      let count = 0
      const failure = yield* Effect.forkChild(
        Effect.flip(
          framesOf(reader).each!(
            receiver((frames) => {
              count += frames.length
              return undefined
            })
          )
        ),
        { startImmediately: true }
      )
      const send = (bytes: ReadonlyArray<number>) => {
        sender.write(Uint8Array.from(bytes))
        return settle
      }
      yield* send([...frame, ...frame.subarray(0, 3)])
      yield* send([...frame.subarray(3), ...frame.subarray(0, 8)])
      yield* send([...frame.subarray(8)])
      assert.strictEqual(count, 3)
      yield* send([...frame, ...frame.subarray(0, 7)])
      const error = yield* Fiber.join(failure)
      assert.instanceOf(error, TransportError)
      assert.deepInclude(error.reason, { _tag: "FrameTimeout", pendingBytes: 7 })
      assert.strictEqual(count, 4)
    }).pipe(Effect.scoped)
  )
})
