import { assert, describe, it } from "@effect/vitest"
import {
  EndpointFromString,
  formatEndpoint,
  formatServerAddress,
  FrameDialer,
  Memory,
  parseEndpoint,
  parseServerAddress,
  Security,
  ServerAddressFromString
} from "@sluice/transport"
import { Effect, Layer, Result, Schema } from "effect"

const KEY = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh"

describe("server addresses", () => {
  it("parses the specification's example and formats it again", () => {
    const url = `stratum2+tcp://thepool.com:34254/${KEY}`
    const server = Result.getOrThrow(parseServerAddress(url))
    assert.deepInclude(server, { host: "thepool.com", port: 34254 })
    assert.strictEqual(server.security._tag, "noise")
    if (server.security._tag === "noise")
      assert.deepStrictEqual(server.security.authorityKey.slice(0, 4), Uint8Array.of(118, 99, 112, 0))
    assert.strictEqual(formatServerAddress(server), url)
  })

  it.each([
    "stratum2+tcp+plain://127.0.0.1:3333",
    "stratum2+tcp+plain://[::1]:3333",
    `stratum2+tcp://[fe80::1]:1/${KEY}`,
    "stratum+tcp://pool.example:3333",
    "stratum+ssl://[::1]:443"
  ])("parses and formats %s", (url) => {
    assert.strictEqual(formatServerAddress(Result.getOrThrow(parseServerAddress(url))), url)
    const server = Schema.decodeUnknownSync(ServerAddressFromString)(url)
    assert.strictEqual(Schema.encodeSync(ServerAddressFromString)(server), url)
  })

  it.each([
    ["", "is not a server's address"],
    ["127.0.0.1:3333", "stratum2+tcp://HOST:PORT/AUTHORITYKEY"],
    ["stratum+udp://pool:3333", "for Stratum V1 stratum+tcp://HOST:PORT, or stratum+ssl://HOST:PORT with TLS"],
    ["stratum://pool:3333", "is not a server's address"],
    ["stratum+tcp://pool", "expected HOST:PORT"],
    ["stratum+ssl://pool:0", "no server has port 0"],
    [`stratum+tcp://pool:3333/${KEY}`, "goes on after the port; expected stratum+tcp://HOST:PORT and nothing else"],
    ["stratum+tls://pool:3333#xnsub", "expected stratum+ssl://HOST:PORT and nothing else"],
    ["stratum2+tcp://pool:3333", "lacks the authority key"],
    ["stratum2+tcp://pool:3333/", "lacks the authority key"],
    [`stratum2+tcp+plain://pool:3333/${KEY}`, "has a key, and a plain connection has none"],
    [`stratum2+tcp://pool/${KEY}`, "expected HOST:PORT"],
    [`stratum2+tcp://pool:0/${KEY}`, "no server has port 0"],
    [`stratum2+tcp://pool:65536/${KEY}`, "port must be an integer from 0 through 65535"],
    ["stratum2+tcp://pool:1/9bXi", "base58check"],
    ["stratum2+tcp://pool:1/u95GEReVMjK6k5YqiSFNqqTnKU4ypU2Wm8awa6tmbmDmk1bWt", "without a version"]
  ])("refuses %j and says why", (text, why) => {
    assert.include(Result.getOrThrow(Result.flip(parseServerAddress(text))).message, why)
    assert.throws(() => Schema.decodeUnknownSync(ServerAddressFromString)(text))
  })
})

describe("addresses of Stratum V1 servers", () => {
  it.each([
    ["stratum+tcp://pool.example:3333", false],
    ["stratum+ssl://pool.example:3333", true],
    ["stratum+tls://pool.example:3333", true],
    ["stratum+tcp://pool.example:3333/", false]
  ])("%s has TLS: %s", (url, tls) => {
    const server = Result.getOrThrow(parseServerAddress(url))
    assert.deepStrictEqual(server, { host: "pool.example", port: 3333, security: { _tag: "v1", tls } })
  })

  it.effect("are not dialed by dialers of Stratum V2, which say so", () =>
    Effect.gen(function* () {
      const { dial } = yield* FrameDialer
      const server = Result.getOrThrow(parseServerAddress("stratum+tcp://pool.example:3333"))
      const error = yield* Effect.flip(dial(server))
      assert.include(error.message, "this is the address of a Stratum V1 server")
    }).pipe(Effect.scoped, Effect.provide(Security.dialer().pipe(Layer.provide(Memory.network()))))
  )
})

describe("endpoints", () => {
  it.each(["127.0.0.1:3333", "[::]:0", "pool.example:65535", "my_host-1:1"])("parses and formats %s", (text) => {
    assert.strictEqual(formatEndpoint(Result.getOrThrow(parseEndpoint(text))), text)
    assert.strictEqual(Schema.encodeSync(EndpointFromString)(Schema.decodeUnknownSync(EndpointFromString)(text)), text)
  })

  it("normalises a host as Effect does: lower case, an IPv6 address with its zone", () => {
    assert.deepStrictEqual(Result.getOrThrow(parseEndpoint("Pool.Example:1")), { host: "pool.example", port: 1 })
    assert.deepStrictEqual(Result.getOrThrow(parseEndpoint("[fe80::1%eth0]:1")), { host: "fe80::1%eth0", port: 1 })
  })

  it.each([
    "",
    "3333",
    ":3333",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:x",
    "127.0.0.1:65536",
    "::1:3333",
    "a b:1",
    "a/b:1",
    "999.1.1.1:1"
  ])("refuses %j", (text) => {
    assert.include(Result.getOrThrow(Result.flip(parseEndpoint(text))).message, "is not an address")
  })
})
