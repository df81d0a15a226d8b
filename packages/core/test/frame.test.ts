import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { describe, expect, it } from "vitest"
import { builds, hex, put, take, type Build } from "./builds.ts"

const KEY = 0
const FRAME = 1_000
const SEALED = 2_000_000

/** A plain frame whose payload counts up. */
const plainFrame = (payload: number): Uint8Array => {
  const frame = Uint8Array.from({ length: 6 + payload }, (_, i) => i * 7)
  frame.set([0, 0x80, 0x1a, payload, payload >> 8, payload >> 16])
  return frame
}

const sealed = (build: Build, payload: number): Uint8Array => {
  put(build, FRAME, plainFrame(payload))
  const length = build.call.cipherSealFrame(FRAME, SEALED)
  return build.arena().slice(SEALED, SEALED + length)
}

const start = (build: Build, key: number): void => {
  put(build, KEY, new Uint8Array(32).fill(key))
  build.call.cipherKey(KEY)
}

describe.each(builds)("as $name", (build) => {
  it("writes and reads the header of a frame (3.2)", () => {
    build.call.writeFrameHeader(0, 0x8000, 0x1f, 0x123456)
    expect(take(build, 0, 6)).toBe("00801f563412")
    expect(build.call.frameExtensionType(0)).toBe(0x8000)
    expect(build.call.frameMessageType(0)).toBe(0x1f)
    expect(build.call.framePayloadLength(0)).toBe(0x123456)
    // SetupConnection, NewTemplate and SetNewPrevHash as another implementation writes them.
    for (const [type, length, bytes] of [
      [0x00, 82, "000000520000"],
      [0x71, 0, "000071000000"],
      [0x72, 0, "000072000000"]
    ] as const) {
      build.call.writeFrameHeader(0, 0, type, length)
      expect(take(build, 0, 6)).toBe(bytes)
    }
  })

  it.each([
    [0, 0],
    [1, 17],
    [65518, 65534],
    [65519, 65535],
    [65520, 65535 + 17],
    [131038, 131070],
    [131039, 131070 + 17],
    [0xffffff, 256 * 65535 + (0xffffff - 256 * 65519) + 16]
  ])("a payload of %i bytes takes %i on the wire (4.6)", (plain, encrypted) => {
    expect(build.call.encryptedPayloadLength(plain)).toBe(encrypted)
  })

  it.each([0, 1, 100, 65519, 65520, 200_000])("seals and opens a payload of %i bytes", (payload) => {
    start(build, 1)
    const bytes = sealed(build, payload)
    expect(bytes.length).toBe(22 + build.call.encryptedPayloadLength(payload))
    expect(build.call.cipherOpenHeader(SEALED)).toBeTruthy()
    expect(take(build, SEALED, 6)).toBe(Buffer.from(plainFrame(payload).subarray(0, 6)).toString("hex"))
    expect(build.call.cipherOpenPayload(SEALED + 22, payload)).toBeTruthy()
    expect(take(build, SEALED + 22, payload)).toBe(Buffer.from(plainFrame(payload).subarray(6)).toString("hex"))
  })

  it("takes one nonce for the header and one for each block", () => {
    start(build, 2)
    const key = new Uint8Array(32).fill(2)
    const bytes = sealed(build, 65520)
    const part = (counter: number, from: number, to: number) => {
      const nonce = new Uint8Array(12)
      nonce[4] = counter
      return Buffer.from(chacha20poly1305(key, nonce).decrypt(bytes.subarray(from, to))).toString("hex")
    }
    const plain = Buffer.from(plainFrame(65520)).toString("hex")
    expect(part(0, 0, 22)).toBe(plain.slice(0, 12))
    expect(part(1, 22, 22 + 65535)).toBe(plain.slice(12, 12 + 2 * 65519))
    expect(part(2, 22 + 65535, 22 + 65535 + 17)).toBe(plain.slice(-2))
  })

  it("refuses a changed header without spending the nonce, and a frame sent again", () => {
    start(build, 3)
    const bytes = sealed(build, 10)
    put(build, SEALED, bytes.with(5, bytes[5]! ^ 1))
    expect(build.call.cipherOpenHeader(SEALED)).toBeFalsy()
    put(build, SEALED, bytes)
    expect(build.call.cipherOpenHeader(SEALED)).toBeTruthy()
    expect(build.call.cipherOpenPayload(SEALED + 22, 10)).toBeTruthy()
    put(build, SEALED, bytes)
    expect(build.call.cipherOpenHeader(SEALED)).toBeFalsy()
  })

  it("refuses a payload of which one block was changed, left out or cut short", () => {
    start(build, 4)
    const bytes = sealed(build, 70_000)
    const open = (change: (bytes: Uint8Array) => void, payload = 70_000) => {
      start(build, 4)
      const copy = bytes.slice()
      change(copy)
      put(build, SEALED, copy)
      expect(build.call.cipherOpenHeader(SEALED)).toBeTruthy()
      return build.call.cipherOpenPayload(SEALED + 22, payload)
    }
    expect(open(() => {})).toBeTruthy()
    expect(open((copy) => (copy[22 + 65535] = copy[22 + 65535]! ^ 1))).toBeFalsy()
    expect(open((copy) => copy.copyWithin(22, 22 + 65535))).toBeFalsy()
    expect(open(() => {}, 69_999)).toBeFalsy()
  })

  it("does nothing without a key", () => {
    start(build, 5)
    build.call.cipherClear()
    put(build, SEALED, hex("ee".repeat(40)))
    put(build, FRAME, plainFrame(10))
    expect(build.call.cipherIsReady()).toBeFalsy()
    expect(build.call.cipherSealFrame(FRAME, SEALED)).toBe(-1)
    expect(build.call.cipherOpenHeader(SEALED)).toBeFalsy()
    expect(build.call.cipherOpenPayload(SEALED, 10)).toBeFalsy()
    expect(build.call.cipherEncrypt(0, 0, SEALED, 10)).toBeFalsy()
    expect(take(build, SEALED, 40)).toBe("ee".repeat(40))
  })

  it("begins no frame with the last 2^32 nonces, ends one that it began, and never uses nonce 2^64 - 1", () => {
    start(build, 6)
    build.call.cipherNonce(-1, -2)
    const bytes = sealed(build, 70_000)
    expect(bytes.length).toBe(22 + 70_032)
    expect(build.call.cipherOpenHeader(SEALED)).toBeTruthy()
    expect(build.call.cipherOpenPayload(SEALED + 22, 70_000)).toBeTruthy()
    expect(build.call.cipherIsReady()).toBeFalsy()
    expect(build.call.cipherSealFrame(FRAME, SEALED)).toBe(-1)
    build.call.cipherNonce(-2, -1)
    expect(build.call.cipherEncrypt(0, 0, FRAME, 10)).toBeTruthy()
    expect(build.call.cipherEncrypt(0, 0, FRAME, 10)).toBeFalsy()
  })
})
