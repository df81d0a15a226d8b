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

/**
 * The counts of the same upstreams in several proxies together. An upstream is in use if it is so in one of them, and disconnected if
 * it is so in all.
 */
export const mergeUpstreams = (proxies: ReadonlyArray<ReadonlyArray<UpstreamStats>>): ReadonlyArray<UpstreamStats> => {
  const [first = [], ...others] = proxies
  return others.reduce((all, next) => all.map((one, index) => add(one, next[index]!)), first)
}

const STATES = ["active", "reserve", "disconnected"] as const

const add = (a: UpstreamStats, b: UpstreamStats): UpstreamStats => {
  const refused: Record<string, number> = { ...a.refused }
  for (const [code, count] of Object.entries(b.refused)) refused[code] = (refused[code] ?? 0) + count
  const state = STATES.find((state) => a.state === state || b.state === state)!
  return {
    name: a.name,
    connectedTo: a.state === state ? a.connectedTo : b.connectedTo,
    state,
    pending: a.pending + b.pending,
    passedOn: a.passedOn + b.passedOn,
    accepted: a.accepted + b.accepted,
    acceptedDifficulty: a.acceptedDifficulty + b.acceptedDifficulty,
    refused,
    unanswered: a.unanswered + b.unanswered,
    late: a.late + b.late,
    lost: a.lost + b.lost
  }
}
