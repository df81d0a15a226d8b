/** What a script that checks a client has to work with, and the rules that it is for. */
import type { Common } from "@sluice/protocol"
import type { Endpoint } from "@sluice/transport"
import type { Effect } from "effect"
import type { Peer } from "../peer.ts"
import type { RuleText } from "../rule.ts"
import type { Wire } from "../wire.ts"
import type { Conduct, ToServer } from "./conduct.ts"
import type { Forgery } from "./credentials.ts"
import type { Ledger } from "./ledger.ts"
import type { MiningBooks } from "./mining/mining-books.ts"
import type { TemplateBooks } from "./template/template-books.ts"
import type { RuleBroken, RuleSkipped } from "../verdict.ts"

/** A rule that binds clients; the kit is their server. */
export interface ClientRule extends RuleText {
  /**
   * The session: succeeds where the rule was kept. What the ledger has under the rule's name is judged behind it, whichever
   * session that came up in.
   */
  readonly check: (kit: ClientKit) => Effect.Effect<void, RuleBroken | RuleSkipped>
  /** It is judged with every message, and has no session of its own: it is tried last. */
  readonly observed?: boolean
}

/** Makes rules for clients of the protocol. */
export const clientRule =
  (protocol: ClientRule["protocol"]) =>
  (id: string, section: string, title: string, check: ClientRule["check"]): ClientRule => ({
    id,
    section,
    title,
    side: "client",
    protocol,
    check
  })

/** A connection that a client has made, its handshake through. */
export interface Visitor {
  readonly peer: Peer
  readonly conduct: Conduct
  /** Answers messages, once it is set. */
  host: ((message: ToServer, now: number) => ReadonlyArray<Uint8Array>) | undefined
}

/** A client with a channel that it mines on. */
export interface Miner extends Visitor {
  readonly setup: Common.SetupConnection
  readonly books: MiningBooks
}

/** A client that has been given templates. */
export interface TemplateUser extends Visitor {
  readonly setup: Common.SetupConnection
  readonly books: TemplateBooks
}

export interface AcceptOptions {
  /** A certificate that is not to be trusted; a good one. */
  readonly forgery?: Forgery
  /** What the server writes is altered so, from the handshake on. */
  readonly alter?: Parameters<Wire["alter"]>[0]
  /** Which of the kit's addresses; either. */
  readonly at?: "here" | "elsewhere"
  /** Leaves the connection before open. */
  readonly beside?: boolean
}

export interface ClientKit {
  readonly protocol: "mining" | "template-distribution"
  /** Whether connections are encrypted (4). */
  readonly encrypted: boolean
  readonly answerMs: number
  readonly quietMs: number
  /** How long a share, or a block, may take. */
  readonly shareMs: number
  readonly sharesPerMinute: number
  readonly ledger: Ledger
  readonly random: (size: number) => Uint8Array
  /** The kit's other address, where a client can be sent. */
  readonly elsewhere: Endpoint | undefined
  /** The client's next connection; ends the one before. Skips the rule where the client does not come. */
  readonly accept: (options?: AcceptOptions) => Effect.Effect<Visitor, RuleSkipped>
  /** Whether a new connection comes in time; it waits for `accept`. */
  readonly comes: (at: "here" | "elsewhere") => Effect.Effect<boolean>
  /** Ends the connection that is open. */
  readonly end: Effect.Effect<void>
  /** What goes on from one rule to the next. */
  readonly state: KitState
}

export interface KitState {
  /** A client that the rules before have left at work. */
  miner?: Miner | undefined
  templateUser?: TemplateUser | undefined
  /** Of all connections: a client may bring a solution that it found while it had none. */
  templates?: TemplateBooks
  /** Why there is no client at work, and will be none. */
  hopeless?: string
  /** The client was made to wait for the answer to SetupConnection. */
  hasWaited?: boolean
  /** The client was watched for so long that what did not come will not come. */
  hasObserved?: boolean
  /** Solutions of templates do not come: the client has no miners. */
  noSolutions?: boolean
}
