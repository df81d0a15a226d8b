import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { schnorr } from "@noble/curves/secp256k1.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { beforeAll, describe, expect, it } from "vitest"
import { builds, hex, javascript, put, take, wasm, type Build } from "./builds.ts"
import { useCurve } from "./harness.ts"
import * as curve from "./host-curve.ts"
import {
  ACT2_SIZE,
  HANDSHAKE_BAD_CERTIFICATE_TAG,
  HANDSHAKE_BAD_KEY,
  HANDSHAKE_BAD_SECRET,
  HANDSHAKE_BAD_SIGNATURE,
  HANDSHAKE_BAD_STATIC_KEY_TAG,
  HANDSHAKE_CERTIFICATE_VERSION,
  HANDSHAKE_EXPIRED,
  HANDSHAKE_NOT_YET_VALID,
  HANDSHAKE_OK,
  HANDSHAKE_OUT_OF_ORDER,
  HANDSHAKE_TOO_SHORT
} from "../src/handshake.ts"

/** Other files that share the process put other curves into the harness. */
beforeAll(() => useCurve(new curve.HostCurve()))

const bytes = (seed: string): Uint8Array => sha256(new TextEncoder().encode(seed))
const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
const ellSwift = (secret: Uint8Array): Uint8Array => {
  const out = new Uint8Array(64)
  expect(curve.createEllSwift(secret, bytes("entropy"), out)).toBe(true)
  return out
}

const authority = bytes("authority")
const staticSecret = bytes("static")
const staticKey = ellSwift(staticSecret)
const FROM = 1_700_000_000
const UNTIL = FROM + 3600

interface CertificateOptions {
  readonly version?: number
  readonly from?: number
  readonly until?: number
  readonly signer?: Uint8Array
}

const certificate = ({ version = 0, from = FROM, until = UNTIL, signer = authority }: CertificateOptions = {}) => {
  const dates = Buffer.alloc(10)
  dates.writeUInt16LE(version, 0)
  dates.writeUInt32LE(from, 2)
  dates.writeUInt32LE(until, 6)
  const xOnly = new Uint8Array(32)
  curve.xOnly(staticKey, xOnly)
  return concat(dates, schnorr.sign(sha256(concat(dates, xOnly)), signer, new Uint8Array(32)))
}

// Places in the arena.
const EPHEMERAL = 0
const ENTROPY = 32
const STATIC_SECRET = 64
const STATIC_KEY = 96
const CERTIFICATE = 160
const AUTHORITY = 256
const ACT1 = 300
const ACT2 = 400
const PEER = 700
const FRAME = 1000
const SEALED = 2000

const start = (build: Build, secret: Uint8Array = bytes("initiator")): number => {
  put(build, EPHEMERAL, secret)
  put(build, ENTROPY, bytes("entropy"))
  build.call.newInitiator()
  return build.call.initiatorStart(EPHEMERAL, ENTROPY, ACT1)
}

const newResponder = (build: Build, options: CertificateOptions = {}): void => {
  put(build, STATIC_SECRET, staticSecret)
  put(build, STATIC_KEY, staticKey)
  put(build, CERTIFICATE, certificate(options))
  build.call.newResponder(STATIC_SECRET, STATIC_KEY, CERTIFICATE)
}

const respond = (build: Build, options: CertificateOptions = {}): number => {
  newResponder(build, options)
  put(build, EPHEMERAL, bytes("responder"))
  put(build, ENTROPY, bytes("entropy"))
  return build.call.responderRespond(ACT1, EPHEMERAL, ENTROPY, ACT2)
}

const finish = (build: Build, now: number = FROM + 1, tolerance: number = 0): number => {
  put(build, AUTHORITY, schnorr.getPublicKey(authority))
  return build.call.initiatorFinish(ACT2, AUTHORITY, now | 0, tolerance)
}

const whole = (build: Build, options: CertificateOptions = {}): void => {
  expect(start(build)).toBe(HANDSHAKE_OK)
  expect(respond(build, options)).toBe(HANDSHAKE_OK)
}

/** The handshake as 4.5 words it, over other primitives: act 2 and the two keys, initiator's first. */
const specification = () => {
  let ck = sha256(new TextEncoder().encode("Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256"))
  let h = sha256(ck)
  let k = new Uint8Array(0)
  const hkdf = (data: Uint8Array): readonly [Uint8Array, Uint8Array] => {
    const temporary = hmac(sha256, ck, data)
    const one = hmac(sha256, temporary, Uint8Array.of(1))
    return [one, hmac(sha256, temporary, concat(one, Uint8Array.of(2)))]
  }
  const mixHash = (data: Uint8Array): void => void (h = sha256(concat(h, data)))
  const mixKey = (ours: Uint8Array, secret: Uint8Array): void => {
    const shared = new Uint8Array(32)
    curve.ecdh(ellSwift(bytes("initiator")), ours, secret, false, shared)
    const [chainingKey, key] = hkdf(shared)
    ck = new Uint8Array(chainingKey)
    k = new Uint8Array(key)
  }
  const encryptAndHash = (plain: Uint8Array): Uint8Array => {
    const sealed = chacha20poly1305(k, new Uint8Array(12), h).encrypt(plain)
    mixHash(sealed)
    return sealed
  }
  mixHash(ellSwift(bytes("initiator")))
  mixHash(new Uint8Array(0))
  const e = ellSwift(bytes("responder"))
  mixHash(e)
  mixKey(e, bytes("responder"))
  const sealedStatic = encryptAndHash(staticKey)
  mixKey(staticKey, staticSecret)
  const act2 = concat(e, sealedStatic, encryptAndHash(certificate()))
  return { act2, keys: hkdf(new Uint8Array(0)) }
}

/** A plain frame of 7 payload bytes. */
const frame = hex("00801a07000001020304050607")

describe.each(builds)("as $name", (build) => {
  it("begins with the ck and h of the specification (4.5.1)", () => {
    build.call.initialSymmetricState(0)
    expect(take(build, 0, 32)).toBe("2eb47881208e9eee1f669f67c66ee70ea9ea88090d503fe830dc4bc83e29bf10")
    expect(take(build, 32, 32)).toBe("922fa32e4f487c0d59caa3bed7899ce3d98db7e13dbd3b7cf2d23dd433dc6104")
  })

  it("makes the acts and keys that the specification's steps give over other primitives", () => {
    whole(build)
    const expected = specification()
    expect(take(build, ACT1, 64)).toBe(Buffer.from(ellSwift(bytes("initiator"))).toString("hex"))
    expect(expected.act2.length).toBe(ACT2_SIZE)
    expect(take(build, ACT2, ACT2_SIZE)).toBe(Buffer.from(expected.act2).toString("hex"))
    expect(finish(build)).toBe(HANDSHAKE_OK)
    build.call.initiatorPeer(PEER)
    const xOnly = new Uint8Array(32)
    curve.xOnly(staticKey, xOnly)
    expect(take(build, PEER, 106)).toBe(Buffer.from(concat(certificate(), xOnly)).toString("hex"))

    put(build, FRAME, frame)
    for (const [seal, key] of [
      [build.call.initiatorSealFrame, expected.keys[0]],
      [build.call.responderSealFrame, expected.keys[1]]
    ] as const) {
      expect(seal(FRAME, SEALED)).toBe(45)
      const opened = chacha20poly1305(key, new Uint8Array(12)).decrypt(build.arena().slice(SEALED, SEALED + 22))
      expect(Buffer.from(opened).toString("hex")).toBe("00801a070000")
    }
  })

  it("connects both ends, in both directions", () => {
    whole(build)
    expect(finish(build)).toBe(HANDSHAKE_OK)
    for (const [seal, openHeader, openPayload] of [
      [build.call.initiatorSealFrame, build.call.responderOpenHeader, build.call.responderOpenPayload],
      [build.call.responderSealFrame, build.call.initiatorOpenHeader, build.call.initiatorOpenPayload]
    ] as const) {
      for (let i = 0; i < 3; i++) {
        put(build, FRAME, frame)
        seal(FRAME, SEALED)
        expect(openHeader(SEALED)).toBeTruthy()
        expect(openPayload(SEALED + 22, 7)).toBeTruthy()
        expect(take(build, SEALED + 22, 7)).toBe("01020304050607")
      }
    }
  })

  it("does the same again after a reset, and has no keys in between", () => {
    whole(build)
    expect(finish(build)).toBe(HANDSHAKE_OK)
    const act2 = take(build, ACT2, ACT2_SIZE)
    build.call.initiatorReset()
    expectNoKeys()
    build.call.initiatorPeer(PEER)
    expect(take(build, PEER, 106)).toBe("00".repeat(106))
    build.call.responderReset()
    put(build, FRAME, frame)
    expect(build.call.responderSealFrame(FRAME, SEALED)).toBe(-1)
    put(build, EPHEMERAL, bytes("initiator"))
    expect(build.call.initiatorStart(EPHEMERAL, ENTROPY, ACT1)).toBe(HANDSHAKE_OK)
    put(build, EPHEMERAL, bytes("responder"))
    expect(build.call.responderRespond(ACT1, EPHEMERAL, ENTROPY, ACT2)).toBe(HANDSHAKE_OK)
    expect(take(build, ACT2, ACT2_SIZE)).toBe(act2)
    expect(finish(build)).toBe(HANDSHAKE_OK)
  })

  /** After a failed handshake there is no key: nothing can be sent or read. */
  const expectNoKeys = (): void => {
    put(build, FRAME, frame)
    expect(build.call.initiatorSealFrame(FRAME, SEALED)).toBe(-1)
    expect(build.call.initiatorOpenHeader(SEALED)).toBeFalsy()
  }

  it.each([
    ["the ephemeral key", 0, HANDSHAKE_BAD_STATIC_KEY_TAG],
    ["the ephemeral key's end", 63, HANDSHAKE_BAD_STATIC_KEY_TAG],
    ["the static key", 64, HANDSHAKE_BAD_STATIC_KEY_TAG],
    ["the static key's tag", 128, HANDSHAKE_BAD_STATIC_KEY_TAG],
    ["the static key's tag's end", 143, HANDSHAKE_BAD_STATIC_KEY_TAG],
    ["the certificate", 144, HANDSHAKE_BAD_CERTIFICATE_TAG],
    ["the signature", 200, HANDSHAKE_BAD_CERTIFICATE_TAG],
    ["the certificate's tag", 233, HANDSHAKE_BAD_CERTIFICATE_TAG]
  ])("refuses an act 2 in which %s was changed", (_what, at, code) => {
    whole(build)
    put(build, ACT2 + at, Uint8Array.of(build.arena()[ACT2 + at]! ^ 1))
    expect(finish(build)).toBe(code)
    expectNoKeys()
  })

  it("refuses an act 2 that answers another act 1", () => {
    whole(build)
    expect(start(build, bytes("another"))).toBe(HANDSHAKE_OK)
    expect(finish(build)).toBe(HANDSHAKE_BAD_STATIC_KEY_TAG)
    expectNoKeys()
  })

  it("tells what is wrong with a certificate", () => {
    const outcome = (options: CertificateOptions, now: number, tolerance: number): number => {
      whole(build, options)
      const code = finish(build, now, tolerance)
      if (code !== HANDSHAKE_OK) expectNoKeys()
      return code
    }
    expect(outcome({ version: 1 }, FROM, 0)).toBe(HANDSHAKE_CERTIFICATE_VERSION)
    expect(outcome({ signer: bytes("somebody") }, FROM, 0)).toBe(HANDSHAKE_BAD_SIGNATURE)
    // A forged date is a bad signature, whatever the date.
    expect(outcome({ signer: bytes("somebody"), until: FROM - 1 }, FROM, 0)).toBe(HANDSHAKE_BAD_SIGNATURE)
    expect(outcome({}, FROM, 0)).toBe(HANDSHAKE_OK)
    expect(outcome({}, FROM - 1, 0)).toBe(HANDSHAKE_NOT_YET_VALID)
    expect(outcome({}, FROM - 10, 10)).toBe(HANDSHAKE_OK)
    expect(outcome({}, FROM - 11, 10)).toBe(HANDSHAKE_NOT_YET_VALID)
    expect(outcome({}, UNTIL, 0)).toBe(HANDSHAKE_OK)
    expect(outcome({}, UNTIL + 1, 0)).toBe(HANDSHAKE_EXPIRED)
    expect(outcome({}, UNTIL + 10, 10)).toBe(HANDSHAKE_OK)
    expect(outcome({}, UNTIL + 11, 10)).toBe(HANDSHAKE_EXPIRED)
    // Seconds beyond 2^31 (the year 2038), and the ends of U32 where a tolerance would wrap.
    expect(outcome({ from: 0x80000000, until: 0xffffffff }, 0x90000000, 0)).toBe(HANDSHAKE_OK)
    expect(outcome({ from: 0x80000000, until: 0xffffffff }, 0x7fffffff, 0)).toBe(HANDSHAKE_NOT_YET_VALID)
    expect(outcome({ from: 0, until: 0xffffffff }, 0xffffffff, 10)).toBe(HANDSHAKE_OK)
    expect(outcome({ from: 0, until: 0xffffffff }, 0, 10)).toBe(HANDSHAKE_OK)
  })

  it("refuses a secret that is no secret key", () => {
    expect(start(build, new Uint8Array(32))).toBe(HANDSHAKE_BAD_SECRET)
    expect(finish(build)).toBe(HANDSHAKE_OUT_OF_ORDER)
    expect(start(build)).toBe(HANDSHAKE_OK)
    newResponder(build)
    put(build, EPHEMERAL, new Uint8Array(32).fill(0xff))
    expect(build.call.responderRespond(ACT1, EPHEMERAL, ENTROPY, ACT2)).toBe(HANDSHAKE_BAD_SECRET)
  })

  it("refuses an authority key that is no key", () => {
    whole(build)
    put(build, AUTHORITY, new Uint8Array(32).fill(0xff))
    expect(build.call.initiatorFinish(ACT2, AUTHORITY, FROM, 0)).toBe(HANDSHAKE_BAD_SIGNATURE)
    expectNoKeys()
  })

  it("refuses acts that are cut short", () => {
    whole(build)
    put(build, AUTHORITY, schnorr.getPublicKey(authority))
    expect(build.call.initiatorFinishShort(ACT2, ACT2_SIZE - 1, AUTHORITY, FROM, 0)).toBe(HANDSHAKE_TOO_SHORT)
    expectNoKeys()
    newResponder(build)
    expect(build.call.responderRespondShort(ACT1, 63, EPHEMERAL, ENTROPY, ACT2)).toBe(HANDSHAKE_TOO_SHORT)
    expect(build.call.responderSealFrame(FRAME, SEALED)).toBe(-1)
  })

  it("goes through its steps in order and once", () => {
    build.call.newInitiator()
    expect(finish(build)).toBe(HANDSHAKE_OUT_OF_ORDER)
    expect(build.call.initiatorStart(EPHEMERAL, ENTROPY, ACT1)).toBe(HANDSHAKE_OUT_OF_ORDER)

    whole(build)
    expect(build.call.responderRespond(ACT1, EPHEMERAL, ENTROPY, SEALED)).toBe(HANDSHAKE_OUT_OF_ORDER)
    expect(build.call.initiatorStart(EPHEMERAL, ENTROPY, SEALED)).toBe(HANDSHAKE_OUT_OF_ORDER)
    expect(finish(build)).toBe(HANDSHAKE_OUT_OF_ORDER)
    expectNoKeys()

    whole(build)
    expect(finish(build)).toBe(HANDSHAKE_OK)
    expect(finish(build)).toBe(HANDSHAKE_OUT_OF_ORDER)
    // The connection that there is goes on.
    put(build, FRAME, frame)
    build.call.initiatorSealFrame(FRAME, SEALED)
    expect(build.call.responderOpenHeader(SEALED)).toBeTruthy()
  })
})

describe("where the curve refuses the peer's key", () => {
  // Every 64 bytes decode to a key, so this takes a curve that fails.
  it("ends the handshake", async () => {
    const { Initiator, Responder } = await import("../src/handshake.ts")
    class Refusing extends curve.HostCurve {
      override ecdh(): boolean {
        return false
      }
    }
    const initiator = new Initiator(new Refusing())
    expect(initiator.start(bytes("a"), bytes("b"), new Uint8Array(64), 0)).toBe(HANDSHAKE_OK)
    expect(initiator.finish(new Uint8Array(234), 0, new Uint8Array(32), FROM, 0)).toBe(HANDSHAKE_BAD_KEY)
    const responder = new Responder(new Refusing(), staticSecret, staticKey, certificate())
    const act2 = new Uint8Array(234)
    expect(responder.respond(new Uint8Array(64), 0, bytes("a"), bytes("b"), act2, 0)).toBe(HANDSHAKE_BAD_KEY)
    expect(responder.send.isReady()).toBe(false)
  })
})

describe("the two builds", () => {
  it("shake hands with each other", () => {
    for (const [client, server] of [
      [javascript, wasm],
      [wasm, javascript]
    ] as const) {
      expect(start(client)).toBe(HANDSHAKE_OK)
      put(server, ACT1, client.arena().subarray(ACT1, ACT1 + 64))
      expect(respond(server)).toBe(HANDSHAKE_OK)
      put(client, ACT2, server.arena().subarray(ACT2, ACT2 + ACT2_SIZE))
      expect(finish(client)).toBe(HANDSHAKE_OK)
      put(client, FRAME, frame)
      client.call.initiatorSealFrame(FRAME, SEALED)
      put(server, SEALED, client.arena().subarray(SEALED, SEALED + 45))
      expect(server.call.responderOpenHeader(SEALED)).toBeTruthy()
      expect(server.call.responderOpenPayload(SEALED + 22, 7)).toBeTruthy()
    }
  })
})

describe("secrets", () => {
  /** Whether the bytes are anywhere in the module's memory, as they are or as SHA-256 holds them in words. */
  const isInMemory = (secret: Uint8Array): boolean => {
    const memory = Buffer.from(wasm.arena().buffer)
    return memory.includes(Buffer.from(secret)) || memory.includes(Buffer.from(secret).swap32())
  }

  it.each([
    ["succeeded", 0, HANDSHAKE_OK],
    ["failed at the static key", 64, HANDSHAKE_BAD_STATIC_KEY_TAG],
    ["failed at the certificate", 144, HANDSHAKE_BAD_CERTIFICATE_TAG]
  ])("are nowhere in memory after a handshake that %s", (what, change, code) => {
    // Secrets that no other test has used, so that none is left of an unfinished handshake.
    const initiatorSecret = bytes(`initiator, ${what}`)
    const responderSecret = bytes(`responder, ${what}`)
    const shared = (ours: Uint8Array, secret: Uint8Array): Uint8Array => {
      const out = new Uint8Array(32)
      curve.ecdh(ellSwift(initiatorSecret), ours, secret, false, out)
      return out
    }
    expect(start(wasm, initiatorSecret)).toBe(HANDSHAKE_OK)
    newResponder(wasm)
    put(wasm, EPHEMERAL, responderSecret)
    expect(wasm.call.responderRespond(ACT1, EPHEMERAL, ENTROPY, ACT2)).toBe(HANDSHAKE_OK)
    // The caller's own copies are the caller's to forget.
    put(wasm, EPHEMERAL, new Uint8Array(32))
    expect(isInMemory(initiatorSecret)).toBe(true)
    if (change > 0) put(wasm, ACT2 + change, Uint8Array.of(wasm.arena()[ACT2 + change]! ^ 1))
    expect(finish(wasm)).toBe(code)
    expect(isInMemory(initiatorSecret)).toBe(false)
    expect(isInMemory(responderSecret)).toBe(false)
    expect(isInMemory(shared(ellSwift(responderSecret), responderSecret))).toBe(false)
    expect(isInMemory(shared(staticKey, staticSecret))).toBe(false)
  })

  it("are nowhere in memory after a handshake that was given up", () => {
    const secret = bytes("given up")
    expect(start(wasm, secret)).toBe(HANDSHAKE_OK)
    put(wasm, EPHEMERAL, new Uint8Array(32))
    expect(isInMemory(secret)).toBe(true)
    wasm.call.initiatorClear()
    expect(isInMemory(secret)).toBe(false)
    expect(finish(wasm)).toBe(HANDSHAKE_OUT_OF_ORDER)
  })
})
