/**
 * The numbers of a proxy's upstreams as Effect metrics, beside those of the server of miners. They read the machine's counts when they
 * are read. The label `upstream` is the address in the configuration.
 */
import { metricReaders } from "@sluice/transport"
import { Effect, Metric, type Scope } from "effect"
import type { PerMinerMachine } from "../per-miner/machine.ts"
import type { UpstreamMachine } from "./machine.ts"
import { REFUSAL_CODES } from "./upstream-tally.ts"

const counter = (name: string, description: string) =>
  Metric.counter(`sluice_proxy_upstream_${name}`, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(`sluice_proxy_upstream_${name}`, { description })

const active = gauge("active", "1 for the upstream that work comes from, else 0")
const connected = gauge("connected", "1 while the upstream has a channel open for the proxy, else 0")
const pending = gauge("shares_pending", "Shares that the upstream has not answered")
const passedOn = counter("shares_passed_on_total", "Shares that were sent to the upstream")
const accepted = counter("shares_accepted_total", "Shares that the upstream accepted")
const difficulty = counter("shares_accepted_difficulty_total", "Sum of the difficulties of shares that it accepted")
const refused = counter("shares_refused_total", "Shares that the upstream refused, by error code")
const unanswered = counter(
  "shares_unanswered_total",
  "Shares without an answer when a connection to the upstream ended"
)
const late = counter("shares_late_total", "Shares that were not sent because their block was over at the upstream")
const lost = counter("shares_lost_total", "Shares found while the upstream was away that it could not be given later")

/** Registers the metrics of all upstreams until the Scope closes. */
export const registerMetrics = (
  machine: Pick<UpstreamMachine | PerMinerMachine, "active" | "upstream">,
  names: ReadonlyArray<string>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { count, read } = yield* metricReaders
    for (const [index, upstream] of names.entries()) {
      const labels = { upstream }
      const { tally } = machine.upstream(index)
      yield* read(active, labels, () => (machine.active === index ? 1 : 0))
      yield* read(connected, labels, () => (machine.upstream(index).isOpen ? 1 : 0))
      yield* read(pending, labels, () => machine.upstream(index).pending)
      yield* count(passedOn, labels, () => tally.passedOn)
      yield* count(accepted, labels, () => tally.accepted)
      yield* count(difficulty, labels, () => tally.acceptedDifficulty)
      yield* count(unanswered, labels, () => tally.unanswered)
      yield* count(late, labels, () => tally.late)
      yield* count(lost, labels, () => tally.lost)
      for (const reason of REFUSAL_CODES) {
        yield* count(refused, { ...labels, reason }, () => tally.refusedWith(reason))
      }
    }
  })
