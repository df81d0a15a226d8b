/** Metrics that are read from counts that stand elsewhere, when an exporter reads them: they cost nothing for what is counted. */
import { Effect, Metric } from "effect"

type Labels = Record<string, string>

/** Registers such metrics, each until its Scope closes. */
export const metricReaders = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const register = <Input, State>(metric: Metric.Metric<Input, State>, get: () => State) =>
    Effect.acquireRelease(
      Effect.sync(() => Metric.registerUnsafe(metric, context, { get, update: ignore, modify: ignore })),
      ({ remove }) => Effect.sync(remove)
    )
  return {
    read: (metric: Metric.Gauge<number>, labels: Labels, value: () => number) =>
      register(Metric.withAttributes(metric, labels), () => ({ value: value() })),
    count: (metric: Metric.Counter<number>, labels: Labels, value: () => number) =>
      register(Metric.withAttributes(metric, labels), () => ({ count: value(), incremental: true }))
  }
})

const ignore = (): void => {}
