/**
 * Frames over Noise NX (specification, sections 4.5 and 4.6): the handshake of core's `Initiator` and `Responder` over a
 * `Duplex`, then every frame encrypted.
 *
 * A handshake costs a responder half a millisecond of computing (in WebAssembly; eight in JavaScript) and at most 64 bytes of
 * memory before it, and ends with its time limit whatever the peer does or leaves undone. Where many come at once peers
 * take turns (handshake-queue.ts), and threads help, if there are any (noise's `HandshakeWorkers`).
 */
import { CertificateBytes, type CipherState, FrameLayout, Handshake } from "@sluice/core"
import { AuthorityKey, CertificateAuthority, Curve, entropy, HandshakeWorkers } from "@sluice/noise"
import { Clock, Duration, Effect, Layer, Redacted } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { Dialer, type Duplex, Listener } from "./duplex.ts"
import { DialError } from "./error.ts"
import { FrameDialer, type FrameDuplex, FrameListener } from "./frame-duplex.ts"
import { FrameReader } from "./frame-reader.ts"
import { type FrameLimits, MAX_SETUP_PAYLOAD, overDuplex } from "./frame-stream.ts"
import { recognise } from "./other-protocol.ts"
import {
  CertificateNotValidNow,
  CertificateVersion,
  HandshakeError,
  HandshakeGarbage,
  HandshakeQueueFull,
  HandshakeTimeout,
  HandshakeTruncated,
  type Role,
  WrongAuthority
} from "./handshake-error.ts"
import { type HandshakeLane, makeHandshakeQueue } from "./handshake-queue.ts"
import { handshakeSeconds } from "./metrics.ts"

export interface ResponderOptions extends FrameLimits {
  /** How long a client may take for its part of the handshake; 10 seconds. */
  readonly handshakeTimeout?: Duration.Input
  /** Handshakes begun a second; more wait for their turn, or are refused where too many do. 1,000. */
  readonly maxHandshakesPerSecond?: number
}

export const defaultMaxHandshakesPerSecond = 1_000

export interface InitiatorOptions extends FrameLimits {
  /** How long a server may take for its part of the handshake; 10 seconds. */
  readonly handshakeTimeout?: Duration.Input
  /** How far this clock and the server's may be apart when the certificate's dates are checked; 10 seconds. */
  readonly clockTolerance?: Duration.Input
}

/** The server's side, with the certificates of a `CertificateAuthority`. */
export const responder = (
  options: ResponderOptions = {}
): Layer.Layer<FrameListener, never, Listener | CertificateAuthority> =>
  Layer.effect(
    FrameListener,
    Effect.gen(function* () {
      const { address, run, stopAccepting } = yield* Listener
      const respond = yield* makeRespond(options)
      return FrameListener.of({
        address,
        run: (handler) => run((duplex) => Effect.flatMap(respond(duplex), handler)),
        stopAccepting
      })
    })
  )

/** The client's side: dials addresses of the form `stratum2+tcp://HOST:PORT/KEY`. */
export const initiator = (options: InitiatorOptions = {}): Layer.Layer<FrameDialer, never, Dialer> =>
  Layer.effect(FrameDialer, makeDialer(options))

const makeRespond = Effect.fnUntraced(function* (options: ResponderOptions) {
  const { credentials } = yield* CertificateAuthority
  const curve = yield* Curve.Curve
  const random = yield* entropy
  const timeout = Duration.fromInputUnsafe(options.handshakeTimeout ?? "10 seconds")
  const workers = yield* HandshakeWorkers.HandshakeWorkers
  const queue = yield* makeHandshakeQueue({
    maxPerSecond: options.maxHandshakesPerSecond ?? defaultMaxHandshakesPerSecond,
    // A thread always has some more, also while the event loop is busy.
    ...(workers === undefined ? {} : { threads: { slots: workers.threads * 4, above: workers.above } })
  })
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()

  return Effect.fn("Noise.respond")(function* (duplex: Duplex) {
    const { act: act1, early } = yield* readAct(duplex, "responder", Handshake.ACT1_SIZE, timeout)
    const stranger = recognise(act1)
    // Any 64 bytes are a key to the curve, but 64 bytes of text are none: 10^-27 of all keys look like that.
    if (stranger !== "")
      return yield* failWith(duplex, new HandshakeGarbage({ role: "responder", what: "64 bytes", hint: stranger }))
    const begun = clock.monotonicTimeNanosUnsafe()
    const act2 = new Uint8Array(Handshake.ACT2_SIZE)
    const compute = Effect.fnUntraced(function* (lane: HandshakeLane) {
      const shown = yield* credentials
      const [ephemeralSecret, bytes] = [random(32), random(32)]
      const known =
        lane === "thread" && workers !== undefined
          ? yield* workers.exchange({ act1, ephemeralSecret, entropy: bytes, credentials: shown })
          : undefined
      const { certificate, staticKey, staticSecret } = shown
      const handshake = new Handshake.Responder(known ?? curve, Redacted.value(staticSecret), staticKey, certificate)
      return { handshake, code: handshake.respond(act1, 0, ephemeralSecret, bytes, act2, 0) }
    })
    const { code, handshake } = yield* Effect.catchTag(
      queue.run(duplex.remote.host, compute),
      "QueueFull",
      ({ waiting }) => failWith(duplex, new HandshakeQueueFull({ waiting }))
    )
    if (code !== Handshake.HANDSHAKE_OK) return yield* garbage(duplex, "responder", code, act1)
    yield* Effect.mapError(
      duplex.write(() => act2),
      truncated(duplex, "responder", act1, Handshake.ACT1_SIZE, Handshake.ACT1_SIZE)
    )
    handshakeSeconds.updateUnsafe(Number(clock.monotonicTimeNanosUnsafe() - begun) / 1e9, context)
    return encrypted(duplex, handshake, early, options)
  })
})

export const makeDialer = Effect.fnUntraced(function* (options: InitiatorOptions) {
  const dialer = yield* Dialer
  const curve = yield* Curve.Curve
  const random = yield* entropy
  const timeout = Duration.fromInputUnsafe(options.handshakeTimeout ?? "10 seconds")
  const toleranceSeconds = Math.floor(Duration.toSeconds(options.clockTolerance ?? "10 seconds"))

  return FrameDialer.of({
    dial: Effect.fn("Noise.dial")(function* (server) {
      if (server.security._tag !== "noise") return yield* new DialError({ endpoint: server, code: "SECURITY" })
      const { authorityKey } = server.security
      const duplex = yield* dialer.dial(server)
      const handshake = new Handshake.Initiator(curve)
      const act1 = new Uint8Array(Handshake.ACT1_SIZE)
      const started = handshake.start(random(32), random(32), act1, 0)
      if (started !== Handshake.HANDSHAKE_OK) return yield* Effect.die(new Error(`no ephemeral key: code ${started}`))
      yield* Effect.mapError(
        duplex.write(() => act1),
        truncated(duplex, "initiator", new Uint8Array(0), 0, Handshake.ACT2_SIZE)
      )
      const { act: act2, early } = yield* readAct(duplex, "initiator", Handshake.ACT2_SIZE, timeout)
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const code = handshake.finish(act2, 0, authorityKey, now, toleranceSeconds)
      if (code === Handshake.HANDSHAKE_OK) return encrypted(duplex, handshake, early, options)
      return yield* refusal(duplex, handshake.certificate, code, { act2, authorityKey, now, toleranceSeconds })
    })
  })
})

const encrypted = (
  duplex: Duplex,
  { receive, send }: Handshake.Initiator | Handshake.Responder,
  early: ReadonlyArray<Uint8Array>,
  limits: FrameLimits
): FrameDuplex =>
  overDuplex({
    duplex,
    reader: new FrameReader(receive, limits.maxSetupPayload ?? MAX_SETUP_PAYLOAD),
    early,
    seal: (frames) => seal(send, frames),
    limits
  })

/** All frames of one write, encrypted into one buffer, every byte of which is written. */
export const seal = (cipher: CipherState, frames: NonEmptyReadonlyArray<Uint8Array>): Uint8Array => {
  let size = 0
  for (const frame of frames) {
    size +=
      FrameLayout.ENCRYPTED_HEADER_SIZE +
      FrameLayout.encryptedPayloadLength(frame.length - FrameLayout.FRAME_HEADER_SIZE)
  }
  const pooled = Buffer.allocUnsafe(size)
  // No Buffer: a `slice` of that is a view, and who wants to keep or change what was sent gets no copy.
  const out = new Uint8Array(pooled.buffer, pooled.byteOffset, size)
  let at = 0
  for (const frame of frames) {
    const written = sealInto(cipher, frame, out, at)
    // After 2^64 frames: at a million a second, in half a million years.
    if (written < 0) throw new Error("the encryption key is used up")
    at += written
  }
  return out
}

/** From this size on a frame is copied in one go rather than in a loop: about 100 bytes cost as much as a view on them. */
const LARGE_FRAME = 128

const sealInto = (cipher: CipherState, frame: Uint8Array, out: Uint8Array, at: number): number => {
  if (frame.length < LARGE_FRAME) return cipher.sealFrame(frame, 0, out, at)
  out.set(frame.subarray(0, FrameLayout.FRAME_HEADER_SIZE), at)
  let to = at + FrameLayout.ENCRYPTED_HEADER_SIZE
  for (let from = FrameLayout.FRAME_HEADER_SIZE; from < frame.length; from += FrameLayout.MAX_BLOCK_PLAINTEXT) {
    out.set(frame.subarray(from, from + FrameLayout.MAX_BLOCK_PLAINTEXT), to)
    to += FrameLayout.MAX_BLOCK_PLAINTEXT + FrameLayout.MAC_SIZE
  }
  return cipher.sealPlaced(out, at, frame.length - FrameLayout.FRAME_HEADER_SIZE)
}

/** Reads the peer's act, of exactly `size` bytes; what came behind it is `early`. */
const readAct = Effect.fnUntraced(function* (duplex: Duplex, role: Role, size: number, timeout: Duration.Duration) {
  const act = new Uint8Array(size)
  let received = 0
  const read = Effect.gen(function* () {
    while (true) {
      const chunks = yield* duplex.pull
      const early: Array<Uint8Array> = []
      for (const chunk of chunks) {
        const part = chunk.subarray(0, size - received)
        act.set(part, received)
        received += part.length
        if (part.length < chunk.length) early.push(chunk.subarray(part.length))
      }
      if (received === size) return { act, early }
    }
  })
  return yield* read.pipe(
    Effect.mapError(() => truncated(duplex, role, act, received, size)()),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => {
        const hint = recognise(act.subarray(0, received))
        const seconds = Duration.toSeconds(timeout)
        return failWith(duplex, new HandshakeTimeout({ role, seconds, received, expected: size, hint }))
      }
    })
  )
})

const truncated =
  (duplex: Duplex, role: Role, act: Uint8Array, received: number, expected: number) => (): HandshakeError => {
    const hint = recognise(act.subarray(0, received))
    return new HandshakeError({
      remote: duplex.remote,
      reason: new HandshakeTruncated({ role, received, expected, hint })
    })
  }

const garbage = (duplex: Duplex, role: Role, code: number, act: Uint8Array) =>
  failWith(duplex, new HandshakeGarbage({ role, what: GARBAGE[code] ?? `code ${code}`, hint: recognise(act) }))

const GARBAGE: Readonly<Record<number, string>> = {
  [Handshake.HANDSHAKE_BAD_KEY]: "its key is none",
  [Handshake.HANDSHAKE_BAD_STATIC_KEY_TAG]: "the tag of its static key is wrong",
  [Handshake.HANDSHAKE_BAD_CERTIFICATE_TAG]: "the tag of its certificate is wrong"
}

/** Why the initiator does not go on. */
const refusal = (
  duplex: Duplex,
  certificate: Uint8Array,
  code: number,
  {
    act2,
    authorityKey,
    now,
    toleranceSeconds
  }: {
    readonly act2: Uint8Array
    readonly authorityKey: Uint8Array
    readonly now: number
    readonly toleranceSeconds: number
  }
) => {
  switch (code) {
    case Handshake.HANDSHAKE_BAD_SIGNATURE:
      return failWith(duplex, new WrongAuthority({ authorityKey: AuthorityKey.formatPublicKey(authorityKey) }))
    case Handshake.HANDSHAKE_NOT_YET_VALID:
    case Handshake.HANDSHAKE_EXPIRED: {
      const validFrom = CertificateBytes.certificateValidFrom(certificate, 0) >>> 0
      const notValidAfter = CertificateBytes.certificateNotValidAfter(certificate, 0) >>> 0
      return failWith(duplex, new CertificateNotValidNow({ validFrom, notValidAfter, now, toleranceSeconds }))
    }
    case Handshake.HANDSHAKE_CERTIFICATE_VERSION:
      return failWith(duplex, new CertificateVersion({ version: CertificateBytes.certificateVersion(certificate, 0) }))
    default:
      return garbage(duplex, "initiator", code, act2)
  }
}

const failWith = (duplex: Duplex, reason: HandshakeError["reason"]): Effect.Effect<never, HandshakeError> =>
  Effect.fail(new HandshakeError({ remote: duplex.remote, reason }))
