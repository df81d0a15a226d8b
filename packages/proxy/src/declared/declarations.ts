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
