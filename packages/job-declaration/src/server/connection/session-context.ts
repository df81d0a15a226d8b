/** What a connection's machine shares with the others of its server, and what it gives out. */
import type { JobDeclaration } from "@sluice/protocol"
import type { FairLimit } from "../../custom-job/fair-limit.ts"
import type { PayoutRules } from "../../custom-job/payout-rules.ts"
import type { Tokens } from "../../token/tokens.ts"
import type { ChainTip } from "../blocks/block-check.ts"
import type { DeclaredJobs, FoundBlock } from "../blocks/declared-jobs.ts"
import type { SessionEvent } from "../event.ts"
import type { TransactionStore } from "../mempool/transaction-store.ts"
import type { Declaration } from "./declaration.ts"

/** What all connections of a server share. */
export interface SessionContext {
  readonly tokens: Tokens
  readonly store: TransactionStore
  readonly jobs: DeclaredJobs
  /** What all addresses share: unexpired tokens, declarations being checked, and bytes of these and of accepted jobs. */
  readonly limits: { readonly tokens: FairLimit; readonly declarations: FairLimit; readonly bytes: FairLimit }
  /** The same for one connection. */
  readonly maxOfConnection: { readonly tokens: number; readonly declarations: number; readonly bytes: number }
  /** The place of the next block; undefined until the node has said it. */
  readonly tip: () => ChainTip | undefined
  /** Whether the node judges proposed blocks. */
  readonly hasProposals: () => boolean
  readonly payout: () => PayoutRules
  /** 16 random bytes. */
  readonly newSerial: () => Uint8Array
  readonly times: SessionTimes
}

export interface SessionTimes {
  readonly tokenLifetimeMs: number
  /** How long a client has for the transactions that it is asked for. */
  readonly transactionsMs: number
  /** How long a declaration waits for the node to see the block that it builds on. */
  readonly tipMs: number
  /** How long a declaration waits for the node's verdict. */
  readonly verdictMs: number
}

/** What a call of the machine gives. */
export interface SessionOutbox {
  readonly replies: Array<JobDeclaration.ToClient>
  readonly events: Array<SessionEvent>
  /** Declarations that wait for the node's verdict: ask for `proposalOf`, then call `onVerdict`. */
  readonly proposals: Array<Declaration>
  readonly blocks: Array<FoundBlock>
  /** How many messages were at fault. */
  faults: number
  /** Why the connection is to end, if it is. */
  end: string | undefined
}

export const sessionOutbox = (): SessionOutbox => ({
  replies: [],
  events: [],
  proposals: [],
  blocks: [],
  faults: 0,
  end: undefined
})
