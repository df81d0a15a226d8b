/**
 * Handshakes with the crates in both roles: with the fixed keys of the vectors, which must give the same bytes, and with fresh keys
 * between our transport and the crates' codec over TCP, followed by frames in both directions.
 */
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Frame } from "@sluice/protocol"
import { FrameDialer, type FrameDuplex, FrameListener, Noise, Tcp } from "@sluice/transport"
import { Deferred, Effect, Layer, Redacted } from "effect"
import { createHash } from "node:crypto"
import { expandHex } from "@sluice/testing/compact-json"
import { makeRefusals } from "@sluice/testing/handshake-vectors"
import vectors from "../../packages/conformance/vectors/handshake.json" with { type: "json" }
import type { Explained } from "./differences.ts"
import { MESSAGES, type Plan, type Tally } from "./messages.ts"
import { Random, randomMessage } from "./random-message.ts"

/** The handshake whose encodings are those that the crates make; they draw none at random. */
const REPRODUCED = "encodings as libsecp256k1 makes them without randomness"

const hex = (digits: string): Buffer => Buffer.from(digits, "hex")
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** Compares the vector's transcript with the crates', and checks that the crates refuse the invalid act 2's. */
export const fixedKeys = async ({ peer }: Plan): Promise<{ readonly refused: number } & Explained> => {
  const vector = vectors.handshakes.find(({ title }) => title === REPRODUCED)!
  const { certificate, ...inputs } = vector.inputs
  const { frames } = vector
  const initiatorSecret = hex(inputs.initiatorEphemeralSecret)
  const authorityKey = hex(vector.authorityPublicKey)
  const came = await peer.demand(
    5,
    initiatorSecret,
    hex(inputs.responderEphemeralSecret),
    hex(inputs.responderStaticSecret),
    hex(inputs.authoritySecret),
    authorityKey,
    u32(certificate.validFrom),
    u32(certificate.notValidAfter - certificate.validFrom),
    ...frames.flatMap(({ from, plain }) => {
      const frame = expandHex(plain)
      return [Uint8Array.of(from === "initiator" ? 0 : 1), u32(frame.length), frame]
    })
  )
  let at = 0
  const expectNext = (what: string, bytes: Uint8Array): void => {
    const part = came.subarray(at, (at += bytes.length))
    if (Buffer.compare(part, bytes) === 0) return
    throw new Error(
      `${what}: the crates' is ${part.toString("hex")}, the vector's ${Buffer.from(bytes).toString("hex")}`
    )
  }
  expectNext("act 1", hex(vector.act1))
  expectNext("act 2", hex(vector.act2))
  for (const [index, { wireLength, ...expected }] of frames.entries()) {
    const what = `encrypted frame ${index}`
    expectNext(`the length of ${what}`, u32(wireLength))
    if ("wire" in expected && expected.wire !== undefined) expectNext(what, hex(expected.wire))
    else {
      const digest = createHash("sha256")
        .update(came.subarray(at, (at += wireLength)))
        .digest("hex")
      if (digest !== expected.wireSha256) throw new Error(`${what} hashes to ${digest}, not ${expected.wireSha256}`)
    }
  }

  const explained = new Map<string, number>()
  const takes = (authority: Uint8Array, now: number, act2: Uint8Array) =>
    peer.ask(9, initiatorSecret, authority, u32(now), act2)
  const good = await takes(authorityKey, certificate.validFrom, hex(vector.act2))
  if (good._tag !== "Done") throw new Error(`the crates do not take a good act 2: ${good.why}`)
  const refusals = makeRefusals(vector.inputs)
  for (const { act2, authorityPublicKey, error, now, title } of refusals) {
    const answer = await takes(hex(authorityPublicKey), now, hex(act2))
    if (answer._tag === "Refused") continue
    // The crates tolerate ten seconds between clocks; the vectors assume no tolerance.
    const isDate = error === "not-yet-valid" || error === "expired"
    if (answer._tag === "Panicked" || !isDate) throw new Error(`${title}: the crates have ${answer._tag}`)
    explained.set("dates of a certificate", (explained.get("dates of a certificate") ?? 0) + 1)
  }
  return { refused: refusals.length - (explained.get("dates of a certificate") ?? 0), explained }
}

/** Payloads around the edges of the blocks that are encrypted one by one (4.6), and the longest. */
const LENGTHS = [0, 1, 65_518, 65_519, 65_520, 131_038, 131_039, Frame.maxPayload]

/** An unknown extension: the crates send such frames back unchanged. */
const frameOf = (random: Random, length: number): Uint8Array => {
  const frame = Buffer.alloc(Frame.headerSize + length)
  frame.writeUInt16LE(0x4abc, 0)
  frame.writeUIntLE(length, 3, 3)
  frame.set(random.bytes(length), Frame.headerSize)
  return frame
}

/** One frame of each message, and in the first handshakes of a role frames with edge lengths. */
const framesOf = (random: Random, withLengths: boolean): ReadonlyArray<Uint8Array> => [
  ...[...MESSAGES.values()].map((message) => message.codec.encode(randomMessage(random, message, false))),
  ...(withLengths ? LENGTHS : LENGTHS.slice(0, 2)).map((length) => frameOf(random, length))
]

/** Sends the frames, and takes the same ones back. */
const exchange = Effect.fnUntraced(function* (duplex: FrameDuplex, sent: ReadonlyArray<Uint8Array>) {
  duplex.limitPayload(Frame.maxPayload)
  const receive = Effect.gen(function* () {
    for (let at = 0; at < sent.length;) {
      for (const { extensionType, messageType, payload } of yield* duplex.pull) {
        const frame = sent[at++]
        const head = frame && Buffer.from(frame).readUInt16LE(0)
        const isSame =
          head === extensionType &&
          frame![2] === messageType &&
          !Buffer.compare(payload, frame!.subarray(Frame.headerSize))
        if (!isSame) return yield* Effect.die(new Error(`frame ${at - 1} of type ${messageType} came back as another`))
      }
    }
  })
  const send = Effect.forEach(sent, (frame) => duplex.write([frame]), { discard: true })
  yield* Effect.all([receive, send], { concurrency: 2, discard: true })
})

const LOCAL = "127.0.0.1"

/** We dial, the crates respond. */
const asInitiator = Effect.fnUntraced(function* ({ peer }: Plan, frames: ReadonlyArray<Uint8Array>) {
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const port = (yield* Effect.promise(() => peer.demand(6, Redacted.value(secretKey), publicKey))).readUInt16LE(0)
  const { dial } = yield* FrameDialer
  const security = { _tag: "noise", authorityKey: publicKey } as const
  yield* Effect.scoped(Effect.flatMap(dial({ host: LOCAL, port, security }), (duplex) => exchange(duplex, frames)))
})

/** The crates dial, we respond. */
const asResponder = Effect.fnUntraced(function* ({ peer }: Plan, frames: ReadonlyArray<Uint8Array>) {
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const listener = Noise.responder().pipe(
    Layer.provide(CertificateAuthority.layer({ secretKey })),
    Layer.provide(Tcp.listener({ host: LOCAL, port: 0 }))
  )
  const serveOne = Effect.gen(function* () {
    const { address, run } = yield* FrameListener
    const done = yield* Deferred.make<void, unknown>()
    yield* Effect.forkScoped(run((duplex) => Deferred.into(exchange(duplex, frames), done)))
    const port = Buffer.alloc(2)
    port.writeUInt16LE(address.port)
    yield* Effect.promise(() => peer.demand(7, port, publicKey))
    yield* Effect.timeout(Deferred.await(done), "30 seconds")
  })
  yield* Effect.scoped(Effect.provide(serveOne, listener))
})

/** Runs this many handshakes in each role, all with fresh keys. */
export const overTcp = async (plan: Plan, handshakes: number): Promise<Tally> => {
  const tally = { messages: 0, bytes: 0 }
  const random = new Random(plan.seed)
  const dialer = Noise.initiator().pipe(Layer.provide(Tcp.dialer))
  for (const role of [asInitiator, asResponder]) {
    for (let done = 0; done < handshakes; done++) {
      const frames = framesOf(random, done === 0)
      await Effect.runPromise(Effect.provide(role(plan, frames), dialer))
      const returned = (await plan.peer.demand(8)).readUInt32LE(0)
      if (returned !== frames.length) throw new Error(`the crates saw ${returned} of ${frames.length} frames`)
      tally.messages += frames.length
      tally.bytes += frames.reduce((sum, { length }) => sum + length, 0)
    }
  }
  return tally
}
