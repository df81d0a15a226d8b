/** What a monitor looks at: a running server of miners, and what else its program tells. */
import type { MiningServerCalls } from "@sluice/mining-server"
import type { Effect } from "effect"
import type { ConfigurationKey } from "./api/journal.ts"
import type { Role } from "./api/overview.ts"
import type { UpstreamView } from "./api/work.ts"

export interface Monitored {
  readonly role: Role
  /** A pool or a proxy, or the statistics of several processes behind the same calls. */
  readonly server: Pick<MiningServerCalls, "stats" | "users" | "user" | "events" | "closeChannel" | "reconnect">
  /** All upstreams. Without it, the one of the statistics is shown. */
  readonly upstreams?: Effect.Effect<ReadonlyArray<UpstreamView>>
  /** The configuration in force, without secrets. */
  readonly configuration?: ReadonlyArray<ConfigurationKey>
}
