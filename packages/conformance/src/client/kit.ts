/** Rules that bind clients, and the tools of the scripts that check them. */
import type { Common } from "@sluice/protocol"
import type { Endpoint } from "@sluice/transport"
import type { Effect } from "effect"
import type { Peer } from "../peer.ts"
import type { RuleText, ServedProtocol } from "../rule.ts"
import type { Wire } from "../wire.ts"
import type { Conduct, ToServer } from "./conduct.ts"
import type { Forgery } from "./credentials.ts"
import type { Ledger } from "./ledger.ts"
import type { DeclarationBooks } from "./declaration/declaration-books.ts"
import type { MiningBooks } from "./mining/mining-books.ts"
import type { TemplateBooks } from "./template/template-books.ts"
import type { RuleBroken, RuleSkipped } from "../verdict.ts"

/** A rule that binds clients; the kit is their server. */
export interface ClientRule extends RuleText {
  /**
   * Runs the session. Succeeds if the client kept the rule. A breach that the ledger holds under the rule's id also fails
   * the rule, whichever session recorded it.
   */
  readonly check: (kit: ClientKit) => Effect.Effect<void, RuleBroken | RuleSkipped>
  /** The rule is judged with every message and has no session of its own, so it is checked last. */
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

/** A connection of the client, after the handshake. */
export interface Visitor {
  readonly peer: Peer
  readonly conduct: Conduct
  /** Answers messages, if it is set. */
  host: ((message: ToServer, now: number) => ReadonlyArray<Uint8Array>) | undefined
}

/** A mining client after the setup. */
export interface Miner extends Visitor {
  readonly setup: Common.SetupConnection
  readonly books: MiningBooks
}

/** A template client after the setup. */
export interface TemplateUser extends Visitor {
  readonly setup: Common.SetupConnection
  readonly books: TemplateBooks
}

/** A job declaration client after the setup. */
export interface Declarer extends Visitor {
  readonly setup: Common.SetupConnection
  readonly books: DeclarationBooks
}

export interface AcceptOptions {
  /** Shows a certificate that the client must not trust. A valid one by default. */
  readonly forgery?: Forgery
  /** Alters the bytes that the kit writes, from the handshake on. */
  readonly alter?: Parameters<Wire["alter"]>[0]
  /** The address of the kit that the client must connect to. Either by default. */
  readonly at?: "here" | "elsewhere"
  /** Leaves earlier connections open. */
  readonly beside?: boolean
}

export interface ClientKit {
  readonly protocol: ServedProtocol
  /** Whether the kit is also the pool of a client that declares jobs. */
  readonly hasPool: boolean
  /** Whether connections are encrypted (4). */
  readonly encrypted: boolean
  readonly answerMs: number
  readonly quietMs: number
  /** The time limit for a share or a solution, in milliseconds. */
  readonly shareMs: number
  readonly sharesPerMinute: number
  readonly ledger: Ledger
  readonly random: (size: number) => Uint8Array
  /** The kit's second address, to which Reconnect sends a client. */
  readonly elsewhere: Endpoint | undefined
  /** Ends the open connection and waits for the next one. Skips the rule if the client does not connect. */
  readonly accept: (options?: AcceptOptions) => Effect.Effect<Visitor, RuleSkipped>
  /** Whether a new connection comes in time. The connection waits for `accept`. */
  readonly comes: (at: "here" | "elsewhere") => Effect.Effect<boolean>
  /** Ends the open connections. */
  readonly end: Effect.Effect<void>
  /** State that rules hand on to the rules after them. */
  readonly state: KitState
}

export interface KitState {
  /** The mining client that an earlier rule left connected. */
  miner?: Miner | undefined
  /** The template client that an earlier rule left connected. */
  templateUser?: TemplateUser | undefined
  /** The job declaration client that an earlier rule left connected. */
  declarer?: Declarer | undefined
  /** The tokens and declared jobs of all connections. */
  declarations?: DeclarationBooks
  /** The templates of all connections: a client may submit a solution that it found while it was disconnected. */
  templates?: TemplateBooks
  /** Why no client can be brought to work, once that is known. */
  hopeless?: string
  /** A session has already delayed the answer to SetupConnection. */
  hasWaited?: boolean
  /** The client was watched for so long that further messages are not worth waiting for. */
  hasObserved?: boolean
  /** The client finds no solutions, probably because it has no miners. */
  noSolutions?: boolean
}
