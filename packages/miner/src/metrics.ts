/** Metrics of miners, from their events; one series for each user. */
import { Effect, Metric } from "effect"
import type { MinerEvent } from "./event.ts"

const shares = Metric.counter("sluice_miner_shares_total", {
  description: "Shares by what became of them: submitted, accepted, refused, stale, unanswered",
  incremental: true
})
const blocks = Metric.counter("sluice_miner_blocks_total", {
  description: "Hashes that met the network's target",
  incremental: true
})
const connections = Metric.counter("sluice_miner_connections_total", { incremental: true })
const hashRate = Metric.gauge("sluice_miner_hashes_per_second", { description: "Over the last half minute" })

/** Updates the metrics by events. */
export const record = (user: string, events: ReadonlyArray<MinerEvent>): Effect.Effect<void> =>
  Effect.forEach(events, (event) => measure(user, event), { discard: true })

const measure = (user: string, event: MinerEvent): Effect.Effect<void> => {
  const count = (result: string, number: number) =>
    Metric.update(Metric.withAttributes(shares, { user, result }), number)
  switch (event._tag) {
    case "ShareSubmitted":
      return count("submitted", 1)
    case "ShareAccepted":
      return count("accepted", event.count)
    case "ShareRefused":
      return count("refused", 1)
    case "ShareStale":
      return count("stale", 1)
    case "Disconnected":
      return count("unanswered", event.unanswered)
    case "BlockFound":
      return Metric.update(Metric.withAttributes(blocks, { user }), 1)
    case "Connected":
      return Metric.update(Metric.withAttributes(connections, { user }), 1)
    case "HashRate":
      return Metric.update(Metric.withAttributes(hashRate, { user }), event.hashesPerSecond)
    default:
      return Effect.void
  }
}
