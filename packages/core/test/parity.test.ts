/**
 * The two builds of this package give the same bytes: every function, for many random inputs. Where another
 * implementation is at hand, the JavaScript build is compared with that as well.
 *
 * `SLUICE_INPUTS` is how many inputs each function gets; `npm run soak` gives each 10,000.
 */
import { readFile } from "node:fs/promises"
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { afterAll, describe, expect, it } from "vitest"
import { hex, javascript, take, wasm, type Build } from "./builds.ts"
import * as harness from "./harness.ts"
import { makeRandom, seed, type Random } from "./random.ts"

const INPUTS = Number(process.env["SLUICE_INPUTS"] ?? 2_000)

/** One output to a key, one of BIP141's commitment, and an extranonce of 8 bytes. */
const COINBASE = hex(
  "02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff13029f00065376322f2f2f080000000000000000" +
    "feffffff0200f2052a01000000160014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc0000000000000000266a24aa21a9ed" +
    "e2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf99e000000"
)

type Name = keyof Build["call"]

/** The inputs of both builds, whose results must agree. */
interface Both {
  readonly random: Random
  /** Puts the same random bytes into both arenas. */
  readonly fill: (at: number, length: number) => Uint8Array
  readonly put: (at: number, bytes: Uint8Array) => void
  /** Calls a function in both builds and gives the result. */
  readonly call: (name: Name, ...args: ReadonlyArray<number>) => number
  /** Compares a part of both arenas; gives the JavaScript build's. */
  readonly same: (at: number, length: number) => Uint8Array
}

const tested = new Set<string>()
let told = ""

const random = makeRandom(seed)
const both: Both = {
  random,
  fill: (at, length) => {
    const bytes = random.bytes(length)
    both.put(at, bytes)
    return bytes
  },
  put: (at, bytes) => {
    javascript.arena().set(bytes, at)
    wasm.arena().set(bytes, at)
  },
  call: (name, ...args) => {
    tested.add(name)
    told = `${name}(${args.join(", ")})`
    const call = (build: Build) =>
      Number((build.call[name] as (...args: ReadonlyArray<number>) => number)(...args) ?? 0)
    const expected = call(javascript)
    const actual = call(wasm)
    if (!Object.is(expected, actual)) throw new Error(`${told}: JavaScript ${expected}, WebAssembly ${actual}`)
    return expected
  },
  same: (at, length) => {
    const expected = javascript.arena().subarray(at, at + length)
    if (Buffer.compare(expected, wasm.arena().subarray(at, at + length)) !== 0) {
      throw new Error(`${told}: JavaScript ${take(javascript, at, length)}, WebAssembly ${take(wasm, at, length)}`)
    }
    return expected
  }
}

const agrees = (what: string, once: (both: Both) => void, inputs: number = INPUTS): void => {
  it(what, () => {
    for (let i = 0; i < inputs; i++) {
      try {
        once(both)
      } catch (cause) {
        throw new Error(`input ${i} of seed ${seed}, last call ${told}`, { cause })
      }
    }
  })
}

const equal = (actual: Uint8Array, expected: Uint8Array): void => {
  if (Buffer.compare(actual, expected) !== 0) {
    throw new Error(`${Buffer.from(actual).toString("hex")} is not ${Buffer.from(expected).toString("hex")}`)
  }
}

/** The offset for outputs, far from any input. */
const OUT = 300_000

describe("both builds agree on", () => {
  agrees("bytes", ({ call, fill, random, same }) => {
    fill(0, 16)
    for (const name of ["readU16", "readU24", "readU32", "readU32BigEndian"] as const) call(name, random.below(8))
    const [a, b] = [random.edge(), random.edge()]
    expect(call("isBelowU32", a, b)).toBe(a >>> 0 < b >>> 0 ? 1 : 0)
    for (const name of ["writeU16", "writeU24", "writeU32", "writeU32BigEndian"] as const)
      call(name, OUT, random.edge())
    call("writeU64", OUT + 8, random.edge(), random.edge())
    call("copyBytes", 0, OUT + 16, random.below(16))
    same(OUT, 32)
  })

  agrees("SHA-256, whole and in pieces", ({ call, fill, random, same }) => {
    const length = random.below(260)
    const at = random.below(8)
    const data = fill(at, length)
    const hash = sha256(data)
    call("sha256", at, length, OUT)
    equal(same(OUT, 32), hash)
    call("sha256d", at, length, OUT)
    equal(same(OUT, 32), sha256(hash))
    const first = random.below(length + 1)
    const second = first + random.below(length + 1 - first)
    call("sha256Pieces", at, length, first, second, OUT, 0)
    equal(same(OUT, 32), hash)
    call("sha256Pieces", at, length, first, second, OUT, 1)
    equal(same(OUT, 32), sha256(hash))
    call("sha256Midstate", at, length, random.below((length >> 6) + 1), OUT)
    equal(same(OUT, 32), hash)
    call("sha256Resumed", at, length, first, OUT)
    equal(same(OUT, 32), hash)
  })

  agrees("HMAC and HKDF", ({ call, fill, random, same }) => {
    const keyLength = random.below(100)
    const key = fill(0, keyLength)
    const dataLength = random.below(100)
    const data = fill(200, dataLength)
    call("hmacSha256", 0, keyLength, 200, dataLength, OUT)
    equal(same(OUT, 32), hmac(sha256, key, data))
    const chainingKey = fill(400, 32)
    call("hkdf2", 400, 200, dataLength, OUT)
    const outputs = same(OUT, 64)
    const temporaryKey = hmac(sha256, chainingKey, data)
    equal(outputs.subarray(0, 32), hmac(sha256, temporaryKey, Uint8Array.of(1)))
    equal(outputs.subarray(32), hmac(sha256, temporaryKey, Uint8Array.of(...outputs.subarray(0, 32), 2)))
  })

  agrees("ChaCha20 and Poly1305", ({ call, fill, random, same }) => {
    fill(0, 44)
    call("chacha20Block", 0, random.edge(), 32, OUT)
    same(OUT, 64)
    const length = random.below(200)
    fill(100, length)
    call("poly1305", 0, 100, length, OUT)
    same(OUT, 16)
  })

  agrees("ChaCha20-Poly1305", ({ call, fill, random, same }) => {
    const key = fill(0, 32)
    const nonce = fill(32, 12)
    const adLength = random.below(80)
    const ad = fill(100, adLength)
    const length = random.below(300)
    const plain = fill(OUT, length)
    call("aeadKey", 0)
    call("aeadSealNonce", 32, 100, adLength, OUT, length)
    const sealed = same(OUT, length + 16).slice()
    equal(sealed, chacha20poly1305(key, nonce, ad).encrypt(plain))
    expect(call("aeadOpenNonce", 32, 100, adLength, OUT, length)).toBe(1)
    equal(same(OUT, length), plain)

    const [low, high] = [random.edge(), random.edge()]
    call("aeadSeal", low, high, 100, adLength, OUT, length)
    same(OUT, length + 16)
    const broken = sealed.with(random.below(length + 16), random.word())
    if (Buffer.compare(broken, sealed) !== 0) {
      both.put(OUT, broken)
      expect(call("aeadOpen", low, high, 100, adLength, OUT, length)).toBe(0)
      equal(same(OUT, length + 16), broken)
    }
    call("aeadClear")
  })

  agrees("frames", ({ call, fill, random, same }) => {
    fill(0, 12)
    for (const name of ["frameExtensionType", "frameMessageType", "framePayloadLength"] as const) {
      call(name, random.below(6))
    }
    call("encryptedPayloadLength", random.below(0x1000000))
    call("writeFrameHeader", OUT, random.edge(), random.edge(), random.edge())
    same(OUT, 6)
  })

  agrees("cipher states", ({ call, fill, random, same }) => {
    fill(0, 32)
    call("cipherKey", 0)
    call("cipherNonce", random.edge(), random.edge())
    if (random.below(8) === 0) call("cipherSkipPayload", random.below(200_000))
    const ready = call("cipherIsReady")
    const payload = random.below(200)
    const frame = fill(100, 6 + payload)
    both.put(103, Uint8Array.of(payload, 0, 0))
    frame.set([payload, 0, 0], 3)
    const length = call("cipherSealFrame", 100, OUT)
    if (ready === 0) {
      expect(length).toBe(-1)
      expect(call("cipherOpenHeader", OUT)).toBe(0)
    } else {
      expect(length).toBe(22 + call("encryptedPayloadLength", payload))
      same(OUT, length)
      expect(call("cipherOpenHeader", OUT)).toBe(1)
      expect(call("cipherOpenPayload", OUT + 22, payload)).toBe(1)
      equal(same(OUT, 6), frame.subarray(0, 6))
      equal(same(OUT + 22, payload), frame.subarray(6))
      // Where it lies now is where it is encrypted in place; the last nonces but one are for one frame only.
      if (call("cipherSealPlaced", OUT, payload) !== -1) {
        same(OUT, length)
        expect(call("cipherOpenHeader", OUT)).toBe(1)
        expect(call("cipherOpenPayload", OUT + 22, payload)).toBe(1)
        equal(same(OUT + 22, payload), frame.subarray(6))
      }
      const done = call("cipherEncrypt", 0, 32, 100, payload)
      same(100, payload + 16)
      expect(call("cipherDecrypt", 0, 32, 100, payload)).toBe(done)
      same(100, payload + 16)
    }
    call("cipherClear")
    expect(call("cipherEncrypt", 0, 0, 100, payload)).toBe(0)
  })

  agrees("certificates", ({ call, fill, random, same }) => {
    fill(0, 120)
    for (const name of ["certificateVersion", "certificateValidFrom", "certificateNotValidAfter"] as const)
      call(name, 0)
    call("isCertificateNotYetValid", 0, random.edge(), random.edge())
    call("isCertificateExpired", 0, random.edge(), random.edge())
    call("certificateDigest", random.edge(), random.edge(), random.edge(), 80, OUT)
    same(OUT, 32)
  })

  agrees("targets", ({ call, fill, put, random, same }) => {
    const a = fill(0, 32)
    // Equal but for one byte, so that every byte gets to decide.
    put(32, random.below(2) === 0 ? random.bytes(32) : a.with(random.below(32), random.word()))
    call("compareU256", 0, 32)
    call("nBitsToTarget", (random.below(40) << 24) | (random.edge() & 0xffffff), OUT)
    same(OUT, 32)
    call("targetToDifficulty", 0)
    call("targetToDifficulty", OUT)
    const difficulty = 2 ** (random.below(300) - 60) * (1 + random.below(1 << 30) / (1 << 30))
    call("difficultyToTarget", difficulty, OUT)
    same(OUT, 32)
  })

  agrees("merkle roots and headers", ({ call, fill, random, same }) => {
    const count = random.below(4)
    fill(0, 32 + count * 32)
    call("merkleFold", 0, 32, count)
    same(0, 32)
    fill(200, 64)
    call("writeHeader", OUT, random.edge(), 200, 232, random.edge(), random.edge(), random.edge())
    const header = same(OUT, 80)
    call("headerLoad", OUT)
    const nonce = random.edge()
    call("headerHash", nonce, OUT + 100)
    const whole = header.slice()
    new DataView(whole.buffer).setInt32(76, nonce, true)
    equal(same(OUT + 100, 32), sha256(sha256(whole)))
    // One hash in 16 meets this target, so a search over 8 nonces ends each way about as often.
    fill(400, 32)
    both.put(431, Uint8Array.of(0x0f))
    call("headerSearch", nonce, 8, 400)
  })

  agrees("coinbases", ({ call, put, random }) => {
    // A whole one with an extranonce of 8 zeros in its script, and a byte or two of it changed, most often at a field's place.
    const coinbase = Uint8Array.from(COINBASE)
    for (let i = random.below(3); i > 0; i--) coinbase[random.below(coinbase.length)] = random.word()
    const [at, end] = random.below(4) > 0 ? [53, 61] : [random.below(coinbase.length + 1), coinbase.length]
    const extranonce = Math.min(end - at, random.below(4) > 0 ? 8 : random.below(20))
    put(0, coinbase)
    call("checkCoinbase", 0, at, extranonce, at + extranonce, coinbase.length - at - extranonce - random.below(2))
  })

  agrees("versions", ({ call, random }) => {
    call("isVersionRolledWithin", random.edge(), random.edge(), random.edge())
    call("nextVersion", random.edge(), random.edge())
  })

  agrees("shares", ({ call, fill, random, same }) => {
    const lengths = [random.below(100), random.below(20), random.below(12), random.below(100)] as const
    fill(0, 300)
    const count = random.below(4)
    fill(400, count * 32)
    call("shareMerkleRoot", 0, ...lengths, 400, count, OUT)
    same(OUT, 32)
    fill(600, 64)
    call("shareHash", random.edge(), 600, random.edge(), random.edge(), random.edge(), OUT)
    same(OUT, 112)
    call("shareMeets", 632)
  })
})

/** Compared in handshake.test.ts, with real keys. */
const elsewhere = /^(initialSymmetricState|new(Initiator|Responder)|initiator.*|responder.*|arenaAt)$/

afterAll(() => {
  const missed = Object.entries(harness).flatMap(([name, value]) =>
    typeof value !== "function" || tested.has(name) || elsewhere.test(name) ? [] : [name]
  )
  expect(missed).toEqual(["useCurve"])
})

/** The parts of the core that the harness calls; the device's are called through their module (embedded). */
const PUBLIC =
  "aead bytes certificate cipher-state curve frame handshake header hkdf merkle sha256 share target version".split(" ")

it("the harness reaches every public function and method", async () => {
  const read = (path: string) => readFile(new URL(path, import.meta.url), "utf8")
  const harnessText = await read("./harness.ts")
  const missed: Array<string> = []
  // `sha256d` is `hashTwice`.
  for (const file of PUBLIC) {
    const source = await read(`../src/${file}.ts`)
    for (const [, name] of source.matchAll(
      /^(?:export function |  (?!private |abstract |constructor))(\w+)\(.*[{(]$/gm
    )) {
      if (name !== "hashTwice" && !new RegExp(`\\b${name}\\(`).test(harnessText)) missed.push(`${file} ${name}`)
    }
  }
  expect(missed).toEqual([])
})
