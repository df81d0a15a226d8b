/** Events of a job declarator: plain data for logs, tables and other programs. */
import type { ErrorCode } from "@sluice/protocol"
import type { Device, Endpoint } from "@sluice/transport"
import type { TokenMode } from "../token/tokens.ts"

interface OfConnection {
  readonly connectionId: number
  readonly remote: Endpoint
}

export type DeclarationEvent =
  | (OfConnection & { readonly _tag: "ConnectionOpened"; readonly mode: TokenMode; readonly device: Device })
  | (OfConnection & { readonly _tag: "ConnectionClosed"; readonly reason: string })
  | (OfConnection & { readonly _tag: "TokenAllocated"; readonly userIdentifier: string })
  /** The node does not have some transactions, and the client was asked for them. */
  | (OfConnection & { readonly _tag: "TransactionsRequested"; readonly missing: number; readonly transactions: number })
  /** `ms` from DeclareMiningJob to DeclareMiningJob.Success. */
  | (OfConnection & {
      readonly _tag: "JobDeclared"
      readonly height: number
      readonly transactions: number
      readonly missing: number
      readonly ms: number
    })
  | (OfConnection & {
      readonly _tag: "JobRefused"
      readonly errorCode: ErrorCode.DeclareMiningJob
      readonly details: string
    })
  /** A message that changes nothing, such as transactions that nobody asked for, or a solution that makes no block. */
  | (OfConnection & { readonly _tag: "MessageIgnored"; readonly reason: string })
  /** `hash` in display order. `by`: who told of the solution. */
  | { readonly _tag: "BlockFound"; readonly hash: string; readonly height: number; readonly by: "client" | "pool" }
  /** `verdict` is `accepted` or BIP22's reason. */
  | { readonly _tag: "BlockSubmitted"; readonly hash: string; readonly height: number; readonly verdict: string }
  /** The node's tip changed; `height` is that of the next block. */
  | { readonly _tag: "TipChanged"; readonly height: number }

/** An event without the connection that it is of. */
export type SessionEvent = DeclarationEvent extends infer Event
  ? Event extends OfConnection
    ? Omit<Event, keyof OfConnection>
    : never
  : never
