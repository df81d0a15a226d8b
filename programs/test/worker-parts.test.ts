/** The parts of `--workers` that need no process. */
import { defaultExtranonceLayout, ExtranonceSpace } from "@sluice/channels"
import { Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { BackOff } from "../src/workers/back-off.ts"
import { MergedMetrics } from "../src/workers/merged-metrics.ts"
import { firstIds, MAX_WORKERS, startOfConnection } from "../src/workers/messages.ts"
import { Placement } from "../src/workers/placement.ts"
import { segmentOf } from "../src/workers/share-segment.ts"

const HOUR_MS = 3_600_000

/** Starts of workers: which one, how many milliseconds after the one before it, and how many prefixes it gives. */
const starts = fc.record({
  workers: fc.integer({ min: 2, max: MAX_WORKERS }),
  began: fc.integer({ min: 1.7e12, max: 1.9e12 }),
  all: fc.array(
    fc.record({
      number: fc.nat(),
      afterMs: fc.integer({ min: 0, max: 5_000 }),
      channels: fc.integer({ min: 1, max: 6 })
    }),
    { minLength: 2, maxLength: 40 }
  )
})

/** The ids that the primary gives, as it does: each start a millisecond later than the one before. */
const idsOf = ({ all, began, workers }: typeof starts extends fc.Arbitrary<infer A> ? A : never) => {
  let now = began
  return all.map(({ afterMs, channels, number: any }, started) => {
    const number = (any % workers) + 1
    now += Math.max(1, afterMs)
    return { number, channels, at: now, ...firstIds(number, workers, started, now) }
  })
}

describe("workers", () => {
  it("never give a prefix twice, also not those that replace others", () => {
    fc.assert(
      fc.property(starts, (given) => {
        const prefixes = new Set<string>()
        let count = 0
        for (const { channels, firstJobId, number } of idsOf(given)) {
          // As Templates lays out the extranonce of a worker.
          const run = firstJobId % 2 ** 32
          const upstreamPrefix = Uint8Array.of(run >>> 24, run >>> 16, run >>> 8, run)
          const layout = { ...defaultExtranonceLayout, fullSize: 24, upstreamPrefix, serverId: Uint8Array.of(number) }
          const space = Result.getOrThrow(ExtranonceSpace.make(layout))
          for (let channel = 0; channel < channels; channel++) {
            const { prefix } = channel % 2 === 0 ? space.takeStandard()! : space.takeExtended(8)!
            prefixes.add(Buffer.from(prefix.subarray(0, 8)).toString("hex"))
            count++
          }
        }
        assert.strictEqual(prefixes.size, count)
      })
    )
  })

  it("give job ids that no other worker gives within eighteen hours", () => {
    const moment = fc.integer({ min: 1.7e12, max: 1.9e12 })
    const apart = fc.integer({ min: -18 * HOUR_MS, max: 18 * HOUR_MS })
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: MAX_WORKERS }),
        fc.nat(),
        fc.nat(),
        moment,
        apart,
        (workers, a, b, at, later) => {
          const [one, other] = [a % workers, b % workers]
          fc.pre(one !== other)
          // Ids follow the clock, so a worker that starts now begins with the id that one started earlier has reached.
          const idAt = (number: number, now: number) => firstIds(number + 1, workers, 0, now).firstJobId % 2 ** 32
          assert.notStrictEqual(idAt(one, at), idAt(other, at + later))
        }
      )
    )
  })

  it("number their connections so that the number tells the worker", () => {
    for (const started of [0, 1, 2, 1000]) {
      const { firstConnectionId } = firstIds(1, 2, started, 0)
      for (const connection of [0, 1, 999_999]) {
        assert.strictEqual(startOfConnection(firstConnectionId + connection), firstConnectionId)
      }
    }
    assert.strictEqual(firstIds(1, 2, 0, 0).firstConnectionId, 1)
  })

  it("each append to a share log of their own", () => {
    assert.strictEqual(segmentOf("/var/lib/pool/shares.ndjson", 2), "/var/lib/pool/shares.2.ndjson")
    assert.strictEqual(segmentOf("shares", 1), "shares.1")
  })

  it("are replaced soon, and later each time if they keep ending", () => {
    const backOff = new BackOff()
    const delays = [0, 0, 0, 0, 0, 0, 0, 0, 0].map((lived) => backOff.next(lived))
    assert.deepStrictEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    assert.strictEqual(backOff.next(60_000), 250)
  })
})

describe("connections", () => {
  class Worker {
    load = 0
  }

  it("are shared evenly, whatever their addresses", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 400 }), (addresses) => {
        const workers = [new Worker(), new Worker(), new Worker()]
        const placement = new Placement<Worker>()
        for (const address of addresses) placement.choose(`192.0.2.${address}`, workers)!.load++
        const loads = workers.map(({ load }) => load)
        assert.isAtMost(Math.max(...loads) - Math.min(...loads), 1 + (Math.min(...loads) >> 5))
      })
    )
  })

  it("of an address come back to its worker while that has hardly more than the others", () => {
    const [one, other] = [new Worker(), new Worker()]
    const placement = new Placement<Worker>()
    one.load = 100
    other.load = 100
    const first = placement.choose("192.0.2.1", [one, other])!
    assert.strictEqual(placement.choose("192.0.2.1", [other, one]), first)
    first.load = 103
    assert.strictEqual(placement.choose("192.0.2.1", [other, one]), first)
    first.load = 104
    assert.notStrictEqual(placement.choose("192.0.2.1", [one, other]), first)
  })

  it("go to no worker that has ended", () => {
    const [one, other] = [new Worker(), new Worker()]
    const placement = new Placement<Worker>()
    one.load = 1
    assert.strictEqual(placement.choose("192.0.2.1", [one, other]), other)
    assert.strictEqual(placement.choose("192.0.2.1", [one]), one)
    assert.isUndefined(placement.choose("192.0.2.1", []))
  })
})

describe("metrics of several processes", () => {
  const text = (accepted: number, height: number, connected: number, rss: number) =>
    [
      "# HELP sluice_pool_shares_accepted_total Shares that were accepted",
      "# TYPE sluice_pool_shares_accepted_total counter",
      `sluice_pool_shares_accepted_total ${accepted}`,
      "# HELP sluice_pool_shares_refused_total Shares that were refused, by error code",
      "# TYPE sluice_pool_shares_refused_total counter",
      `sluice_pool_shares_refused_total{reason="stale-share"} 2`,
      "# TYPE sluice_ledger_last_settlement_timestamp_seconds gauge",
      `sluice_ledger_last_settlement_timestamp_seconds ${height}`,
      "# TYPE sluice_ledger_waiting_shares gauge",
      `sluice_ledger_waiting_shares ${height}`,
      "# TYPE sluice_pool_block_height gauge",
      `sluice_pool_block_height ${height}`,
      "# TYPE sluice_pool_upstream_connected gauge",
      `sluice_pool_upstream_connected ${connected}`,
      "# TYPE sluice_pool_connections gauge",
      `sluice_pool_connections 5`,
      "# TYPE sluice_pool_reply_seconds histogram",
      `sluice_pool_reply_seconds_bucket{le="0.1"} 3`,
      `sluice_pool_reply_seconds_bucket{le="+Inf"} 4`,
      "sluice_pool_reply_seconds_sum 0.5",
      "sluice_pool_reply_seconds_count 4",
      "# TYPE process_resident_memory_bytes gauge",
      `process_resident_memory_bytes ${rss}`,
      ""
    ].join("\n")

  it("are sums, the state of all, or labelled with the worker", () => {
    const merged = new MergedMetrics().merge([
      { worker: 1, text: text(10, 7, 1, 100) },
      { worker: 2, text: text(5, 8, 0, 200) }
    ])
    assert.deepStrictEqual(
      merged.split("\n").filter((line) => line !== "" && !line.startsWith("#")),
      [
        "sluice_pool_shares_accepted_total 15",
        `sluice_pool_shares_refused_total{reason="stale-share"} 4`,
        "sluice_ledger_last_settlement_timestamp_seconds 8",
        "sluice_ledger_waiting_shares 15",
        "sluice_pool_block_height 8",
        "sluice_pool_upstream_connected 0",
        "sluice_pool_connections 10",
        `sluice_pool_reply_seconds_bucket{le="0.1"} 6`,
        `sluice_pool_reply_seconds_bucket{le="+Inf"} 8`,
        "sluice_pool_reply_seconds_sum 1",
        "sluice_pool_reply_seconds_count 8",
        `process_resident_memory_bytes{worker="1"} 100`,
        `process_resident_memory_bytes{worker="2"} 200`
      ]
    )
    assert.strictEqual(merged.match(/# TYPE sluice_pool_connections gauge/g)?.length, 1)
  })

  it("keep the counts of a worker that has ended, and nothing else of it", () => {
    const metrics = new MergedMetrics()
    metrics.keep(text(10, 9, 0, 100))
    const merged = metrics.merge([{ worker: 2, text: text(5, 8, 1, 200) }])
    assert.include(merged, "sluice_pool_shares_accepted_total 15\n")
    assert.include(merged, "sluice_pool_reply_seconds_count 8\n")
    assert.include(merged, "sluice_pool_connections 5\n")
    assert.include(merged, "sluice_pool_upstream_connected 1\n")
    assert.include(merged, "sluice_pool_block_height 8\n")
    assert.notInclude(merged, `{worker="1"}`)
  })
})
