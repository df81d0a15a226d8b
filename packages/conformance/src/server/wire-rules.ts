/** Rules for the server of any protocol, below messages: the handshake and encrypted frames (3.2, 4.5, 4.6). */
import { Handshake } from "@sluice/core"
import { Curve, entropy } from "@sluice/noise"
import { Common, Frame } from "@sluice/protocol"
import type { Duplex } from "@sluice/transport"
import { Effect, Option } from "effect"
import { type Kit, type Rule, serverRule } from "../rule.ts"
import { expectThat, setupFrame } from "./setup-session.ts"
import { lastBitFlipped, oneByteAtATime } from "../wire.ts"
import { RuleSkipped } from "../verdict.ts"

const rule = serverRule("common")

export const wireRules: ReadonlyArray<Rule> = [
  rule(
    "frames.in-pieces",
    "3.2",
    "The server reads bytes that come one at a time, in the handshake and after it",
    (kit) =>
      Effect.gen(function* () {
        const peer = yield* kit.connectWith(oneByteAtATime)
        yield* peer.send(setupFrame(kit))
        yield* peer.expect(Common.SetupConnectionSuccess)
      })
  ),

  rule("frames.too-long", "3.2", "The server does not act on the first bytes of a frame that claims 16 MB", (kit) =>
    Effect.gen(function* () {
      const peer = yield* kit.connect
      const frame = setupFrame(kit)
      frame.fill(0xff, 3, 6)
      if (kit.encrypted) yield* peer.send(withPayloadOf(frame, Frame.maxPayload))
      else yield* peer.send(frame)
      const answer = yield* peer.maybe(Common.SetupConnectionSuccess, Common.SetupConnectionError)
      yield* expectThat(answer?._tag !== "SetupConnection.Success", "no Success", "SetupConnection.Success")
      if (yield* peer.ends) return
      return yield* new RuleSkipped({
        why: "the server does not limit frames before the setup: it waits for the rest"
      })
    })
  ),

  rule(
    "frames.bad-tag",
    "4.6",
    "The server does not answer a frame that was changed on the way, and ends the connection",
    (kit) =>
      Effect.gen(function* () {
        yield* onlyEncrypted(kit)
        const peer = yield* kit.connect
        peer.wire.alter(lastBitFlipped)
        yield* peer.send(setupFrame(kit))
        yield* peer.expectEnd
        const answered = peer.seen.length > 0
        yield* expectThat(!answered, "no answer", "a frame")
      })
  ),

  rule("frames.garbage", "4.6", "The server ends the connection on bytes that are not encrypted", (kit) =>
    Effect.gen(function* () {
      yield* onlyEncrypted(kit)
      const peer = yield* kit.connect
      peer.wire.alter((bytes) => [new Uint8Array(bytes.length).fill(0x55)])
      yield* peer.send(setupFrame(kit))
      yield* peer.expectEnd
    })
  ),

  rule(
    "noise.act-size",
    "4.5.2",
    "The server answers act 1 with the 234 bytes of act 2, once the last byte of act 1 is there",
    (kit) =>
      Effect.gen(function* () {
        yield* onlyEncrypted(kit)
        const duplex = yield* kit.connectRaw
        const act1 = yield* makeAct1
        yield* Effect.ignore(duplex.write(() => act1.slice(0, Handshake.ACT1_SIZE - 1)))
        const early = yield* read(duplex, 1, kit.quietMs)
        yield* expectThat(early.length === 0, "nothing before the 64th byte", `${early.length} bytes`)
        yield* Effect.ignore(duplex.write(() => act1.slice(Handshake.ACT1_SIZE - 1)))
        const act2 = yield* read(duplex, Handshake.ACT2_SIZE, kit.answerMs)
        yield* expectThat(act2.length === Handshake.ACT2_SIZE, `${Handshake.ACT2_SIZE} bytes`, `${act2.length}`)
      })
  ),

  rule("noise.required", "4", "A server with Noise does not serve a client without Noise", (kit) =>
    Effect.gen(function* () {
      yield* onlyEncrypted(kit)
      const duplex = yield* kit.connectRaw
      yield* Effect.ignore(duplex.write(() => setupFrame(kit, { vendor: "Sluice, which speaks without Noise here" })))
      const answer = Frame.read(yield* read(duplex, Frame.headerSize, kit.quietMs))
      const isSuccess = answer?.extensionType === 0 && answer.messageType === Common.SetupConnectionSuccess.type
      yield* expectThat(!isSuccess, "no SetupConnection.Success in plain", "one")
    })
  ),

  rule("setup.once", "3.6.1", "The server does not accept a second SetupConnection on a connection", (kit) =>
    Effect.gen(function* () {
      const peer = yield* kit.connect
      yield* peer.send(setupFrame(kit))
      yield* peer.expect(Common.SetupConnectionSuccess)
      yield* peer.send(setupFrame(kit))
      yield* peer.expectNone(Common.SetupConnectionSuccess)
    })
  )
]

const onlyEncrypted = (kit: Kit): Effect.Effect<void, RuleSkipped> =>
  kit.encrypted ? Effect.void : Effect.fail(new RuleSkipped({ why: "the server is checked without Noise" }))

/** The frame with a payload of this size, so that its header and its length agree and it can be encrypted. */
const withPayloadOf = (frame: Uint8Array, size: number): Uint8Array => {
  const longer = new Uint8Array(Frame.headerSize + size)
  longer.set(frame)
  return longer
}

/** Act 1 of a handshake: an ephemeral key as an initiator sends it. */
const makeAct1 = Effect.gen(function* () {
  const curve = yield* Curve.Curve
  const random = yield* entropy
  const act1 = new Uint8Array(Handshake.ACT1_SIZE)
  return curve.createEllSwift(random(32), random(32), act1, 0) ? act1 : yield* Effect.die(new Error("no ephemeral key"))
})

/** Reads until `size` bytes have come, the connection ends, or the time has passed. */
const read = Effect.fnUntraced(function* (
  duplex: Duplex,
  size: number,
  withinMs: number
): Effect.fn.Return<Uint8Array> {
  const chunks: Array<Uint8Array> = []
  let length = 0
  const pull = Effect.gen(function* () {
    while (length < size) {
      for (const chunk of yield* duplex.pull) {
        chunks.push(chunk)
        length += chunk.length
      }
    }
  })
  yield* pull.pipe(Effect.ignore, Effect.timeoutOption(withinMs), Effect.map(Option.isSome))
  return new Uint8Array(Buffer.concat(chunks))
})
