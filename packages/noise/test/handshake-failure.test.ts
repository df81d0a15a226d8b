import { describe, expect, it } from "@effect/vitest"
import { Handshake } from "@sluice/core"
import { handshakeFailure } from "@sluice/noise"

describe("handshakeFailure", () => {
  it("has a sentence of its own for every code with which an initiator refuses act 2", () => {
    const refusals = Object.entries(Handshake).filter(
      ([name]) => name.startsWith("HANDSHAKE_") && !/_(OK|OUT_OF_ORDER|TOO_SHORT|BAD_SECRET)$/.test(name)
    )
    const sentences = refusals.map(([, code]) => handshakeFailure(code as number))
    expect(sentences).toHaveLength(7)
    expect(new Set(sentences).size).toBe(7)
    for (const sentence of sentences) expect(sentence).not.toContain("code")
  })

  it("names a code that it does not know", () => {
    expect(handshakeFailure(99)).toBe("the handshake failed with code 99")
  })
})
