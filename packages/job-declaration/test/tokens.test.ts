import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { type DeclaredJob, digestOfJob, type Token, TokenKey, Tokens, tokenUser } from "../src/index.ts"

const key = TokenKey(new Uint8Array(32).fill(7))
const tokens = new Tokens(key)
const now = 1_800_000_000

const allocated: Omit<Token, "declared"> = {
  mode: "full-template",
  expiresAt: now + 60,
  serial: Uint8Array.from({ length: 16 }, (_, index) => index),
  user: tokenUser("alice.rig1")
}
const job: DeclaredJob = {
  version: 0x20000000,
  prevHash: new Uint8Array(32).fill(1),
  coinbaseTxVersion: 2,
  coinbasePrefix: Uint8Array.of(2, 0x65, 0),
  coinbaseTxInputNSequence: 0xfffffffe,
  coinbaseTxOutputs: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x51),
  coinbaseTxLocktime: 100,
  merklePath: [new Uint8Array(32).fill(2), new Uint8Array(32).fill(3)]
}

const bothKinds = (): ReadonlyArray<Uint8Array> => [
  tokens.allocate(allocated),
  tokens.declare({ ...allocated, declared: undefined }, job)
]

describe("Tokens", () => {
  it("reads back what an allocated token says, in both modes", () => {
    for (const mode of ["full-template", "coinbase-only"] as const) {
      const token = tokens.allocate({ ...allocated, mode })
      expect(tokens.read(token, now)).toEqual(Result.succeed({ ...allocated, mode, declared: undefined }))
    }
  })

  it("reads back what a declared token says, with the serial and expiry of the allocated one", () => {
    const first = Result.getOrThrow(tokens.read(tokens.allocate(allocated), now))
    const read = tokens.read(tokens.declare(first, job), now)
    expect(read).toEqual(Result.succeed({ ...allocated, declared: digestOfJob(job) }))
  })

  it("has at most 255 bytes, as the wire carries", () => {
    expect(bothKinds().map(({ length }) => length)).toEqual([86, 230])
  })

  it("refuses a token with any bit of any byte changed as forged", () => {
    for (const token of bothKinds()) {
      for (let at = 0; at < token.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const changed = token.with(at, token[at]! ^ (1 << bit))
          expect(tokens.read(changed, now)).toEqual(Result.fail("forged"))
        }
      }
    }
  })

  it("refuses every shorter token, and a longer one, as forged", () => {
    for (const token of bothKinds()) {
      for (let length = 0; length < token.length; length++) {
        expect(tokens.read(token.subarray(0, length), now)).toEqual(Result.fail("forged"))
      }
      expect(tokens.read(new Uint8Array([...token, 0]), now)).toEqual(Result.fail("forged"))
    }
  })

  it("refuses any bytes that it has not made", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 255 }), (bytes) => {
        expect(tokens.read(bytes, now)).toEqual(Result.fail("forged"))
      }),
      { examples: [[new Uint8Array(86)], [new Uint8Array(230)]] }
    )
  })

  it("refuses a token made with another key", () => {
    const others = new Tokens(TokenKey(new Uint8Array(32).fill(8)))
    expect(others.read(tokens.allocate(allocated), now)).toEqual(Result.fail("forged"))
  })

  it("refuses a token from its expiry on, and a forged one never as expired", () => {
    const [token] = bothKinds()
    expect(Result.isSuccess(tokens.read(token!, allocated.expiresAt - 1))).toBe(true)
    expect(tokens.read(token!, allocated.expiresAt)).toEqual(Result.fail("expired"))
    expect(tokens.read(token!.with(9, token![9]! ^ 1), allocated.expiresAt)).toEqual(Result.fail("forged"))
  })

  it("reads a token that is a view on a larger buffer", () => {
    const token = tokens.allocate(allocated)
    const buffer = new Uint8Array(token.length + 9)
    buffer.set(token, 5)
    const read = Result.getOrThrow(tokens.read(buffer.subarray(5, 5 + token.length), now))
    buffer.fill(0)
    expect(read).toEqual({ ...allocated, declared: undefined })
  })

  it("says of each field of a declared job whether it differs", () => {
    const other: DeclaredJob = {
      version: job.version + 1,
      prevHash: job.prevHash.with(31, 9),
      coinbaseTxVersion: 1,
      coinbasePrefix: job.coinbasePrefix.with(0, 1),
      coinbaseTxInputNSequence: 0,
      coinbaseTxOutputs: job.coinbaseTxOutputs.with(1, 1),
      coinbaseTxLocktime: 99,
      merklePath: job.merklePath.slice(1)
    }
    const [digest, otherDigest] = [digestOfJob(job), digestOfJob(other)]
    for (const field of Object.keys(other) as Array<keyof DeclaredJob>) {
      expect(digest[field]).not.toEqual(otherDigest[field])
    }
  })

  it("has one user for all workers of an account", () => {
    expect(tokenUser("alice")).toEqual(tokenUser("alice.rig1"))
    expect(tokenUser("alice")).not.toEqual(tokenUser("bob.rig1"))
    expect(tokenUser("alice")).not.toEqual(tokenUser("Alice"))
  })

  it("refuses parts of a wrong size instead of writing a token that says something else", () => {
    expect(() => tokens.allocate({ ...allocated, serial: new Uint8Array(15) })).toThrow(RangeError)
    expect(() => tokens.allocate({ ...allocated, user: new Uint8Array(31) })).toThrow(RangeError)
    const token = { ...allocated, declared: undefined }
    expect(() => tokens.declare(token, { ...job, prevHash: new Uint8Array(33) })).toThrow(RangeError)
  })
})

describe("TokenKey", () => {
  it("has 32 bytes", () => {
    expect(() => TokenKey(new Uint8Array(31))).toThrow("a token key has 32 bytes; got 31")
  })

  it("shows itself in no text", () => {
    const shown = `${String(key)} ${JSON.stringify(key)} ${inspect(tokens, { depth: 9 })}`
    expect(shown).not.toMatch(/0707|7,7/)
    expect(shown).toContain("token key")
  })
})
