/** Peers that break the rules, over real sockets: each ends only its own connection, with a reason in the log. */
import { assert, describe, it } from "@effect/vitest"
import { FrameLayout, Handshake } from "@sluice/core"
import { Certificate, CertificateAuthority, type Credentials, Curve, entropy, AuthorityKey } from "@sluice/noise"
import { Mining } from "@sluice/protocol"
import {
  Dialer,
  type Duplex,
  type Endpoint,
  type ListenError,
  MiningDialer,
  MiningListener,
  Noise,
  Setup,
  Tcp
} from "@sluice/transport"
import { Effect, Layer, Redacted, type Scope, Stream } from "effect"
import * as Net from "node:net"
import { setupFrame } from "@sluice/testing/setup-frame"
import { seal as sealFrames } from "../src/noise/seal.ts"
import { authorityKey, logTo, noise, secretKey, strangerKey } from "./fixture.ts"

const SETUP = setupFrame({ vendor: "hostile" })
const CLOSE = Mining.CloseChannel.make({ channelId: 1, reasonCode: "" })
const MESSAGE = Mining.CloseChannel.codec.encode(CLOSE)

const authority = CertificateAuthority.layer({ secretKey })

const layers = (
  options: Noise.ResponderOptions & Setup.ServerOptions = {},
  certificates: Layer.Layer<CertificateAuthority> = authority
): Layer.Layer<MiningListener | MiningDialer | Dialer, ListenError> =>
  Layer.merge(
    Setup.server(MiningListener, options).pipe(
      Layer.provide(Noise.responder(options)),
      Layer.provide(certificates),
      Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
    ),
    Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provideMerge(Tcp.dialer))
  )

/** Answers every message with a Reconnect. */
const serve = Effect.gen(function* () {
  const { address, run } = yield* MiningListener
  yield* Effect.forkScoped(
    run((connection) =>
      Stream.runForEachArray(connection.receive, (batch) =>
        connection.send(batch.map(() => ({ _tag: "Reconnect", newHost: "", newPort: 0 })))
      )
    )
  )
  return address
})

/** Checks that a client that keeps the rules gets its answer. */
const isServed = Effect.fnUntraced(function* (address: Endpoint) {
  const client = yield* (yield* MiningDialer).dial({ ...address, security: noise })
  yield* client.send([CLOSE])
  assert.strictEqual((yield* client.receive.pipe(Stream.take(1), Stream.runCollect)).length, 1)
}, Effect.scoped)

const connect = (address: Endpoint) => Effect.flatMap(Dialer, (dialer) => dialer.dial(address))

/** Does the handshake by hand, so that any bytes can follow it. */
const handshake = Effect.fnUntraced(function* (address: Endpoint) {
  const duplex = yield* connect(address)
  const random = yield* entropy
  const initiator = new Handshake.Initiator(yield* Curve.Curve)
  const act1 = new Uint8Array(64)
  initiator.start(random(32), random(32), act1, 0)
  yield* duplex.write(() => act1)
  const act2 = yield* readBytes(duplex, Handshake.ACT2_SIZE)
  const now = Math.floor(Date.now() / 1000)
  assert.strictEqual(initiator.finish(act2, 0, authorityKey, now, 10), Handshake.HANDSHAKE_OK)
  const seal = (frame: Uint8Array) => sealFrames(initiator.send, [frame])
  /** A header that announces this many bytes, without the bytes. */
  const claim = (length: number) => {
    const header = new Uint8Array(22)
    FrameLayout.writeFrameHeader(header, 0, 0, 0, length)
    initiator.send.encryptWithAd(header, 0, 0, header, 0, 6)
    return header
  }
  return { duplex, seal, claim }
})

const handshakeAndSetup = Effect.fnUntraced(function* (address: Endpoint) {
  const peer = yield* handshake(address)
  yield* peer.duplex.write(() => peer.seal(SETUP))
  yield* readBytes(peer.duplex, 22 + 6 + 16)
  return peer
})

const readBytes = (duplex: Duplex, size: number) =>
  Effect.gen(function* () {
    const chunks: Array<Uint8Array> = []
    for (let have = 0; have < size;) {
      for (const chunk of yield* duplex.pull) {
        chunks.push(chunk)
        have += chunk.length
      }
    }
    return new Uint8Array(Buffer.concat(chunks))
  })

/** Waits until the server ends the connection. */
const untilEnded = (duplex: Duplex) => Effect.ignore(Effect.forever(duplex.pull))

const changed = (bytes: Uint8Array, at: number): Uint8Array => {
  bytes[at]! ^= 1
  return bytes
}

const noiseOf = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0, x = 12345; i < size; i++) bytes[i] = (x = (Math.imul(x, 1103515245) + 12345) | 0) >> 16
  return bytes
}

/** The name of an attack, the attack, and the log line about its end. */
const attacks: ReadonlyArray<
  readonly [
    name: string,
    attack: (address: Endpoint) => Effect.Effect<void, unknown, Dialer | Scope.Scope>,
    reason: RegExp
  ]
> = [
  [
    "sends a SetupConnection that was changed on the way",
    Effect.fnUntraced(function* (address) {
      const { duplex, seal } = yield* handshake(address)
      yield* duplex.write(() => changed(seal(SETUP), 30))
      yield* untilEnded(duplex)
    }),
    /Info .* ended: the first bytes after the handshake do not decrypt/
  ],
  [
    "sends a message whose header was changed on the way",
    Effect.fnUntraced(function* (address) {
      const { duplex, seal } = yield* handshakeAndSetup(address)
      yield* duplex.write(() => changed(seal(MESSAGE), 3))
      yield* untilEnded(duplex)
    }),
    /Info .* ended: frame 2: its header does not decrypt/
  ],
  [
    "sends a message whose tag was changed on the way",
    Effect.fnUntraced(function* (address) {
      const { duplex, seal } = yield* handshakeAndSetup(address)
      yield* duplex.write(() => {
        const bytes = seal(MESSAGE)
        return changed(bytes, bytes.length - 1)
      })
      yield* untilEnded(duplex)
    }),
    /Info .* ended: frame 2: its payload does not decrypt/
  ],
  [
    "ends the connection in the middle of the handshake",
    (address) => Effect.scoped(Effect.flatMap(connect(address), (duplex) => duplex.write(() => noiseOf(40)))),
    /Info .* ended: Noise handshake .*: the client ended the connection after 40 of the handshake's 64 bytes/
  ],
  [
    "connects and closes the connection",
    (address) => Effect.scoped(Effect.asVoid(connect(address))),
    /Debug .* ended: .* after 0 of the handshake's 64 bytes/
  ],
  [
    "sends garbage in place of the handshake",
    Effect.fnUntraced(function* (address) {
      const duplex = yield* connect(address)
      yield* duplex.write(() => noiseOf(5000))
      yield* untilEnded(duplex)
    }),
    /Info .* ended: the first bytes after the handshake do not decrypt/
  ],
  [
    "sends the request of another protocol in place of the handshake",
    Effect.fnUntraced(function* (address) {
      const duplex = yield* connect(address)
      const request = '{"id":1,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.9.0"]}\n'
      yield* duplex.write(() => new TextEncoder().encode(request))
      yield* untilEnded(duplex)
    }),
    /Info .* ended: .* it seems to speak Stratum V1/
  ],
  [
    "announces 16 MB for its first frame",
    Effect.fnUntraced(function* (address) {
      const { claim, duplex } = yield* handshake(address)
      yield* duplex.write(() => claim(0xffffff))
      yield* untilEnded(duplex)
    }),
    /Info .* ended: the peer sent a frame .* of 16777215 bytes; at most 4096/
  ],
  [
    "announces 16 MB for a later frame, and sends them",
    Effect.fnUntraced(function* (address) {
      const { claim, duplex } = yield* handshakeAndSetup(address)
      yield* duplex.write(() => claim(0xffffff))
      const bytes = noiseOf(100_000)
      yield* Effect.ignore(Effect.forEach(Array.from({ length: 160 }), () => duplex.write(() => bytes)))
      yield* untilEnded(duplex)
    }),
    /Info .* ended: the peer sent a frame .* of 16777215 bytes; at most 75298 are allowed here$/
  ],
  [
    "sends nothing",
    Effect.fnUntraced(function* (address) {
      yield* untilEnded(yield* connect(address))
    }),
    /Info .* ended: .*the client sent 0 of the handshake's 64 bytes within 0.5 s/
  ],
  [
    "sends its part of the handshake a byte at a time",
    Effect.fnUntraced(function* (address) {
      const duplex = yield* connect(address)
      const drip = duplex
        .write(() => Uint8Array.of(0x80))
        .pipe(Effect.andThen(Effect.sleep(20)), Effect.forever, Effect.ignore)
      yield* Effect.raceFirst(drip, untilEnded(duplex))
    }),
    /Info .* ended: .*the client sent \d+ of the handshake's 64 bytes within 0.5 s/
  ],
  [
    "sends nothing after the handshake",
    Effect.fnUntraced(function* (address) {
      const { duplex } = yield* handshake(address)
      yield* untilEnded(duplex)
    }),
    /Info .* ended: SetupConnection with .*: the client sent no SetupConnection within 0.5 s/
  ]
]

const LIMITS = { handshakeTimeout: "500 millis", setupTimeout: "500 millis" } as const

describe("a server over TCP with Noise continues to serve when a client", () => {
  it.live.each(attacks.map(([name, attack, reason]) => ({ name, attack, reason })))("$name", ({ attack, reason }) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const address = yield* serve
        const before = process.memoryUsage().arrayBuffers
        yield* isServed(address)
        // Another client, whose connection stays open.
        const neighbour = yield* (yield* MiningDialer).dial({ ...address, security: noise })
        yield* attack(address)
        yield* neighbour.send([CLOSE])
        assert.strictEqual((yield* neighbour.receive.pipe(Stream.take(1), Stream.runCollect)).length, 1)
        yield* isServed(address)
        assert.isBelow(process.memoryUsage().arrayBuffers - before, 8_000_000)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(layers(LIMITS), logTo(lines))))
      // All other clients only closed their connections.
      const ends = lines.filter((line) => !/^Debug .* ended: the peer closed the connection$/.test(line))
      assert.strictEqual(ends.length, 1, ends.join("\n"))
      assert.match(ends[0]!, reason, ends[0])
    })
  )

  it.live("is one of a hundred that break the rules at once", () =>
    Effect.gen(function* () {
      const address = yield* serve
      yield* Effect.forEach(
        Array.from({ length: 100 }),
        (_, i) => Effect.scoped(Effect.ignore(attacks[[2, 3, 5, 6, 9, 10][i % 6]!]![1](address))),
        { concurrency: "unbounded" }
      )
      yield* isServed(address)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(layers(LIMITS), logTo([]))))
  )
})

describe("a client over TCP with Noise", () => {
  const dial = (address: Endpoint, key = authorityKey) =>
    Effect.flatMap(MiningDialer, ({ dial }) => dial({ ...address, security: { _tag: "noise", authorityKey: key } }))

  it.live("refuses a server of another authority, which continues to serve", () =>
    Effect.gen(function* () {
      const address = yield* serve
      yield* isServed(address)
      const error = yield* Effect.flip(Effect.scoped(dial(address, strangerKey)))
      assert.strictEqual(error._tag === "HandshakeError" && error.reason._tag, "WrongAuthority")
      yield* isServed(address)
    }).pipe(Effect.scoped, Effect.provide(layers()))
  )

  it.live("refuses a server whose certificate expired", () =>
    Effect.gen(function* () {
      const now = Math.floor(Date.now() / 1000)
      const address = yield* serve.pipe(
        Effect.provide(yield* Layer.build(layers({}, fixedCertificate(now - 7200, now - 3600))))
      )
      const error = yield* Effect.flip(Effect.scoped(dial(address)))
      assert.strictEqual(error._tag === "HandshakeError" && error.reason._tag, "CertificateNotValidNow")
      assert.match(error.message, /expired at .* \(360\d s too late, 10 s are tolerated\); check the clocks/)
    }).pipe(Effect.scoped, Effect.provide(layers()))
  )

  it.live("refuses bytes that were changed on the way", () =>
    Effect.gen(function* () {
      const server = yield* serve
      // A relay changes every byte to the client from the 300th on, which is after the handshake.
      const relay = Net.createServer((client) => {
        const upstream = Net.connect(server)
        let seen = 0
        client.pipe(upstream)
        upstream.on("data", (data: Buffer) => {
          for (let i = 0; i < data.length; i++) if (seen++ >= 240) data[i]! ^= 1
          client.write(data)
        })
        for (const socket of [client, upstream])
          socket.on("error", () => {}).on("close", () => (client.destroy(), upstream.destroy()))
      })
      yield* Effect.promise(() => new Promise<void>((done) => void relay.listen(0, "127.0.0.1", done)))
      const { port } = relay.address() as Net.AddressInfo
      const error = yield* Effect.flip(Effect.scoped(dial({ host: "127.0.0.1", port })))
      relay.close()
      assert.strictEqual(error._tag === "TransportError" && error.reason._tag, "Undecryptable")
      yield* isServed(server)
    }).pipe(Effect.scoped, Effect.provide(layers()))
  )
})

const fixedCertificate = (validFrom: number, notValidAfter: number): Layer.Layer<CertificateAuthority> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const curve = yield* Curve.Curve
      const random = yield* entropy
      const { secretKey: staticSecret } = yield* AuthorityKey.generate
      const staticKey = new Uint8Array(64)
      curve.createEllSwift(Redacted.value(staticSecret), random(32), staticKey, 0)
      const certificate = Certificate.sign({
        staticKey: AuthorityKey.publicKeyOf(staticSecret),
        validFrom,
        notValidAfter,
        authoritySecretKey: secretKey,
        auxiliary: random(32)
      })
      const credentials: Credentials = {
        staticSecret,
        staticKey,
        certificate: Certificate.encode(certificate),
        validFrom,
        notValidAfter
      }
      return CertificateAuthority.layerFixed(credentials)
    })
  )
