/** Our own servers keep every rule that they can be tried on. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Conformance } from "../src/index.ts"
import { check, others } from "./worlds.ts"

/** Every rule takes its time, on a busy machine more. */
const TIMEOUT_MS = 120_000

describe("our pool", () => {
  it.live(
    "keeps the rules of a mining server",
    () =>
      Effect.gen(function* () {
        const results = yield* check({ protocol: "mining", noise: true })
        expect(others(results)).toEqual({
          "jobs.fixed-version": "the server lets versions be rolled",
          "shares.version-fixed": "the server's jobs allow version rolling"
        })
        expect(results.map(({ id }) => id)).toEqual(Conformance.rulesFor("mining").map(({ id }) => id))
      }),
    TIMEOUT_MS
  )

  it.live(
    "keeps them with a fixed version too",
    () =>
      Effect.gen(function* () {
        const results = yield* check({
          protocol: "mining",
          pool: { versionRolling: false },
          only: ["jobs.", "shares."]
        })
        expect(others(results)).toEqual({
          "jobs.version-rolling": "the server refuses connections with REQUIRES_VERSION_ROLLING"
        })
      }),
    TIMEOUT_MS
  )
})

describe("our pool", () => {
  it.live(
    "keeps the rules about custom jobs where each must have been declared",
    () =>
      Effect.gen(function* () {
        const results = yield* check({
          protocol: "mining",
          declarator: { requireFullTemplate: true },
          only: ["custom."]
        })
        expect(others(results)).toEqual({})
      }),
    TIMEOUT_MS
  )
})

describe("our job declarator", () => {
  it.live(
    "keeps the rules of a job declarator",
    () =>
      Effect.gen(function* () {
        const results = yield* check({ protocol: "job-declaration", noise: true })
        expect(others(results)).toEqual({})
        expect(results.map(({ id }) => id)).toEqual(Conformance.rulesFor("job-declaration").map(({ id }) => id))
      }),
    TIMEOUT_MS
  )
})

describe("our template provider", () => {
  it.live(
    "keeps the rules of a template provider",
    () =>
      Effect.gen(function* () {
        expect(others(yield* check({ protocol: "template-distribution", noise: true }))).toEqual({})
      }),
    TIMEOUT_MS
  )
})
