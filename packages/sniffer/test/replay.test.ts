/** Recordings, and how they are replayed against a server that answers as it did, and against others that do not. */
import { assert, describe, it } from "@effect/vitest"
import { Common, Mining } from "@sluice/protocol"
import { FrameDialer } from "@sluice/transport"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { readScripts, recordLine, replay, type ReplayEvent, type ReplayOptions, type Script } from "../src/index.ts"
import { closeChannel, connect, frame, makeWorld, RELAY, setup, setupSuccess, type World } from "./raw.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const setupError = Common.SetupConnectionError.codec.encode(
  Common.SetupConnectionError.make({ flags: 0, errorCode: "unsupported-protocol" })
)
const setTarget = Mining.SetTarget.codec.encode(
  Mining.SetTarget.make({ channelId: 1, maximumTarget: new Uint8Array(32) })
)

/** A session of 2 s: the client closes a channel and gets a target for it. */
const session = Effect.gen(function* () {
  const world = yield* makeWorld()
  const { client, closeServer, server } = yield* connect(world)
  yield* TestClock.adjust("2 seconds")
  yield* client.write([closeChannel(7)])
  yield* server.pull
  yield* server.write([setTarget, frame(0x4abc, 9)])
  yield* client.pull
  yield* closeServer
  yield* Effect.flip(client.pull)
  return world.events.map(recordLine)
})

const read = (lines: ReadonlyArray<string>) => readScripts(Stream.fromIterable(lines))

describe("a recording", () => {
  it.effect("has every frame in hex with its description, and who opened and closed the connection", () =>
    Effect.gen(function* () {
      const lines = yield* session
      const [opened, first, second, closing, , unknown, closed] = lines.map((line) => JSON.parse(line))
      assert.deepInclude(opened, { event: "Opened", connectionId: 1, at: 0, server: "server:1" })
      assert.deepInclude(first, {
        event: "Message",
        to: "server",
        fate: "passed",
        frame: hex(setup(0)),
        protocol: "mining"
      })
      assert.deepInclude(second.message, { _tag: "SetupConnection.Success", usedVersion: 2 })
      assert.deepInclude(closing, { at: 2000, message: { _tag: "CloseChannel", channelId: 7, reasonCode: "done" } })
      assert.deepInclude(unknown, { to: "client", frame: "bc4a09000000", extensionType: 0x4abc, type: 9 })
      assert.deepInclude(closed, { event: "Closed", by: "server", reason: "the peer closed the connection" })
      assert.lengthOf(lines, 7)
    })
  )

  it.effect("is read back as the messages that the server received and sent", () =>
    Effect.gen(function* () {
      const lines = yield* session
      const [script] = yield* read(lines)
      assert.deepStrictEqual(
        script!.steps.map(({ at, bytes, to }) => [to, at, hex(bytes)]),
        [
          ["server", 0, hex(setup(0))],
          ["client", 0, hex(setupSuccess)],
          ["server", 2000, hex(closeChannel(7))],
          ["client", 2000, hex(setTarget)],
          ["client", 2000, "bc4a09000000"]
        ]
      )
      assert.strictEqual(script!.closed?.by, "server")
      const fates = (fate: string) => lines.map((line) => line.replaceAll('"passed"', `"${fate}"`))
      // The server has not seen what was dropped, and it has sent what was.
      const tos = (scripts: ReadonlyArray<Script>) => new Set(scripts[0]!.steps.map(({ to }) => to))
      assert.deepStrictEqual([...tos(yield* read(fates("dropped")))], ["client"])
      assert.deepStrictEqual([...tos(yield* read(fates("replaced")))], ["client"])
      assert.deepStrictEqual([...tos(yield* read(fates("added")))], ["server"])
    })
  )

  it.effect("that is invalid or too large is refused with the line number", () =>
    Effect.gen(function* () {
      const lines = yield* session
      const refused = (lines: ReadonlyArray<string>, options = {}) =>
        Effect.map(Effect.flip(readScripts(Stream.fromIterable(lines), options)), ({ message }) => message)
      assert.match(yield* refused(["", "{"]), /^line 2 of the recording: expected a sniffer event/)
      assert.match(yield* refused(lines.slice(1)), /^line 1 .*: there is no Opened event of connection 1 before it$/)
      assert.match(
        yield* refused([lines[0]!, lines[1]!.replace(hex(setup(0)), "00")]),
        /^line 2 .*: expected frame to be one whole frame/
      )
      assert.match(
        yield* refused([lines[0]!, lines[1]!.replace(hex(setup(0)), "xx")]),
        /^line 2 .*: expected frame to be one whole frame/
      )
      assert.match(
        yield* refused(lines, { maxBytes: 500 }),
        /^line 3 .*: up to this line there are more than 500 bytes/
      )
      assert.deepStrictEqual(yield* readScripts(Stream.fromIterable(lines), { connectionId: 2 }), [])
    })
  )
})

/** Replays the session against a server that does as it is told. */
const against = Effect.fnUntraced(function* (
  serve: (server: Effect.Success<World["accept"]>) => Effect.Effect<unknown, unknown>,
  options: Partial<ReplayOptions> = {},
  change: (script: Script) => Script = (script) => script
) {
  const [script] = yield* read(yield* session)
  const world = yield* makeWorld()
  const events: Array<ReplayEvent> = []
  yield* Effect.forkScoped(Effect.flatMap(world.accept, serve))
  const observe = (event: ReplayEvent) => Effect.sync(() => void events.push(event))
  const replaying = yield* replay(change(script!), { server: RELAY, observe, ...options }).pipe(
    Effect.provideService(FrameDialer, { dial: () => world.dial() }),
    Effect.forkChild
  )
  for (let step = 0; step < 300 && replaying.pollUnsafe() === undefined; step++) yield* TestClock.adjust("100 millis")
  const told = events.map((event) =>
    event._tag === "Message" ? `${event.to === "server" ? ">" : "<"} ${hex(event.frame)}` : event._tag
  )
  return { differences: yield* Fiber.join(replaying), told, events }
})

describe("a replay", () => {
  it.effect("finds no difference if the server answers as recorded, and sends each message after the answer", () =>
    Effect.gen(function* () {
      const { differences, told } = yield* against(({ close, frames }) =>
        Effect.gen(function* () {
          assert.lengthOf(yield* frames.pull, 1)
          yield* Effect.sleep("1 second")
          // A message may come before it is expected.
          yield* frames.write([setTarget, setupSuccess])
          assert.strictEqual((yield* frames.pull)[0].messageType, 0x18)
          yield* frames.write([frame(0x4abc, 9)])
          yield* close
        })
      )
      assert.deepStrictEqual(differences, [])
      assert.deepStrictEqual(told, [
        `> ${hex(setup(0))}`,
        `< ${hex(setTarget)}`,
        `< ${hex(setupSuccess)}`,
        `> ${hex(closeChannel(7))}`,
        "< bc4a09000000"
      ])
    })
  )

  it.effect("reports an error in place of a success, missing messages and new messages", () =>
    Effect.gen(function* () {
      const { differences, told } = yield* against(({ close, frames }) =>
        Effect.gen(function* () {
          yield* frames.pull
          yield* frames.write([setupError, closeChannel(1)])
          yield* frames.pull
          yield* frames.write([frame(0x4abc, 9)])
          yield* Effect.sleep("12 seconds")
          yield* close
        })
      )
      assert.deepStrictEqual(differences, [
        "recorded: SetupConnection.Success; came: SetupConnection.Error, once",
        "recorded: SetTarget, once; none came",
        "not recorded: CloseChannel; it came once"
      ])
      assert.deepStrictEqual(told.slice(3, 6), ["Differs", `> ${hex(closeChannel(7))}`, "< bc4a09000000"])
      assert.strictEqual(told.at(-1), "Late")
    })
  )

  it.effect("waits only once for a kind that does not come", () =>
    Effect.gen(function* () {
      const { differences, told } = yield* against(
        ({ frames }) => Effect.andThen(frames.write([setupSuccess, frame(0x4abc, 9)]), Effect.forever(frames.pull)),
        {},
        ({ connectionId, of, openedAt, steps }) => ({
          connectionId,
          of,
          openedAt,
          steps: [...steps, steps[3]!, steps[3]!]
        })
      )
      assert.deepStrictEqual(differences, ["recorded: SetTarget, 3 times; none came"])
      assert.deepStrictEqual(
        told.filter((one) => one === "Late"),
        ["Late"]
      )
    })
  )

  it.effect("reports if only one of the recorded and the replayed server ended the connection", () =>
    Effect.gen(function* () {
      const early = yield* against(({ close, frames }) => Effect.andThen(frames.pull, close))
      assert.deepStrictEqual(early.differences, [
        "the server ended the connection (the peer closed the connection); of the recorded messages 1 was not sent"
      ])
      const never = yield* against(({ frames }) =>
        Effect.andThen(frames.write([setupSuccess, setTarget, frame(0x4abc, 9)]), Effect.forever(frames.pull))
      )
      assert.deepStrictEqual(never.differences, [
        "recorded: the server ended the connection (the peer closed the connection); it has not"
      ])
    })
  )

  it.effect("sends each message at its recorded time with pace recorded, without waiting for answers", () =>
    Effect.gen(function* () {
      const { differences, events } = yield* against(
        ({ frames }) => Effect.andThen(frames.write([setupSuccess, setTarget]), Effect.forever(frames.pull)),
        { pace: "recorded", answerTimeout: "3 seconds" },
        ({ connectionId, of, openedAt, steps }) => ({ connectionId, of, openedAt, steps })
      )
      const sent = events.filter((event) => event._tag === "Message" && event.to === "server")
      assert.approximately(sent[1]!.at - sent[0]!.at, 2000, 100)
      assert.deepStrictEqual(differences, ["recorded: extension 0x4abc type 0x9, once; none came"])
    })
  )
})
