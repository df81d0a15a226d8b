import { describe, expect, it } from "@effect/vitest"
import { bytes } from "@sluice/testing/templates"
import { redirected } from "../src/upstream/redirect.ts"
import { addressOf } from "./scripted-pool.ts"

describe("a Reconnect", () => {
  const plain = addressOf(1)
  const noise = { ...plain, security: { _tag: "noise", authorityKey: bytes(1) } } as const

  it("leads anywhere with Noise, whose handshake proves the same key, and to the same host without", () => {
    expect(redirected(noise, "elsewhere", 0)).toEqual({ ...noise, host: "elsewhere" })
    expect(redirected(noise, "", 5)).toEqual({ ...noise, port: 5 })
    expect(redirected(plain, "", 0)).toEqual(plain)
    expect(redirected(plain, "pool", 5)).toEqual({ ...plain, port: 5 })
    expect(redirected(plain, "elsewhere", 0)).toBeUndefined()
  })

  it("leads to no host that cannot be one", () => {
    for (const host of ["x\0.a.b.c", "a b", "\n", "a..b", "[::1]"]) expect(redirected(noise, host, 0)).toBeUndefined()
    for (const host of ["10.0.0.1", "::1", "my_pool", "pool.example."]) {
      expect(redirected(noise, host, 0)).toEqual({ ...noise, host })
    }
  })
})
