/**
 * The numbers of declared jobs as Effect metrics. They read the machine's counts when they are read. The label `upstream` is the
 * pool's address in the configuration.
 */
import { metricReaders } from "@sluice/transport"
import { Effect, Metric } from "effect"
import { DECLARATION_CODES } from "./declaration-tally.ts"
import type { DeclaredMachine } from "./machine.ts"

const counter = (name: string, description: string) =>
  Metric.counter(`sluice_proxy_declared_${name}`, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(`sluice_proxy_declared_${name}`, { description })

const connected = gauge("declarator_connected", "1 while the pool's declarator is connected, else 0")
const kept = gauge("shares_kept", "Shares that wait for the pool to take their job")
const declared = counter("jobs_total", "Jobs of the proxy's own that were declared")
const acknowledged = counter("jobs_acknowledged_total", "Declared jobs whose shares the pool takes")
const refused = counter("jobs_refused_total", "Declared jobs that were refused, by error code")
const pushed = counter("solutions_pushed_total", "Blocks that were pushed to the declarator")
const solo = gauge("solo", "1 while miners mine for the solo address, else 0")

/** Registers the metrics until the Scope closes. */
export const registerDeclarationMetrics = (machine: DeclaredMachine, names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { count, read } = yield* metricReaders
    yield* read(solo, {}, () => (machine.solo !== undefined && machine.active === machine.solo ? 1 : 0))
    for (const [index, upstream] of names.entries()) {
      const tally = machine.declarator(index)?.tally
      if (tally === undefined) continue
      yield* read(connected, { upstream }, () => (machine.declarator(index)?.isConnected === true ? 1 : 0))
      yield* read(kept, { upstream }, () => tally.kept)
      yield* count(declared, { upstream }, () => tally.declared)
      yield* count(acknowledged, { upstream }, () => tally.acknowledged)
      yield* count(pushed, { upstream }, () => tally.pushed)
      for (const reason of DECLARATION_CODES) {
        yield* count(refused, { upstream, reason }, () => tally.refusedWith(reason))
      }
    }
  })
