/** The PROXY protocol: headers as doc/proxy-protocol.txt of HAProxy describes them, and a listener behind a load balancer. */
import { assert, describe, it } from "@effect/vitest"
import { type Duplex, Listener, parseNetworks, readProxyHeader, Tcp, type Tls } from "@sluice/transport"
import { makeCertificate } from "@sluice/testing/certificate"
import { Deferred, Effect, Layer, Result, type Scope } from "effect"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import { logTo } from "./fixture.ts"

const text = (line: string) => new Uint8Array(Buffer.from(line, "latin1"))
const hex = (digits: string) => new Uint8Array(Buffer.from(digits.replaceAll(" ", ""), "hex"))
const SIGNATURE = "0d0a0d0a000d0a515549540a"
/** A header of version 2: version and command, family and protocol, length, then the rest. */
const binary = (versionAndFamily: string, rest = "", length = rest.replaceAll(" ", "").length / 2) =>
  hex(`${SIGNATURE}${versionAndFamily}${length.toString(16).padStart(4, "0")}${rest}`)
const TCP4 = "c0a80001 c0a8000b dc04 01bb"
const TCP6 = "20010db8000000000000000000000001 20010db8000000000000000000000002 dc04 01bb"

describe("a header of the PROXY protocol", () => {
  it.each([
    // The example of section 2.1.
    ["TCP4", text("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), { host: "192.168.0.1", port: 56324 }],
    // The longest lines of section 2.1.
    [
      "TCP4 at its longest",
      text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
      { host: "255.255.255.255", port: 65535 }
    ],
    [
      "TCP6 at its longest",
      text(`PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`),
      { host: `${"ffff:".repeat(7)}ffff`, port: 65535 }
    ],
    [
      "TCP6 in long form and upper case",
      text("PROXY TCP6 2001:0DB8:0:0::0001 ::1 1 2\r\n"),
      { host: "2001:db8::1", port: 1 }
    ],
    ["UNKNOWN", text("PROXY UNKNOWN\r\n"), undefined],
    [
      "UNKNOWN at its longest",
      text(`PROXY UNKNOWN ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`),
      undefined
    ],
    ["TCP over IPv4 (0x11)", binary("2111", TCP4), { host: "192.168.0.1", port: 56324 }],
    ["TCP over IPv6 (0x21)", binary("2121", TCP6), { host: "2001:db8::1", port: 56324 }],
    [
      "an IPv4 address as IPv6",
      binary("2121", `${"00".repeat(10)}ffff01020304${"00".repeat(16)} 0001 0002`),
      { host: "1.2.3.4", port: 1 }
    ],
    ["TLVs behind the addresses", binary("2111", `${TCP4} 04 0003 000000`), { host: "192.168.0.1", port: 56324 }],
    ["LOCAL without addresses", binary("2000"), undefined],
    ["LOCAL with a family that does not exist, and bytes", binary("20ff", "010203"), undefined],
    ["UNSPEC", binary("2100"), undefined],
    ["UDP", binary("2112", TCP4), undefined],
    ["a UNIX socket", binary("2131", "00".repeat(216)), undefined]
  ] as const)("has the client of %s", (_, header, client) => {
    const bytes = Buffer.concat([header, text("{}\n")])
    assert.deepStrictEqual(Result.getOrThrow(readProxyHeader(bytes)), { size: header.length, client })
    for (let size = 1; size < header.length; size++) {
      assert.isUndefined(Result.getOrThrow(readProxyHeader(bytes.subarray(0, size))), `${size} bytes`)
    }
  })

  it.each([
    ["a miner's line", text('{"id":1,"method"'), "sent no such header; it seems to speak Stratum V1 (JSON)"],
    ["a line without CR", text(`PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n${"x".repeat(90)}`), "without an end within 107 bytes"],
    ["a line that does not end", text(`PROXY UNKNOWN${" ".repeat(200)}`), "without an end within 107 bytes"],
    [
      "an address with a zero in front",
      text("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n"),
      'version 1: "PROXY TCP4 01.2.3.4 1.2.3.4 1 2"'
    ],
    ["a port with a zero in front", text("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), "wrong header of version 1"],
    ["a port that is too high", text("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"), "wrong header of version 1"],
    ["an address of the other family", text("PROXY TCP4 ::1 ::1 1 2\r\n"), "wrong header of version 1"],
    ["two spaces", text("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "wrong header of version 1"],
    ["lower case", text("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"), "wrong header of version 1"],
    ["control characters", text("PROXY TCP4 \u001b[2J\r\n"), "\\u001b[2J"],
    ["another version", binary("3111", TCP4), "it says version 3"],
    ["a command that does not exist", binary("2211", TCP4), "command 2 does not exist"],
    ["a family that does not exist", binary("2141", TCP4), "family 4 with protocol 1 does not exist"],
    ["a protocol that does not exist", binary("2113", TCP4), "family 1 with protocol 3 does not exist"],
    ["addresses that are cut", binary("2111", "c0a80001"), "4 bytes are too few for its addresses"],
    ["IPv6 addresses that are cut", binary("2121", TCP4), "12 bytes are too few for its addresses"],
    ["a great length", binary("2111", "", 65535), "it has 65551 bytes; at most 4096 are allowed"]
  ] as const)("is refused with %s", (_, header, expected) => {
    assert.include(Result.getOrThrow(Result.flip(readProxyHeader(header))), expected)
  })
})

describe("networks", () => {
  it("hold their addresses", () => {
    const networks = Result.getOrThrow(parseNetworks(["10.0.0.7", "192.168.0.0/16", "fd00::/8"]))
    assert.isTrue(networks.check("10.0.0.7"))
    assert.isFalse(networks.check("10.0.0.8"))
    assert.isTrue(networks.check("192.168.3.4"))
    assert.isTrue(networks.check("fd12::1", "ipv6"))
  })

  it.each(["", "10.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/08", "lb.example", "fe80::1%eth0"])(
    "are not %j",
    (network) => {
      assert.include(Result.getOrThrow(Result.flip(parseNetworks([network]))).message, "is not an address or a network")
    }
  )
})

describe("a listener behind a load balancer", () => {
  const HERE = { host: "127.0.0.1", port: 0 }
  const serve = Effect.fnUntraced(function* (
    options: Partial<Tcp.ListenerOptions>,
    handler: (duplex: Duplex) => Effect.Effect<void, unknown, Scope.Scope> = greet
  ) {
    const context = yield* Layer.build(Tcp.listener({ ...HERE, proxyProtocol: {}, ...options }))
    const { address, run } = yield* Effect.provide(Listener, context)
    yield* Effect.forkScoped(run(handler))
    return address
  })
  /** Sends the address of the client, and then what comes. */
  const greet = ({ pull, remote, write }: Duplex) =>
    Effect.andThen(
      write(() => text(`${remote.host} `)),
      Effect.forever(Effect.flatMap(pull, ([chunk]) => write(() => chunk)))
    )
  /** Sends chunks with pauses, and gives what is answered until it ends with `until` or the connection ends. */
  const send = (address: Net.NetConnectOpts, chunks: ReadonlyArray<Uint8Array>, until: string) =>
    Effect.callback<string>((resume) => {
      let answer = ""
      const socket = Net.connect(address).setNoDelay(true)
      const done = () => {
        socket.destroy()
        resume(Effect.succeed(answer))
      }
      socket.on("error", done).on("close", done)
      socket.on("data", (chunk) => {
        answer += chunk.toString()
        if (answer.endsWith(until)) done()
      })
      const next = (i: number): void => {
        if (i < chunks.length && !socket.destroyed) socket.write(chunks[i]!, () => setTimeout(next, 5, i + 1))
      }
      next(0)
    })
  const from = (...networks: ReadonlyArray<string>) => ({ from: Result.getOrThrow(parseNetworks(networks)) })
  const quiet = Effect.provide(logTo([]))

  it.live("has the client's address of the header, and the bytes behind it", () =>
    Effect.gen(function* () {
      const address = yield* serve({ proxyProtocol: from("127.0.0.0/8") })
      const first = Buffer.concat([text("PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\n"), text("hello.")])
      assert.strictEqual(yield* send(address, [first], "."), "192.0.2.7 hello.")
      const second = Buffer.concat([binary("2121", TCP6), text("hello.")])
      assert.strictEqual(yield* send(address, [second], "."), "2001:db8::1 hello.")
    }).pipe(Effect.scoped, quiet)
  )

  it.live("takes no header from elsewhere than the load balancers: it is the client's first bytes", () =>
    Effect.gen(function* () {
      const address = yield* serve({ proxyProtocol: from("192.0.2.0/24") })
      const first = text("PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\n.")
      assert.strictEqual(yield* send(address, [first], "."), "127.0.0.1 PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\n.")
    }).pipe(Effect.scoped, quiet)
  )

  it.live("takes a header that comes in pieces, and the bytes behind it", () =>
    Effect.gen(function* () {
      const address = yield* serve({})
      const whole = Buffer.concat([text("PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\n"), text("hello.")])
      const pieces = [whole.subarray(0, 3), whole.subarray(3, 35), whole.subarray(35, 38), whole.subarray(38)]
      assert.strictEqual(yield* send(address, pieces, "."), "192.0.2.7 hello.")
    }).pipe(Effect.scoped, quiet)
  )

  it.live("has the load balancer's own address if the header names nobody", () =>
    Effect.gen(function* () {
      const address = yield* serve({})
      assert.strictEqual(yield* send(address, [binary("2000"), text("hello.")], "."), "127.0.0.1 hello.")
    }).pipe(Effect.scoped, quiet)
  )

  it.live.each([
    [
      "no header",
      {},
      text('{"id":1}\n'),
      /: the peer sent no such header; it seems to speak Stratum V1 \(JSON\); this listener is for load balancers/
    ],
    [
      "half a header",
      { headerTimeout: "100 millis" },
      text("PROXY TCP4"),
      /: the peer sent 10 bytes of no complete header within 0.1 s; this listener/
    ],
    [
      "nothing",
      { headerTimeout: "100 millis" },
      text(""),
      /: the peer sent 0 bytes of no complete header within 0.1 s; this listener/
    ]
  ] as const)("ends a connection with %s", ([, proxyProtocol, bytes, expected]) => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const address = yield* serve({ proxyProtocol })
      assert.strictEqual(yield* send(address, [bytes], "."), "")
      assert.match(lines.find((line) => line.includes(" ended: ")) ?? "", expected)
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })

  it.live("limits the connections of each client, not those of the load balancer", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const address = yield* serve({ maxConnectionsPerAddress: 2, isExempt: () => false })
      const hold = (client: string) =>
        Effect.gen(function* () {
          const greeted = yield* Deferred.make<boolean>()
          const socket = Net.connect(address).on("error", () => {})
          socket.on("data", () => Deferred.doneUnsafe(greeted, Effect.succeed(true)))
          socket.on("close", () => Deferred.doneUnsafe(greeted, Effect.succeed(false)))
          yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
          socket.write(text(`PROXY TCP4 ${client} 192.0.2.1 5 6\r\n`))
          return yield* Deferred.await(greeted)
        })
      const greeted = [
        yield* hold("192.0.2.7"),
        yield* hold("192.0.2.7"),
        yield* hold("192.0.2.7"),
        yield* hold("192.0.2.8")
      ]
      assert.deepStrictEqual(greeted, [true, true, false, true])
      assert.match(lines.join("\n"), /Warn Closed a connection from 192.0.2.7:5: 192.0.2.7 has 2 open already/)
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })

  it.live("warns that anybody may send a header, if the load balancers are not named", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* serve({ proxyProtocol: from("10.0.0.0/8") })
      assert.strictEqual(lines.length, 0)
      yield* serve({})
      assert.match(
        lines.join(),
        /Warn .* takes the addresses of clients from headers of the PROXY protocol, whoever sends them/
      )
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })

  it.live("does a TLS handshake behind the header", () => {
    const pair = makeCertificate()
    const tls: Tls.ServerCertificate = {
      context: () => NodeTls.createSecureContext({ cert: pair.certificate, key: pair.key })
    }
    return Effect.gen(function* () {
      const address = yield* serve({ tls })
      const raw = Net.connect(address)
      yield* Effect.addFinalizer(() => Effect.sync(() => raw.destroy()))
      raw.write(text("PROXY TCP4 192.0.2.7 192.0.2.1 5 6\r\n"))
      const greeting = yield* Effect.callback<string>((resume) => {
        const socket = NodeTls.connect({ socket: raw, rejectUnauthorized: false })
        socket.once("data", (chunk) => resume(Effect.succeed(chunk.toString())))
      })
      assert.strictEqual(greeting, "192.0.2.7 ")
    }).pipe(Effect.scoped, quiet)
  })
})
