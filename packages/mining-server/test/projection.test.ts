import { assert, it } from "@effect/vitest"
import type { ChannelInfo, ChannelOpened, ShareAccepted, ShareRefused } from "@sluice/channels"
import { Effect, Metric } from "effect"
import { makeMetrics } from "../src/statistics/metrics.ts"
import { Projection } from "../src/statistics/projection.ts"

const info = (channelId: number, userIdentity: string): ChannelInfo => ({
  connectionId: 1,
  channelId,
  kind: "extended",
  userIdentity
})

const share = (channel: ChannelInfo, difficulty: number, hashDifficulty: number): ShareAccepted => ({
  _tag: "ShareAccepted",
  at: 1_700_000_000_000,
  channel,
  sequenceNumber: 1,
  jobId: 1,
  height: 1,
  difficulty,
  hashDifficulty,
  hash: new Uint8Array(32),
  worker: undefined,
  isBlock: false
})

const refusal = (channel: ChannelInfo | undefined, errorCode: string): ShareRefused => ({
  _tag: "ShareRefused",
  connectionId: 1,
  channelId: 2,
  channel,
  sequenceNumber: 1,
  errorCode
})

const open = (channel: ChannelInfo): ChannelOpened => ({
  _tag: "ChannelOpened",
  channel,
  nominalHashRate: 1,
  difficulty: 4
})

it("counts a share once for its channel, once for its user and once in the total", () => {
  const projection = new Projection(10, 0)
  const [first, second] = [info(2, "alice.1"), info(3, "alice.2")]
  for (const event of [open(first), open(second)]) projection.record(event, 1000)
  for (const event of [share(first, 4, 9), share(second, 8, 8), refusal(second, "stale-share")]) {
    projection.record(event, 2000)
  }
  projection.record(refusal(undefined, "invalid-channel-id"), 2000)
  projection.record({ _tag: "TargetChanged", channel: second, difficulty: 16 }, 3000)
  const [one, two] = [first, second].map((channel) => projection.users.channel(channel)!.stats(4000))
  assert.deepInclude(one, { channel: first, openedAt: 1000, accepted: 1, acceptedDifficulty: 4, bestDifficulty: 9 })
  assert.deepInclude(one, { difficulty: 4, refused: {}, blocks: 0 })
  assert.deepInclude(two, { accepted: 1, acceptedDifficulty: 8, difficulty: 16, refused: { "stale-share": 1 } })
  const user = projection.users.get("alice")!.stats(4000)
  assert.deepInclude(user, { accepted: 2, acceptedDifficulty: 12, bestDifficulty: 9, refused: { "stale-share": 1 } })
  assert.deepInclude(user, { channels: 2, firstSeenAt: 1000, lastShareAt: 2000 })
  const all = projection.stats({ upstream: { _tag: "Connecting" }, height: 7, connections: 1 }, 4000)
  assert.deepInclude(all, { accepted: 2, acceptedDifficulty: 12, users: 1, height: 7 })
  assert.deepStrictEqual(all.refused, { "stale-share": 1, "invalid-channel-id": 1 })
  assert.deepStrictEqual(all.channels, { standard: 0, extended: 2 })
})

it.effect("shows refusals as metrics by their reason until the server stops", () =>
  Effect.gen(function* () {
    const projection = new Projection(10, 0)
    const counts = Effect.map(Metric.snapshot, (snapshot) =>
      snapshot.flatMap(({ attributes, id, state }) =>
        id === "sluice_pool_shares_refused_total" ? [[attributes?.["reason"], (state as { count: number }).count]] : []
      )
    )
    yield* Effect.gen(function* () {
      yield* makeMetrics({
        projection,
        connections: () => 0,
        groups: () => 1,
        height: () => 0,
        isUpstreamConnected: () => true
      })
      assert.deepStrictEqual(yield* counts, [])
      for (const code of ["stale-share", "duplicate-share", "stale-share"])
        projection.record(refusal(undefined, code), 0)
      assert.sameDeepMembers(yield* counts, [
        ["stale-share", 2],
        ["duplicate-share", 1]
      ])
    }).pipe(Effect.scoped)
    assert.deepStrictEqual(yield* counts, [])
  })
)
