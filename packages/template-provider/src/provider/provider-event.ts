/** What happens in a template provider, for programs that show or record it. */
import type { Endpoint } from "@sluice/transport"

export type TemplateProviderEvent =
  | { readonly _tag: "NodeReachable"; readonly height: number }
  /** `message` is also in the log. */
  | { readonly _tag: "NodeUnavailable"; readonly message: string }
  | { readonly _tag: "ClientConnected"; readonly remote: Endpoint }
  | { readonly _tag: "ClientDisconnected"; readonly remote: Endpoint }
  /**
   * `tip`: for a new previous block; `full`: with the node's transactions, after a `tip` without any; `fees`: better than the
   * template before. Values are satoshis.
   */
  | {
      readonly _tag: "NewTemplate"
      readonly cause: "tip" | "full" | "fees"
      /** The height of the block to be mined. */
      readonly height: number
      readonly transactions: number
      readonly value: bigint
      readonly clients: number
    }
  | { readonly _tag: "SolutionRefused"; readonly templateId: bigint; readonly reason: string }
  /** `hash` in display order; `verdict` is `accepted` or BIP22's reason; `node` is its name if there are several. */
  | {
      readonly _tag: "BlockSubmitted"
      readonly hash: string
      readonly height: number
      readonly verdict: string
      readonly node?: string
    }
  /** `warning`: clients may work on old templates; `ill`: clients are disconnected. */
  | { readonly _tag: "HealthChanged"; readonly health: "well" | "warning" | "ill"; readonly message: string }

/** The verdict of a node that accepts the block. */
export const ACCEPTED = "accepted"

/** Totals since the start. */
export interface TemplateProviderStats {
  readonly clients: number
  readonly isNodeReachable: boolean
  readonly health: "well" | "warning" | "ill"
  /** The height of the block that is mined at present; 0 before the node's first answer. */
  readonly height: number
  readonly tipChanges: number
  readonly feeUpdates: number
  /** NewTemplate messages, counted for each client. */
  readonly templatesSent: number
  /** Milliseconds from the node's announcement of a block until it was written to a client's connection. */
  readonly latency: { readonly count: number; readonly last: number; readonly mean: number; readonly max: number }
  readonly solutionsRefused: number
  /** Counts of blocks by verdict. */
  readonly verdicts: Readonly<Record<string, number>>
}
