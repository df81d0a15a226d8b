/** The upstreams of a proxy, for statistics and metrics. */
import { Context, type Effect, Schema } from "effect"
import { UpstreamCounts } from "./upstream-tally.ts"

export const UpstreamStats = Schema.Struct({
  /** The address in the configuration. */
  name: Schema.String,
  /** Where the proxy is connected, or will connect: a Reconnect may have changed it. */
  connectedTo: Schema.String,
  state: Schema.Literals(["active", "reserve", "disconnected"]),
  /** Shares without an answer so far. */
  pending: Schema.Finite,
  ...UpstreamCounts.fields
})
export type UpstreamStats = typeof UpstreamStats.Type

export class Upstreams extends Context.Service<
  Upstreams,
  {
    /** The counts of each upstream, the preferred one first. */
    readonly stats: Effect.Effect<ReadonlyArray<UpstreamStats>>
  }
>()("sluice/proxy/Upstreams") {}
