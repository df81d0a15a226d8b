/** Both builds of the portable core against the handshakes of the conformance vectors. */
import { createHash } from "node:crypto"
import { Handshake } from "@sluice/core"
import { expandHex } from "@sluice/testing/compact-json"
import { describe, expect, test } from "vitest"
import vectors from "../../conformance/vectors/handshake.json" with { type: "json" }
import { type CoreBuild, coreBuilds } from "./core-builds.ts"

const { handshakes, refusals } = vectors
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const CODES: Readonly<Record<string, number>> = {
  "bad-static-key-tag": Handshake.HANDSHAKE_BAD_STATIC_KEY_TAG,
  "bad-certificate-tag": Handshake.HANDSHAKE_BAD_CERTIFICATE_TAG,
  "certificate-version": Handshake.HANDSHAKE_CERTIFICATE_VERSION,
  "bad-signature": Handshake.HANDSHAKE_BAD_SIGNATURE,
  "not-yet-valid": Handshake.HANDSHAKE_NOT_YET_VALID,
  expired: Handshake.HANDSHAKE_EXPIRED,
  "too-short": Handshake.HANDSHAKE_TOO_SHORT
}

// Places in a build's arena.
const SECRET = 0
const STATIC_SECRET = 64
const STATIC_KEY = 96
const CERTIFICATE = 160
const AUTHORITY = 256
const ACT1 = 300
const ACT2 = 400
const PLAIN = 1000
const WIRE = 200_000

type Handshake = (typeof handshakes)[number]

const put = (build: CoreBuild, at: number, digits: string): void => build.arena().set(hex(digits), at)
const take = (build: CoreBuild, at: number, length: number): Uint8Array => build.arena().slice(at, at + length)

const start = (build: CoreBuild, { inputs }: Handshake): void => {
  put(build, SECRET, inputs.initiatorEphemeralSecret)
  build.call.newInitiator()
  expect(build.call.initiatorStart(SECRET, SECRET, ACT1)).toBe(Handshake.HANDSHAKE_OK)
}

const respond = (build: CoreBuild, { certificate, inputs }: Handshake): void => {
  put(build, STATIC_SECRET, inputs.responderStaticSecret)
  put(build, STATIC_KEY, inputs.responderStaticEncoding)
  put(build, CERTIFICATE, certificate.bytes)
  build.call.newResponder(STATIC_SECRET, STATIC_KEY, CERTIFICATE)
  put(build, SECRET, inputs.responderEphemeralSecret)
  expect(build.call.responderRespond(ACT1, SECRET, SECRET, ACT2)).toBe(Handshake.HANDSHAKE_OK)
}

describe.each(await coreBuilds(handshakes.map(({ inputs }) => inputs)))("core as $name", (build) => {
  test.each(handshakes)("$title: both sides send these bytes and agree", (handshake) => {
    start(build, handshake)
    expect(hexOf(take(build, ACT1, Handshake.ACT1_SIZE))).toBe(handshake.act1)
    respond(build, handshake)
    expect(hexOf(take(build, ACT2, Handshake.ACT2_SIZE))).toBe(handshake.act2)
    put(build, AUTHORITY, handshake.authorityPublicKey)
    const { validFrom } = handshake.inputs.certificate
    expect(build.call.initiatorFinish(ACT2, AUTHORITY, (validFrom + 1) | 0, 0)).toBe(Handshake.HANDSHAKE_OK)
    build.call.initiatorPeer(PLAIN)
    expect(hexOf(take(build, PLAIN, 74))).toBe(handshake.certificate.bytes)
    expect(hexOf(take(build, PLAIN + 74, 32))).toBe(handshake.responderStaticKey)

    for (const { from, plain, wireLength, ...expected } of handshake.frames) {
      const frame = expandHex(plain)
      build.arena().set(frame, PLAIN)
      const isInitiator = from === "initiator"
      const { call } = build
      const seal = isInitiator ? call.initiatorSealFrame : call.responderSealFrame
      expect(seal(PLAIN, WIRE)).toBe(wireLength)
      const wire = take(build, WIRE, wireLength)
      if ("wire" in expected) expect(hexOf(wire)).toBe(expected.wire)
      else expect(createHash("sha256").update(wire).digest("hex")).toBe(expected.wireSha256)
      const openHeader = isInitiator ? call.responderOpenHeader : call.initiatorOpenHeader
      const openPayload = isInitiator ? call.responderOpenPayload : call.initiatorOpenPayload
      expect(Boolean(openHeader(WIRE))).toBe(true)
      expect(Buffer.compare(take(build, WIRE, 6), frame.subarray(0, 6))).toBe(0)
      expect(Boolean(openPayload(WIRE + 22, frame.length - 6))).toBe(true)
      expect(Buffer.compare(take(build, WIRE + 22, frame.length - 6), frame.subarray(6))).toBe(0)
    }
  })

  test.each(refusals.cases)("refuses act 2: $title", ({ act2, authorityPublicKey, error, now }) => {
    start(
      build,
      handshakes.find(({ title }) => title === refusals.handshake)!
    )
    put(build, ACT2, act2)
    put(build, AUTHORITY, authorityPublicKey)
    const length = act2.length / 2
    const code =
      length < Handshake.ACT2_SIZE
        ? build.call.initiatorFinishShort(ACT2, length, AUTHORITY, now, 0)
        : build.call.initiatorFinish(ACT2, AUTHORITY, now, 0)
    expect(code).toBe(CODES[error])
  })
})
