/** Counts of a job declarator, for `DeclarationServer.stats` and its metrics. */
import type { DeclarationEvent } from "./event.ts"

/** Totals since the start, and what there is now. */
export interface DeclarationStats {
  readonly connections: number
  readonly tokensAllocated: number
  readonly jobsDeclared: number
  /** Counts of refused declarations by error code. */
  readonly jobsRefused: Readonly<Record<string, number>>
  /** Transactions of accepted jobs, and those of them that clients sent. */
  readonly transactions: number
  readonly transactionsSent: number
  readonly messagesIgnored: number
  readonly blocksFound: number
  /** Counts of submitted blocks by verdict. */
  readonly verdicts: Readonly<Record<string, number>>
  /** The height of the next block; 0 before the node has said it, or without a node. */
  readonly height: number
  /** Unexpired tokens, declarations that are being checked, and accepted jobs that are kept. */
  readonly tokens: number
  readonly declarations: number
  readonly jobs: number
  readonly mempool: { readonly transactions: number; readonly bytes: number; readonly memoryBytes: number }
}

/** The part of the statistics that events make. */
export class DeclarationCounts {
  connections = 0
  tokensAllocated = 0
  jobsDeclared = 0
  transactions = 0
  transactionsSent = 0
  messagesIgnored = 0
  blocksFound = 0
  readonly jobsRefused: Record<string, number> = {}
  readonly verdicts: Record<string, number> = {}

  count(event: DeclarationEvent): void {
    switch (event._tag) {
      case "ConnectionOpened":
        this.connections++
        return
      case "ConnectionClosed":
        this.connections--
        return
      case "TokenAllocated":
        this.tokensAllocated++
        return
      case "JobDeclared":
        this.jobsDeclared++
        this.transactions += event.transactions
        this.transactionsSent += event.missing
        return
      case "JobRefused":
        this.jobsRefused[event.errorCode] = (this.jobsRefused[event.errorCode] ?? 0) + 1
        return
      case "MessageIgnored":
        this.messagesIgnored++
        return
      case "BlockFound":
        this.blocksFound++
        return
      case "BlockSubmitted":
        this.verdicts[event.verdict] = (this.verdicts[event.verdict] ?? 0) + 1
    }
  }
}
