import { describe, expect, it } from "vitest"
import { builds, hex, put, take } from "./builds.ts"

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const repeat = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte)

/** FIPS 180-4 examples (NIST). */
const messages: ReadonlyArray<readonly [what: string, message: Uint8Array, hash: string]> = [
  ["the empty message", text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "448 bits",
    text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
  ],
  [
    "896 bits",
    text(
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
    ),
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
  ],
  ["a million a", repeat(0x61, 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"]
]

/** RFC 4231; case 5 is about truncation, which nothing here does. */
const keyed: ReadonlyArray<readonly [case_: number, key: Uint8Array, data: Uint8Array, mac: string]> = [
  [1, repeat(0x0b, 20), text("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
  [
    2,
    text("Jefe"),
    text("what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
  ],
  [3, repeat(0xaa, 20), repeat(0xdd, 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"],
  [
    4,
    hex("0102030405060708090a0b0c0d0e0f10111213141516171819"),
    repeat(0xcd, 50),
    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
  ],
  [
    6,
    repeat(0xaa, 131),
    text("Test Using Larger Than Block-Size Key - Hash Key First"),
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
  ],
  [
    7,
    repeat(0xaa, 131),
    text(
      "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."
    ),
    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
  ]
]

const OUT = 2_000_000

describe.each(builds)("as $name", (build) => {
  it.each(messages)("SHA-256 of %s", (_what, message, hash) => {
    put(build, 0, message)
    build.call.sha256(0, message.length, OUT)
    expect(take(build, OUT, 32)).toBe(hash)
    build.call.sha256Pieces(0, message.length, message.length >> 1, message.length, OUT, 0)
    expect(take(build, OUT, 32)).toBe(hash)
  })

  it("a hash may be written over its data", () => {
    put(build, 0, text("abc"))
    build.call.sha256(0, 3, 0)
    expect(take(build, 0, 32)).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  })

  it.each(keyed)("HMAC-SHA256, RFC 4231 case %i", (_case, key, data, mac) => {
    put(build, 0, key)
    put(build, 1000, data)
    build.call.hmacSha256(0, key.length, 1000, data.length, OUT)
    expect(take(build, OUT, 32)).toBe(mac)
  })
})
