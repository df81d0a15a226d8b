/** The jobs that a proxy declared, for statistics and metrics. */
import { Context, type Effect, Schema } from "effect"
import { DeclarationCounts } from "./declaration-tally.ts"

export const DeclaredStats = Schema.Struct({
  /** The pool's address in the configuration, or solo mining. */
  name: Schema.String,
  /** Jobs of the proxy's own that are declared to the pool, the pool's own jobs, or solo mining. */
  kind: Schema.Literals(["declared", "pool", "solo"]),
  isActive: Schema.Boolean,
  /** Where the proxy is connected, or will connect; empty without a declarator. */
  declarator: Schema.String,
  isDeclaratorConnected: Schema.Boolean,
  ...DeclarationCounts.fields
})
export type DeclaredStats = typeof DeclaredStats.Type

export class Declarations extends Context.Service<
  Declarations,
  {
    /** The counts of each source of jobs, the preferred one first. */
    readonly stats: Effect.Effect<ReadonlyArray<DeclaredStats>>
  }
>()("sluice/proxy/Declarations") {}

/**
 * The counts of the same sources of jobs in several proxies together. A source is in use, and its declarator connected, if it is so in
 * one of them.
 */
export const mergeDeclared = (proxies: ReadonlyArray<ReadonlyArray<DeclaredStats>>): ReadonlyArray<DeclaredStats> => {
  const [first = [], ...others] = proxies
  return others.reduce((all, next) => all.map((one, index) => add(one, next[index]!)), first)
}

const add = (a: DeclaredStats, b: DeclaredStats): DeclaredStats => {
  const refused: Record<string, number> = { ...a.refused }
  for (const [code, count] of Object.entries(b.refused)) refused[code] = (refused[code] ?? 0) + count
  return {
    name: a.name,
    kind: a.kind,
    isActive: a.isActive || b.isActive,
    declarator: a.isDeclaratorConnected ? a.declarator : b.declarator,
    isDeclaratorConnected: a.isDeclaratorConnected || b.isDeclaratorConnected,
    declared: a.declared + b.declared,
    acknowledged: a.acknowledged + b.acknowledged,
    refused,
    pushed: a.pushed + b.pushed,
    kept: a.kept + b.kept
  }
}
