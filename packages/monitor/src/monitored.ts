/** What a monitor looks at: a running server of miners, and what else its program tells. */
import type { BlockFound } from "@sluice/channels"
import type { Chain } from "@sluice/bitcoin"
import type { MiningServerCalls, MiningServerEvent } from "@sluice/mining-server"
import type { Effect, Stream } from "effect"
import type { ConfigurationKey } from "./api/journal.ts"
import type { AccountView, EntryView, PayoutView } from "./api/ledger.ts"
import type { Overview, Role } from "./api/overview.ts"
import type { Page, PageQuery } from "./api/page.ts"
import type { LedgerUnavailable } from "./api/problems.ts"
import type { UpstreamView } from "./api/work.ts"
import type { Replies } from "./follow/sampler.ts"

export interface Monitored {
  readonly role: Role
  /** A pool or a proxy, or the statistics of several processes behind the same calls. */
  readonly server: MonitoredServer
  /** All upstreams. Without it, the one of the statistics is shown. */
  readonly upstreams?: Effect.Effect<ReadonlyArray<UpstreamView>>
  /** The configuration in force, without secrets. */
  readonly configuration?: ReadonlyArray<ConfigurationKey>
  /** The chain, to show addresses of scripts. */
  readonly chain?: Chain
  readonly ledger?: MonitoredLedger
  /** The text of the public key that signs the certificates of the Noise handshake. */
  readonly authorityKey?: string
  /** Of all processes of the program. By default those of this one. */
  readonly processes?: Effect.Effect<Processes>
}

export interface Processes {
  readonly process: Overview["process"]
  readonly replies: Replies
}

export interface MonitoredServer extends Pick<
  MiningServerCalls,
  "stats" | "users" | "channels" | "presentJob" | "closeChannel" | "reconnect"
> {
  readonly notices: Stream.Stream<MonitoredEvent>
  /** Of a server in this process. Without it, the monitor asks for the list of all channels. */
  readonly eachChannel?: MiningServerCalls["eachChannel"]
}

/** An event as a monitor needs it: of a block it takes what it shows. */
export type MonitoredEvent = Exclude<MiningServerEvent, BlockFound> | Omit<BlockFound, "found">

/** The accounts and payouts of a ledger. Accounts and the plan are at hand; the others are read from its database. */
export interface MonitoredLedger {
  readonly accounts: Effect.Effect<ReadonlyArray<AccountView>>
  readonly account: (user: string) => Effect.Effect<AccountView | undefined>
  /** The lines of an account, newest first. */
  readonly entries: (user: string, page: Required<PageQuery>) => Effect.Effect<Page<EntryView>, LedgerUnavailable>
  /** How many blocks the ledger has. */
  readonly blockCount: Effect.Effect<number, LedgerUnavailable>
  /** The blocks, newest first. */
  readonly payouts: (page: Required<PageQuery>) => Effect.Effect<ReadonlyArray<PayoutView>, LedgerUnavailable>
  /** A block by its hash as people write it, with what it earned and paid to each account. */
  readonly payments: (hash: string) => Effect.Effect<Payout | undefined, LedgerUnavailable>
  /** Whom a block with this reward would pay now; undefined if the ledger divides no rewards. */
  readonly plan: (reward: bigint) => Effect.Effect<LedgerPlan | undefined>
  /** The user that a script pays, if it is known. */
  readonly userOf: (script: Uint8Array) => string | undefined
  /** Moves an amount from the pool's account to a user's. Gives the user's balance. */
  readonly adjust: (user: string, satoshis: bigint, reason: string) => Effect.Effect<number, LedgerUnavailable>
}

export interface Payout {
  readonly payout: PayoutView
  readonly payments: ReadonlyArray<Payment>
}

/** Satoshis of one account by one block; the user is null for the pool. */
export interface Payment {
  readonly user: string | null
  readonly earned: number
  readonly paid: number
}

export interface LedgerPlan {
  readonly scheme: string
  readonly windowFilled: number | null
  readonly minimum: number
  readonly pool: number
  /** The largest payment first. */
  readonly payments: ReadonlyArray<Payment>
}
