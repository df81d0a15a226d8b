/** The jobs that clients set themselves (specification, section 5.3.18), as a server of miners takes them. */
import type { CustomJobs, SourceShare } from "@sluice/channels"
import type { Effect } from "effect"

export interface CustomWork {
  /** Makes the acceptor for the jobs of one connection from this host. */
  readonly of: (host: string) => CustomJobs
  /**
   * Takes the blocks of such jobs, once each. The server knows their coinbase and header; only their client, and a declarator to
   * which it declared them, have their transactions.
   */
  readonly submit: (block: SourceShare) => Effect.Effect<void>
}
