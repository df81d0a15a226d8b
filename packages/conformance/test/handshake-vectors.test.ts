/** The handshakes of `vectors/handshake.json`, made by noble alone. */
import { AuthorityKey } from "@sluice/noise"
import { makeHandshake, makeRefusals } from "@sluice/testing/handshake-vectors"
import { Redacted, Result } from "effect"
import { expect, test } from "vitest"
import vectors from "../vectors/handshake.json" with { type: "json" }

const { handshakes, refusals } = vectors
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

test("the file equals the output of the reference implementation over noble, with every intermediate value", () => {
  for (const handshake of handshakes) {
    expect(JSON.parse(JSON.stringify(makeHandshake(handshake.title, handshake.inputs)))).toEqual(handshake)
  }
  const { inputs } = handshakes.find(({ title }) => title === refusals.handshake)!
  expect(makeRefusals(inputs)).toEqual(refusals.cases)
})

test.each(handshakes)("the keys of $title are read and written as text", (handshake) => {
  const publicKey = Result.getOrThrow(AuthorityKey.parsePublicKey(handshake.authorityPublicKeyText))
  expect(hexOf(publicKey)).toBe(handshake.authorityPublicKey)
  expect(AuthorityKey.formatPublicKey(publicKey)).toBe(handshake.authorityPublicKeyText)
  const secretKey = Result.getOrThrow(AuthorityKey.parseSecretKey(handshake.authoritySecretText))
  expect(hexOf(Redacted.value(secretKey))).toBe(handshake.inputs.authoritySecret)
})
