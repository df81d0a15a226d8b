/** Our own miner and pool keep every rule that they can be tried on. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Conformance } from "../src/index.ts"
import { checkClient } from "./client-worlds.ts"
import { withEachSolution } from "./faults.ts"
import { others } from "./worlds.ts"

/** Every rule takes its time, on a busy machine more. */
const TIMEOUT_MS = 120_000

/** Rules about messages that our miner never sends while it mines. */
const NOT_SHOWN = {
  "client-close.channel": "no CloseChannel came",
  "client-close.reason": "no CloseChannel came",
  "client-extensions.first": "the client requested no extensions",
  "client-update.channel": "no UpdateChannel came",
  "client-update.hash-rate": "no UpdateChannel came"
}

const WITHOUT_NOISE = Object.fromEntries(
  Conformance.clientRules
    .filter(
      ({ id }) => id.startsWith("client-noise.") || ["client-frames.bad-tag", "client-reconnect.authority"].includes(id)
    )
    .map(({ id }) => [id, "the client is served without Noise"])
)

const WITHOUT_EXTENDED = {
  "client-open.extranonce-size": "the client requested no extended channel",
  "client-open.kind": "the client requested no extended channel",
  "client-shares.extranonce": "no extended share came"
}

describe("our miner", () => {
  it.live(
    "keeps the rules of a mining client on an extended channel",
    () =>
      Effect.gen(function* () {
        const results = yield* checkClient({ protocol: "mining", noise: true })
        expect(others(results)).toEqual(NOT_SHOWN)
        expect(results.map(({ id }) => id)).toEqual(Conformance.clientRulesFor("mining").map(({ id }) => id))
      }),
    TIMEOUT_MS
  )
})

describe("our miner", () => {
  it.live(
    "keeps them on a standard channel with jobs of its own",
    () =>
      Effect.gen(function* () {
        const needsGroups = "the client has REQUIRES_STANDARD_JOBS, and with it no groups"
        const needsRoots = "the client's jobs come with their merkle root (REQUIRES_STANDARD_JOBS)"
        const results = yield* checkClient({ protocol: "mining", miner: { channel: "standard" } })
        expect(others(results)).toEqual({
          ...NOT_SHOWN,
          ...WITHOUT_NOISE,
          ...WITHOUT_EXTENDED,
          "client-groups.changed": needsGroups,
          "client-jobs.group": needsGroups,
          "client-prefix.earlier-jobs": needsRoots,
          "client-prefix.later-jobs": needsRoots,
          "client-target.group": needsGroups
        })
      }),
    TIMEOUT_MS
  )

  it.live(
    "keeps them on a standard channel with a group's jobs",
    () =>
      Effect.gen(function* () {
        const miner = { channel: "standard", requiresStandardJobs: false } as const
        const results = yield* checkClient({ protocol: "mining", miner })
        expect(others(results)).toEqual({ ...NOT_SHOWN, ...WITHOUT_NOISE, ...WITHOUT_EXTENDED })
      }),
    TIMEOUT_MS
  )
})

describe("our proxy", () => {
  it.live(
    "keeps the rules of a client that declares jobs",
    () =>
      Effect.gen(function* () {
        const results = yield* checkClient({ protocol: "job-declaration", noise: true })
        expect(others(results)).toEqual({ "client-extensions.first": NOT_SHOWN["client-extensions.first"] })
      }),
    TIMEOUT_MS
  )
})

describe("our pool", () => {
  it.live(
    "keeps the rules of a template client",
    () =>
      Effect.gen(function* () {
        expect(others(yield* checkClient({ protocol: "template-distribution", noise: true }))).toEqual({
          "client-extensions.first": NOT_SHOWN["client-extensions.first"],
          "client-transactions.error": "the client requested no transactions",
          "client-transactions.known": "the client requested no transactions"
        })
      }),
    TIMEOUT_MS
  )

  it.live(
    "keeps those about transactions too, where it asks for them",
    () =>
      Effect.gen(function* () {
        const results = yield* checkClient({
          protocol: "template-distribution",
          fault: () => withEachSolution((templateId) => templateId),
          quietTime: "2 seconds",
          only: ["client-transactions."]
        })
        expect(others(results)).toEqual({})
      }),
    TIMEOUT_MS
  )
})
