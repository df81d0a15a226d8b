import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { builds, hex, javascript, put, take, type Build } from "./builds.ts"
import { ecdh } from "./host-curve.ts"
import { makeRandom, seed } from "./random.ts"

const text = (value: string): string => Buffer.from(value).toString("hex")
const vectors = (name: string): string => readFileSync(new URL(`./vectors/${name}`, import.meta.url), "utf8")

/** Offsets in the arena. */
const KEY = 0
const NONCE = 32
const AD = 64
const DATA = 8192

const seal = (build: Build, key: string, nonce: string, ad: string, plain: string): string => {
  put(build, KEY, hex(key))
  put(build, NONCE, hex(nonce))
  put(build, AD, hex(ad))
  put(build, DATA, hex(plain))
  build.call.aeadKey(KEY)
  build.call.aeadSealNonce(NONCE, AD, ad.length / 2, DATA, plain.length / 2)
  return take(build, DATA, plain.length / 2 + 16)
}

/** The plaintext, or undefined where the tag is refused and the buffer was left as it was. */
const open = (
  build: Build,
  key: string,
  nonce: string,
  ad: string,
  sealed: string,
  changed?: (bytes: string) => void
): string | undefined => {
  put(build, KEY, hex(key))
  put(build, NONCE, hex(nonce))
  put(build, AD, hex(ad))
  put(build, DATA, hex(sealed))
  build.call.aeadKey(KEY)
  const length = sealed.length / 2 - 16
  if (build.call.aeadOpenNonce(NONCE, AD, ad.length / 2, DATA, length)) return take(build, DATA, length)
  changed?.(take(build, DATA, length + 16))
  return undefined
}

/** RFC 8439, A.3, cases 7 to 11, and 2.5.2: what goes wrong when a carry or the final reduction is missed. */
const tags: ReadonlyArray<readonly [key: string, message: string, tag: string]> = [
  [
    "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
    text("Cryptographic Forum Research Group"),
    "a8061dc1305136c6c22b8baf0c0127a9"
  ],
  ["02".padEnd(64, "0"), "ff".repeat(16), "03".padEnd(32, "0")],
  ["02".padEnd(32, "0") + "ff".repeat(16), "02".padEnd(32, "0"), "03".padEnd(32, "0")],
  ["01".padEnd(64, "0"), `${"ff".repeat(16)}f0${"ff".repeat(15)}11${"00".repeat(15)}`, "05".padEnd(32, "0")],
  ["01".padEnd(64, "0"), `${"ff".repeat(16)}fb${"fe".repeat(15)}${"01".repeat(16)}`, "00".repeat(16)],
  ["02".padEnd(64, "0"), `fd${"ff".repeat(15)}`, `fa${"ff".repeat(15)}`],
  [
    "01000000000000000400000000000000".padEnd(64, "0"),
    "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000",
    "14000000000000005500000000000000"
  ],
  [
    "01000000000000000400000000000000".padEnd(64, "0"),
    "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000",
    "13".padEnd(32, "0")
  ]
]

interface Wycheproof {
  readonly testGroups: ReadonlyArray<{
    readonly ivSize: number
    readonly tests: ReadonlyArray<{
      readonly tcId: number
      readonly flags: ReadonlyArray<string>
      readonly key: string
      readonly iv: string
      readonly aad: string
      readonly msg: string
      readonly ct: string
      readonly tag: string
      readonly result: "valid" | "invalid"
    }>
  }>
}
const wycheproof: Wycheproof = JSON.parse(vectors("wycheproof_chacha20_poly1305_test.json"))

describe.each(builds)("as $name", (build) => {
  it("makes the ChaCha20 block of RFC 8439, 2.3.2", () => {
    put(
      build,
      KEY,
      Uint8Array.from({ length: 32 }, (_, i) => i)
    )
    put(build, NONCE, hex("000000090000004a00000000"))
    build.call.chacha20Block(KEY, 1, NONCE, DATA)
    expect(take(build, DATA, 64)).toBe(
      "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e" +
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )
  })

  it.each(tags)("makes the Poly1305 tag of key %s", (key, message, tag) => {
    put(build, KEY, hex(key))
    put(build, DATA, hex(message))
    build.call.poly1305(KEY, DATA, message.length / 2, AD)
    expect(take(build, AD, 16)).toBe(tag)
  })

  it("seals the message of RFC 8439, 2.8.2", () => {
    const plain = text(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    )
    const key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
    const nonce = "070000004041424344454647"
    const ad = "50515253c0c1c2c3c4c5c6c7"
    const sealed = seal(build, key, nonce, ad, plain)
    expect(sealed).toBe(
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29" +
        "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b" +
        "61161ae10b594f09e26a7e902ecbd0600691"
    )
    expect(open(build, key, nonce, ad, sealed)).toBe(plain)
  })

  it("passes Wycheproof", () => {
    const counts = { valid: 0, invalid: 0, nonceSize: 0 }
    for (const { ivSize, tests } of wycheproof.testGroups) {
      for (const { tcId, flags, key, iv, aad, msg, ct, tag, result } of tests) {
        if (ivSize !== 96) {
          // The nonce is twelve bytes by construction; there is no way to pass one of another size.
          expect(flags, `case ${tcId}`).toEqual(["InvalidNonceSize"])
          counts.nonceSize++
        } else if (result === "valid") {
          expect(seal(build, key, iv, aad, msg), `case ${tcId}`).toBe(ct + tag)
          expect(open(build, key, iv, aad, ct + tag), `case ${tcId}`).toBe(msg)
          counts.valid++
        } else {
          const unchanged = (bytes: string) => expect(bytes, `case ${tcId}`).toBe(ct + tag)
          expect(open(build, key, iv, aad, ct + tag, unchanged), `case ${tcId}`).toBeUndefined()
          counts.invalid++
        }
      }
    }
    expect(counts).toEqual({ valid: 256, invalid: 60, nonceSize: 9 })
  })

  it("takes its nonce as four zero bytes and a counter in U64 (4.4.1)", () => {
    const key = "07".repeat(32)
    const sealed = seal(build, key, "000000000807060504030201", "", "aabbcc")
    put(build, DATA, hex("aabbcc"))
    build.call.aeadSeal(0x05060708, 0x01020304, AD, 0, DATA, 3)
    expect(take(build, DATA, 19)).toBe(sealed)
  })

  it("refuses every changed byte and every changed length, and leaves the buffer as it was", () => {
    const key = "09".repeat(32)
    const nonce = "05".repeat(12)
    const sealed = seal(build, key, nonce, "aabb", "11".repeat(70))
    for (let i = 0; i < sealed.length / 2; i++) {
      const bytes = hex(sealed)
      bytes[i]! ^= 1 << (i & 7)
      const broken = Buffer.from(bytes).toString("hex")
      expect(open(build, key, nonce, "aabb", broken, (after) => expect(after).toBe(broken))).toBeUndefined()
    }
    expect(open(build, key, nonce, "aabb", sealed.slice(2))).toBeUndefined()
    expect(open(build, key, nonce, "aabb", sealed + "00")).toBeUndefined()
    expect(open(build, key, nonce, "aa", sealed)).toBeUndefined()
    expect(open(build, key, nonce, "aabb", sealed)).toBe("11".repeat(70))
  })
})

describe("the unrolled forms equal the plain ones", () => {
  const random = makeRandom(seed)

  it("ChaCha20", () => {
    for (let i = 0; i < 2000; i++) {
      const key = random.bytes(32)
      const nonce = random.bytes(12)
      const counter = random.edge()
      put(javascript, KEY, key)
      put(javascript, NONCE, nonce)
      javascript.call.chacha20Block(KEY, counter, NONCE, DATA)
      expect(take(javascript, DATA, 64), `seed ${seed}`).toBe(
        Buffer.from(plainChacha20(key, counter, nonce)).toString("hex")
      )
    }
  })

  it("Poly1305", () => {
    for (let i = 0; i < 5000; i++) {
      const key = random.bytes(32)
      const message = random.bytes(random.below(100))
      put(javascript, KEY, key)
      put(javascript, DATA, message)
      javascript.call.poly1305(KEY, DATA, message.length, AD)
      expect(take(javascript, AD, 16), `seed ${seed}`).toBe(Buffer.from(plainPoly1305(key, message)).toString("hex"))
    }
  })
})

/** RFC 8439, 2.1 to 2.3, as it stands there. */
const plainChacha20 = (key: Uint8Array, counter: number, nonce: Uint8Array): Uint8Array => {
  const input = new Uint32Array(16)
  const bytes = new Uint8Array(input.buffer)
  bytes.set(new TextEncoder().encode("expand 32-byte k"))
  bytes.set(key, 16)
  input[12] = counter
  bytes.set(nonce, 52)
  const state = input.slice()
  const step = (a: number, b: number, c: number, bits: number): void => {
    state[a]! += state[b]!
    const mixed = state[c]! ^ state[a]!
    state[c] = (mixed << bits) | (mixed >>> (32 - bits))
  }
  const quarterRound = (a: number, b: number, c: number, d: number): void => {
    step(a, b, d, 16)
    step(c, d, b, 12)
    step(a, b, d, 8)
    step(c, d, b, 7)
  }
  for (let i = 0; i < 10; i++) {
    for (let column = 0; column < 4; column++) quarterRound(column, column + 4, column + 8, column + 12)
    for (let d = 0; d < 4; d++) quarterRound(d, 4 + ((d + 1) % 4), 8 + ((d + 2) % 4), 12 + ((d + 3) % 4))
  }
  for (let i = 0; i < 16; i++) state[i]! += input[i]!
  return new Uint8Array(state.buffer)
}

/** RFC 8439, 2.5.1, as it stands there. */
const plainPoly1305 = (key: Uint8Array, message: Uint8Array): Uint8Array => {
  const number = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  let sum = 0n
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16)
    sum = ((sum + number(block) + (1n << BigInt(8 * block.length))) * r) % ((1n << 130n) - 5n)
  }
  sum += number(key.subarray(16))
  return Uint8Array.from({ length: 16 }, (_, i) => Number((sum >> BigInt(8 * i)) & 255n))
}

/**
 * BIP324's packets: HKDF-SHA256 for the keys, ChaCha20 for the length, ChaCha20-Poly1305 for the contents, new keys after
 * every 224 packets. Up to 16 MB in one message.
 */
describe.each(builds)("as $name, BIP324 packets", (build) => {
  const [header, ...rows] = vectors("bip324_packet_encoding_test_vectors.csv").trim().split(/\r?\n/)
  const columns = header!.split(",")
  const cases = rows.map((row) => Object.fromEntries(row.split(",").map((value, i) => [columns[i]!, value])))

  it.each(cases)("packet $in_idx", (vector) => {
    const get = (name: string): string => vector[name]!
    const initiator = get("in_initiating") === "1"
    const secret = new Uint8Array(32)
    ecdh(hex(get("in_ellswift_theirs")), hex(get("in_ellswift_ours")), hex(get("in_priv_ours")), initiator, secret)
    expect(Buffer.from(secret).toString("hex")).toBe(get("mid_shared_secret"))

    const hmac = (key: string, data: string): string => {
      put(build, 0, hex(key))
      put(build, 1000, hex(data))
      build.call.hmacSha256(0, key.length / 2, 1000, data.length / 2, 2000)
      return take(build, 2000, 32)
    }
    const extracted = hmac(text("bitcoin_v2_shared_secret") + "f9beb4d9", get("mid_shared_secret"))
    const derive = (info: string): string => hmac(extracted, text(info) + "01")
    expect(derive("initiator_L")).toBe(get("mid_initiator_l"))
    expect(derive("responder_P")).toBe(get("mid_responder_p"))
    expect(derive("session_id")).toBe(get("out_session_id"))

    let lengthKey = derive(initiator ? "initiator_L" : "responder_L")
    let packetKey = derive(initiator ? "initiator_P" : "responder_P")
    let stream = { bytes: "", blocks: 0 }
    const little = (value: number, bytes: number): string => {
      const out = Buffer.alloc(bytes)
      out.writeUIntLE(value, 0, Math.min(bytes, 6))
      return out.toString("hex")
    }
    const streamBytes = (count: number, epoch: number): string => {
      while (stream.bytes.length < 2 * count) {
        put(build, KEY, hex(lengthKey))
        put(build, NONCE, hex("00000000" + little(epoch, 8)))
        build.call.chacha20Block(KEY, stream.blocks, NONCE, DATA)
        stream = { bytes: stream.bytes + take(build, DATA, 64), blocks: stream.blocks + 1 }
      }
      const taken = stream.bytes.slice(0, 2 * count)
      stream.bytes = stream.bytes.slice(2 * count)
      return taken
    }
    const packet = (index: number, plain: string, ad: string): string => {
      const epoch = Math.floor(index / 224)
      const lengthBytes = hex(little(plain.length / 2 - 1, 3))
      hex(streamBytes(3, epoch)).forEach((byte, i) => (lengthBytes[i]! ^= byte))
      const sealed = seal(build, packetKey, little(index % 224, 4) + little(epoch, 8), ad, plain)
      if (index % 224 === 223) {
        lengthKey = streamBytes(32, epoch)
        stream = { bytes: "", blocks: 0 }
        packetKey = seal(build, packetKey, "ffffffff" + little(epoch, 8), "", "00".repeat(32)).slice(0, 64)
      }
      return Buffer.from(lengthBytes).toString("hex") + sealed
    }

    const index = Number(get("in_idx"))
    for (let i = 0; i < index; i++) packet(i, "00", "")
    const contents = get("in_contents").repeat(Number(get("in_multiply")))
    const sealed = packet(index, (get("in_ignore") === "1" ? "80" : "00") + contents, get("in_aad"))
    if (get("out_ciphertext") !== "") expect(sealed).toBe(get("out_ciphertext"))
    else expect(sealed.endsWith(get("out_ciphertext_endswith"))).toBe(true)
  })
})
