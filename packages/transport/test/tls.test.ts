/** TLS over real sockets, at both ends. */
import { assert, describe, it } from "@effect/vitest"
import { type CertificateRequest, makeCertificate, type TestCertificate } from "@sluice/testing/certificate"
import { Dialer, type Duplex, Listener, Tcp, Tls } from "@sluice/transport"
import { Deferred, Effect, Layer, Queue, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeTls from "node:tls"
import { logTo } from "./fixture.ts"

const HERE = { host: "127.0.0.1", port: 0 }

/** Files with a certificate and its key, in a folder of their own. */
const filesOf = Effect.fnUntraced(function* ({ certificate, key }: TestCertificate) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "sluice-tls-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const files = { certificate: join(folder, "certificate.pem"), key: join(folder, "key.pem") }
  yield* Effect.promise(() => Promise.all([writeFile(files.certificate, certificate), writeFile(files.key, key)]))
  return files
})

/** Serves with TLS; by default each chunk is sent back. */
const serve = Effect.fnUntraced(function* (
  tls: Tls.ServerCertificate & Tls.ServerHandshakeOptions,
  options: Partial<Tcp.ListenerOptions> = {},
  handler: (duplex: Duplex) => Effect.Effect<void, unknown, Scope.Scope> = echo
) {
  const { address, run } = yield* Effect.provide(
    Listener,
    yield* Layer.build(Tcp.listener({ ...HERE, ...options, tls }))
  )
  yield* Effect.forkScoped(run(handler))
  return address
})

const echo = (duplex: Duplex) => Effect.forever(Effect.flatMap(duplex.pull, ([chunk]) => duplex.write(() => chunk)))

const certificateOf = (pair: TestCertificate) => Effect.flatMap(filesOf(pair), Tls.serverCertificate)

const dialWith = (trust: Tls.TrustOptions, address: Listener["Service"]["address"]) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Tcp.dialerWith({ trust: Result.getOrThrow(Tls.serverTrust(trust)) }))
    const { dial } = yield* Effect.provide(Dialer, context)
    return yield* dial({ ...address, security: { _tag: "v1", tls: true } })
  })

const ask = Effect.fnUntraced(function* (duplex: Duplex, bytes: Uint8Array) {
  yield* duplex.write(() => bytes)
  const answer: Array<Uint8Array> = []
  while (answer.reduce((sum, { length }) => sum + length, 0) < bytes.length) answer.push(...(yield* duplex.pull))
  return new Uint8Array(Buffer.concat(answer))
})

/** Lets real time pass until the log has a line. */
const logged = (lines: ReadonlyArray<string>, text: string): Effect.Effect<string> =>
  Effect.suspend(() => {
    const line = lines.find((line) => line.includes(text))
    if (line !== undefined) return Effect.succeed(line)
    return Effect.flatMap(
      Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5))),
      () => logged(lines, text)
    )
  })

const quiet = Effect.provide(logTo([]))

describe("TLS", () => {
  it.live("carries bytes both ways, each chunk in a buffer of its own", () =>
    Effect.gen(function* () {
      const pair = makeCertificate()
      const address = yield* serve(yield* certificateOf(pair))
      const client = yield* dialWith({ authorities: [pair.certificate] }, address)
      const seen: Array<Uint8Array> = []
      for (let i = 0; i < 20; i++) {
        seen.push(yield* ask(client, new Uint8Array(3).fill(i)))
        seen.at(-2)?.fill(99)
      }
      assert.deepStrictEqual(seen.at(-1), new Uint8Array(3).fill(19))
      const long = new Uint8Array(300_000).map((_, i) => i)
      assert.deepStrictEqual(yield* ask(client, long), long)
    }).pipe(Effect.scoped, quiet)
  )

  it.live("delivers everything that was written before the Scope closed", () =>
    Effect.gen(function* () {
      const address = yield* serve(yield* certificateOf(makeCertificate()), {}, (duplex) =>
        duplex.write(() => new Uint8Array(3_000_000))
      )
      const client = yield* dialWith({ insecure: true }, address)
      let size = 0
      const end = yield* Effect.flip(
        Effect.forever(Effect.map(client.pull, (chunks) => chunks.forEach(({ length }) => (size += length))))
      )
      assert.strictEqual(size, 3_000_000)
      assert.strictEqual(end.reason._tag, "Closed")
    }).pipe(Effect.scoped, quiet)
  )

  it.live("counts the bytes that a peer does not read, as without TLS", () =>
    Effect.gen(function* () {
      const reason = yield* Deferred.make<string>()
      const write = (duplex: Duplex) =>
        Effect.forever(
          Effect.andThen(
            duplex.write(() => new Uint8Array(1024)),
            Effect.yieldNow
          )
        ).pipe(Effect.catch((error) => Deferred.succeed(reason, error.reason._tag)))
      const address = yield* serve(yield* certificateOf(makeCertificate()), { maxUnreadBytes: 4096 }, write)
      const socket = NodeTls.connect({ ...address, rejectUnauthorized: false }).on("error", () => {})
      socket.pause()
      assert.strictEqual(yield* Deferred.await(reason), "TooMuchUnread")
      socket.destroy()
    }).pipe(Effect.scoped, quiet)
  )
})

describe("a TLS client", () => {
  const trusted = makeCertificate()
  const authority = makeCertificate({ names: ["authority.example"] })
  const outcome = (request: CertificateRequest, trust: Tls.TrustOptions) =>
    Effect.gen(function* () {
      const pair = request.issuer === undefined && request.names === undefined ? trusted : makeCertificate(request)
      const address = yield* serve(yield* certificateOf(pair))
      return yield* Effect.match(dialWith(trust, address), {
        onFailure: ({ message }) => message,
        onSuccess: () => "connected"
      })
    }).pipe(Effect.scoped, quiet)
  const DAY = 86_400_000
  const ago = (days: number) => new Date(Date.now() - days * DAY)
  const names = ["127.0.0.1"]

  it.live.each([
    [
      "trusts a certificate of an authority that it was given",
      { issuer: authority },
      { authorities: [authority.certificate] },
      "connected"
    ],
    ["trusts a server by the fingerprint of its certificate", {}, { fingerprints: [trusted.fingerprint] }, "connected"],
    ["trusts every server if it is insecure", {}, { insecure: true }, "connected"],
    [
      "refuses a certificate of an unknown authority",
      { issuer: authority },
      {},
      "not of an authority that is trusted here"
    ],
    ["refuses a certificate that signs itself", {}, {}, "not of an authority that is trusted here"],
    [
      "refuses a certificate for another name",
      { names: ["pool.example"], issuer: authority },
      { authorities: [authority.certificate] },
      "for other names, not for this host"
    ],
    [
      "refuses a certificate that has expired",
      { names, issuer: authority, from: ago(9), to: ago(2) },
      { authorities: [authority.certificate] },
      "has expired"
    ],
    [
      "refuses a certificate that is not valid yet",
      { names, issuer: authority, from: ago(-2), to: ago(-9) },
      { authorities: [authority.certificate] },
      "not valid yet"
    ],
    [
      "refuses a certificate with another fingerprint",
      {},
      { fingerprints: [authority.fingerprint] },
      `its fingerprint is ${trusted.fingerprint}`
    ]
  ] as const)("%s", ([, request, trust, expected]) =>
    Effect.map(outcome(request, trust), (result) => assert.include(result, expected))
  )

  it("refuses a fingerprint and a certificate that it cannot read", () => {
    const wrong = (trust: Tls.TrustOptions) => Result.getOrThrow(Result.flip(Tls.serverTrust(trust))).message
    assert.include(wrong({ fingerprints: ["ab:cd"] }), "expected 64 hex digits")
    assert.include(wrong({ authorities: ["nonsense"] }), "expected PEM")
  })

  it.live("says that the server does not speak TLS", () =>
    Effect.gen(function* () {
      const { address, run } = yield* Effect.provide(Listener, yield* Layer.build(Tcp.listener(HERE)))
      const hello = new TextEncoder().encode('{"id":null}\n')
      yield* Effect.forkScoped(
        run((duplex) =>
          Effect.andThen(
            duplex.write(() => hello),
            Effect.never
          )
        )
      )
      const error = yield* Effect.flip(dialWith({}, address))
      assert.include(error.message, "the server does not speak TLS on this port")
    }).pipe(Effect.scoped, quiet)
  )

  it.live("does not wait for ever for a server that says nothing", () =>
    Effect.gen(function* () {
      const { address, run } = yield* Effect.provide(Listener, yield* Layer.build(Tcp.listener(HERE)))
      yield* Effect.forkScoped(run(() => Effect.never))
      const context = yield* Layer.build(Tcp.dialerWith({ connectTimeout: "100 millis" }))
      const { dial } = yield* Effect.provide(Dialer, context)
      const error = yield* Effect.flip(dial({ ...address, security: { _tag: "v1", tls: true } }))
      assert.strictEqual(error.code, "TLS_TIMEOUT")
    }).pipe(Effect.scoped, quiet)
  )
})

describe("a TLS server's certificate", () => {
  const served = (address: Listener["Service"]["address"]) =>
    Effect.promise(
      () =>
        new Promise<string>((resolve, reject) => {
          const socket = NodeTls.connect({ ...address, rejectUnauthorized: false }, () => {
            resolve(socket.getPeerX509Certificate()!.fingerprint256)
            socket.destroy()
          }).on("error", reject)
        })
    )
  const replace = (path: string, text: string) => Effect.promise(() => writeFile(path, text))

  it.effect("is read again when the files change and on SIGHUP; one that cannot be used is not taken", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const [first, second, third] = [
        makeCertificate(),
        makeCertificate({ names: ["second.example"] }),
        makeCertificate({ names: ["third.example"] })
      ]
      const files = yield* filesOf(first)
      const address = yield* serve(yield* Tls.serverCertificate(files))
      assert.strictEqual(yield* served(address), first.fingerprint)

      yield* replace(files.certificate, second.certificate)
      yield* TestClock.adjust("10 seconds")
      const line = yield* logged(lines, "is not that of the certificate")
      assert.match(
        line,
        /^Error the key in .*key.pem is not that of .*; the TLS certificate that was read before stays in use$/
      )
      assert.strictEqual(yield* served(address), first.fingerprint)

      yield* replace(files.key, second.key)
      yield* TestClock.adjust("10 seconds")
      yield* logged(lines, "is for DNS:second.example")
      assert.strictEqual(yield* served(address), second.fingerprint)

      yield* Effect.promise(() =>
        Promise.all([writeFile(files.certificate, third.certificate), writeFile(files.key, third.key)])
      )
      process.emit("SIGHUP")
      yield* logged(lines, "is for DNS:third.example")
      assert.strictEqual(yield* served(address), third.fingerprint)
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })

  it.live.each([
    ["a certificate file that does not exist", { certificate: "" }, "cannot be read: ENOENT"],
    [
      "a certificate that is none",
      { certificate: "hello" },
      "is not a certificate: expected one that begins with -----BEGIN"
    ],
    ["a key that is none", { key: "hello" }, "is not a secret key: expected one without a passphrase"],
    ["a key of another certificate", { key: makeCertificate().key }, "is not that of the certificate in"]
  ] as const)("fails at the start with %s", ([, change, expected]) =>
    Effect.gen(function* () {
      const files = yield* filesOf({ ...makeCertificate(), ...change })
      if ("certificate" in change && change.certificate === "") yield* Effect.promise(() => rm(files.certificate))
      const error = yield* Effect.flip(Layer.build(Tls.listener(HERE, files)))
      assert.strictEqual(error._tag, "CertificateError")
      assert.include(error.message, expected)
    }).pipe(Effect.scoped, quiet)
  )

  it.live("warns at the start if it is not valid now", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* certificateOf(makeCertificate({ from: new Date(0), to: new Date(86_400_000) }))
      assert.match(lines.join(), /Warn The TLS certificate in .* not valid now: clients will refuse it/)
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })
})

describe("a TLS server ends the connection of a peer that", () => {
  it.live.each([
    [
      "speaks Stratum V1 without TLS",
      '{"id":1,"method":"mining.subscribe"}\n',
      /^Info .*TLS handshake: the peer does not speak TLS; it seems to speak Stratum V1 \(JSON\)$/
    ],
    [
      "begins like TLS and goes on with something else",
      "\u0016nonsense, and more of it",
      /^Info .*TLS handshake: .*wrong version number/
    ],
    [
      "sends half a ClientHello and then nothing",
      Buffer.from("1603010200010001fc0303", "hex"),
      /^Info .*has not finished the TLS handshake within 0.2 s$/
    ],
    ["sends nothing", "", /^Info .*has not finished the TLS handshake within 0.2 s$/]
  ] as const)("%s", ([, bytes, expected]) => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const tls = { ...(yield* certificateOf(makeCertificate())), handshakeTimeout: "200 millis" } as const
      const address = yield* serve(tls)
      const socket = Net.connect(address)
        .on("error", () => {})
        .resume()
      socket.write(bytes)
      yield* Effect.promise(() => new Promise((resolve) => socket.once("close", resolve)))
      assert.match(lines.find((line) => line.includes(" ended: ")) ?? "", expected)
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })

  it.live("comes when too many others wait for their turn", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const tls = { ...(yield* certificateOf(makeCertificate())), maxHandshakesPerSecond: 1 }
      const address = yield* serve(tls)
      const sockets = Array.from({ length: 8 }, () => Net.connect(address).on("error", () => {}))
      yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
      for (const socket of sockets) socket.write(Buffer.from("1603010200010001fc0303", "hex"))
      yield* logged(lines, "5 others wait for their turn, the most allowed (maxHandshakesPerSecond)")
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })

  it.live("leaves unfinished handshakes, when there are too many; the others stay", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const ends = yield* Queue.unbounded<void>()
      const tls = { ...(yield* certificateOf(makeCertificate())), maxUnfinishedHandshakes: 3 }
      const address = yield* serve(tls)
      for (let i = 0; i < 5; i++) {
        const socket = Net.connect(address)
          .on("error", () => {})
          .on("close", () => Queue.offerUnsafe(ends, undefined))
          .resume()
        socket.write(Buffer.from("1603010200010001fc0303", "hex"))
        yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      }
      yield* Queue.takeN(ends, 2)
      yield* ask(yield* dialWith({ insecure: true }, address), Uint8Array.of(1))
      yield* Queue.take(ends)
      assert.match(lines.join("\n"), /3 TLS handshakes are unfinished, the most allowed/)
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })
})

describe("many bad TLS connections", () => {
  const COUNT = Number(process.env["SLUICE_CROWD"] ?? 500)

  /** The first bytes of a client, which a server answers with its certificate. */
  const clientHello = Effect.callback<Buffer>((resume) => {
    const server = Net.createServer((socket) => {
      socket
        .on("error", () => {})
        .once("data", (chunk) => {
          socket.destroy()
          server.close()
          resume(Effect.succeed(chunk))
        })
    }).listen(HERE, () => {
      NodeTls.connect({ ...HERE, port: (server.address() as Net.AddressInfo).port }).on("error", () => {})
    })
  })

  it.live(
    "of two addresses do not keep a third one out",
    () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const hello = yield* clientHello
        const tls = {
          ...(yield* certificateOf(makeCertificate())),
          maxUnfinishedHandshakes: 50,
          maxHandshakesPerSecond: 200
        }
        const address = yield* serve(tls)
        const begins = [
          Buffer.alloc(0),
          hello.subarray(0, 40),
          hello,
          Buffer.from("mining.subscribe\n"),
          Buffer.from("\u0016 none")
        ]
        const sockets = Array.from({ length: COUNT }, (_, i) => {
          const socket = Net.connect({ ...address, localAddress: `127.0.0.${2 + (i % 2)}` }).on("error", () => {})
          socket.write(begins[i % begins.length]!)
          return socket.resume()
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
        for (let i = 0; i < 5; i++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const trust = Result.getOrThrow(Tls.serverTrust({ insecure: true }))
              const context = yield* Layer.build(Tcp.dialerWith({ trust, localAddresses: ["127.0.0.4"] }))
              const { dial } = yield* Effect.provide(Dialer, context)
              yield* ask(yield* dial({ ...address, security: { _tag: "v1", tls: true } }), Uint8Array.of(i))
            })
          )
        }
        yield* logged(lines, "50 TLS handshakes are unfinished")
      }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
    },
    60_000
  )
})
