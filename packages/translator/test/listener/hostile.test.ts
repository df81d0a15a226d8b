/** Peers that mean no good: each ends in an error line or in the end of its own connection, and nobody else notices. */
import { describe, expect, it } from "@effect/vitest"
import { giveWork } from "@sluice/testing/pool-worlds"
import { Dialer, Memory } from "@sluice/transport"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { AUTHORIZE, SUBSCRIBE, V1Miner } from "./v1-miner.ts"
import { v1World } from "./worlds.ts"

const text = (lines: ReadonlyArray<unknown>): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("")

/** A hostile peer and an honest miner, which has shares accepted before and after. */
const beside = <E, R>(attack: (peer: V1Miner) => Effect.Effect<void, E, R>, world = v1World()) =>
  Effect.gen(function* () {
    yield* giveWork
    const honest = yield* V1Miner.connect()
    yield* honest.work
    expect(yield* honest.submit(honest.state.mine())).toMatchObject({ result: true })
    yield* attack(yield* V1Miner.connect())
    expect(yield* honest.submit(honest.state.mine())).toMatchObject({ result: true })
  }).pipe(Effect.provide(world))

const write = (peer: V1Miner, bytes: Uint8Array) => peer.duplex.write(() => bytes)

describe("ends with an error line, and with the connection:", () => {
  it.effect.each([
    ["a line without an end", Buffer.alloc(20_000, "x"), "a line of at most 16384 bytes"],
    [
      "a long line of JSON",
      Buffer.from(`{"id":1,"method":"${"x".repeat(17_000)}"}\n`),
      "a line of at most 16384 bytes"
    ],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]), "a line of UTF-8"],
    ["a request of HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "a JSON object"],
    ["a list of requests", Buffer.from("[1,2]\n"), "a JSON object"]
  ] as const)("%s", ([, bytes, expected]) =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        yield* write(peer, bytes)
        expect(yield* peer.next).toMatchObject({
          id: null,
          error: [20, expect.stringContaining(`expected ${expected}`), null]
        })
        yield* peer.ended
      })
    )
  )

  it.effect("more requests than may wait behind one that waits for the pool", () =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        const pings = Array.from({ length: 200 }, (_, id) => ({ id, method: "mining.ping", params: [] }))
        yield* Effect.forkChild(Effect.ignore(write(peer, Buffer.from(text([AUTHORIZE, ...pings])))))
        yield* peer.ended
      })
    )
  )

  it.effect("a flood of subscribes before the first is answered", () =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        const lines = Array.from({ length: 150 }, (_, id) => ({ ...SUBSCRIBE, id }))
        yield* Effect.forkChild(Effect.ignore(write(peer, Buffer.from(text(lines)))))
        yield* peer.ended
      })
    )
  )

  it.effect("more lines that are refused than the limit allows", () =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        const lines = Array.from({ length: 1_200 }, (_, id) => ({ id, method: "mining.nothing", params: [] }))
        yield* Effect.forkChild(Effect.ignore(write(peer, Buffer.from(text(lines)))))
        yield* peer.ended
      })
    )
  )

  it.effect("a miner that never reads", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { dial } = yield* Dialer
      const duplex = yield* dial(Memory.ADDRESS)
      const pings = Array.from({ length: 5_000 }, (_, id) => ({ id, method: "mining.ping", params: [] }))
      const send = duplex.write(() => Buffer.from(text([SUBSCRIBE, ...pings])))
      const sending = yield* Effect.forkChild(Effect.flip(Effect.forever(send)))
      yield* TestClock.adjust("3 minutes")
      expect((yield* Fiber.join(sending)).message).toMatch(/closed|read nothing/)
    }).pipe(Effect.provide(v1World()))
  )
})

describe("is answered, and goes on:", () => {
  it.effect("a flood of requests that takes its turns", () =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        const pings = Array.from({ length: 20_000 }, (_, id) => ({ id, method: "mining.ping", params: [] }))
        const sending = yield* Effect.forkChild(write(peer, Buffer.from(text([AUTHORIZE, ...pings]))))
        expect(yield* peer.until(19_999)).toMatchObject({ result: "pong" })
        yield* Fiber.join(sending)
      })
    )
  )

  it.effect("a flood of subscribes after the first", () =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        yield* peer.send({ ...SUBSCRIBE, id: "first" })
        const answers = new Set([JSON.stringify((yield* peer.next).result)])
        const lines = Array.from({ length: 10_000 }, (_, id) => ({ ...SUBSCRIBE, id }))
        const sending = yield* Effect.forkChild(
          write(peer, Buffer.from(text([...lines, { ...AUTHORIZE, id: "last" }])))
        )
        for (let id = 0; id < 10_000; id++) {
          const line = yield* peer.next
          expect(line.id).toBe(id)
          answers.add(JSON.stringify(line.result))
        }
        expect(answers.size).toBe(1)
        expect(yield* peer.until("last")).toMatchObject({ result: true })
        yield* Fiber.join(sending)
      })
    )
  )

  it.effect.each([
    ["nested JSON", `{"id":1,"method":"mining.submit","params":${"[".repeat(8_000)}${"]".repeat(8_000)}}`],
    ["numbers in place of strings", { id: 1, method: "mining.submit", params: [1, 2, 3, 4, 5] }],
    ["strings in place of numbers", { id: 1, method: "mining.suggest_difficulty", params: ["many"] }],
    ["a worker that is no text", { id: 1, method: "mining.authorize", params: [{}, []] }],
    ["no parameters at all", '{"id":1,"method":"mining.authorize"}'],
    ["parameters that are no list", { id: 1, method: "mining.submit", params: "x" }],
    ["a method that nobody has", { id: 1, method: "__proto__", params: [] }]
  ] as const)("%s", ([, line]) =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        yield* peer.send(line)
        expect(yield* peer.next).toMatchObject({ id: 1, result: null, error: [20, expect.any(String), null] })
        yield* peer.work
        expect(yield* peer.submit(peer.state.mine())).toMatchObject({ result: true })
      })
    )
  )

  it.effect("an id that cannot be sent back", () =>
    beside(
      Effect.fnUntraced(function* (peer: V1Miner) {
        yield* peer.send({ id: { a: 1 }, method: "mining.ping", params: [] })
        expect(yield* peer.next).toMatchObject({ id: null, error: [20, expect.stringContaining("id"), null] })
        yield* peer.work
      })
    )
  )
})
