/** Statistics of several servers as those of one. */
import { addUsers, mergeStats, type MiningServerStats, NO_COUNTS, addCounts } from "@sluice/mining-server"
import { assert, describe, it } from "vitest"

const statsWith = (fields: Partial<MiningServerStats>): MiningServerStats => ({
  startedAt: 1000,
  upstream: { _tag: "Connected", server: "here" },
  height: 5,
  connections: 2,
  channels: { standard: 1, extended: 2 },
  users: 3,
  templates: 4,
  prevHashes: 2,
  customJobs: { accepted: 1, refused: { "invalid-mining-job-token": 1 } },
  accepted: 10,
  acceptedDifficulty: 20,
  refused: { "stale-share": 1 },
  blocks: 1,
  bestDifficulty: 7,
  hashRates: { oneMinute: 1, fiveMinutes: 2, oneHour: 3, sinceStart: 4 },
  latency: { count: 4, last: 1, mean: 2, max: 3 },
  ...fields
})

describe("statistics of two servers", () => {
  it("are sums, and one count of what both were told", () => {
    const other = statsWith({
      height: 6,
      templates: 3,
      refused: { "stale-share": 2, "invalid-job-id": 1 },
      bestDifficulty: 9,
      latency: { count: 12, last: 2, mean: 6, max: 8 }
    })
    const merged = mergeStats([statsWith({}), other], NO_COUNTS, { now: 11_000, startedAt: 1000 })
    assert.deepStrictEqual(merged, {
      startedAt: 1000,
      upstream: { _tag: "Connected", server: "here" },
      height: 6,
      connections: 4,
      channels: { standard: 2, extended: 4 },
      users: 6,
      templates: 4,
      prevHashes: 2,
      customJobs: { accepted: 2, refused: { "invalid-mining-job-token": 2 } },
      accepted: 20,
      acceptedDifficulty: 40,
      refused: { "stale-share": 3, "invalid-job-id": 1 },
      blocks: 2,
      bestDifficulty: 9,
      hashRates: { oneMinute: 2, fiveMinutes: 4, oneHour: 6, sinceStart: (40 * 2 ** 32) / 10 },
      latency: { count: 16, last: 2, mean: 5, max: 8 }
    })
  })

  it("tell of the upstream that one of them has lost", () => {
    const lost = { _tag: "Disconnected", server: "here", reason: "it ended" } as const
    const merged = mergeStats([statsWith({}), statsWith({ upstream: lost })], NO_COUNTS, { now: 1, startedAt: 0 })
    assert.deepStrictEqual(merged.upstream, lost)
  })

  it("keep the counts of a server that has ended, and not its connections", () => {
    const past = addCounts(addCounts(NO_COUNTS, statsWith({})), statsWith({ templates: 9 }))
    const merged = mergeStats([statsWith({})], past, { now: 11_000, startedAt: 1000 })
    assert.deepInclude(merged, { accepted: 30, blocks: 3, connections: 2, users: 3, templates: 9 })
    const none = mergeStats([], past, { now: 11_000, startedAt: 1000 })
    assert.deepInclude(none, { accepted: 20, connections: 0, upstream: { _tag: "Connecting" } })
  })

  it("have a user's counts from both", () => {
    const rates = { oneMinute: 1, fiveMinutes: 1, oneHour: 1, sinceStart: 1 }
    const user = {
      user: "alice",
      channels: 1,
      accepted: 2,
      acceptedDifficulty: 3,
      refused: { a: 1 },
      blocks: 0,
      bestDifficulty: 4,
      hashRates: rates,
      firstSeenAt: 50,
      lastShareAt: 60
    }
    assert.deepStrictEqual(addUsers(user, { ...user, firstSeenAt: 40, lastShareAt: 0, bestDifficulty: 1 }), {
      ...user,
      channels: 2,
      accepted: 4,
      acceptedDifficulty: 6,
      refused: { a: 2 },
      hashRates: { oneMinute: 2, fiveMinutes: 2, oneHour: 2, sinceStart: 2 },
      firstSeenAt: 40
    })
  })
})
