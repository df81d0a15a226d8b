/**
 * A rule of the specification as data, with the scripted session that finds out whether an endpoint keeps it, and what came of
 * it. A rule is about one thing; what it needs on the way and does not get makes it fail too, and the verdict says so.
 */
import type { Duplex } from "@sluice/transport"
import type { Effect, Scope } from "effect"
import type { Peer } from "./peer.ts"
import type { RuleBroken, RuleSkipped, Verdict } from "./verdict.ts"

/** What a rule says, without the session that tries it. */
export interface RuleText {
  /** Stable, for people and scripts: "shares.duplicate". */
  readonly id: string
  /** What the endpoint has to do, in a sentence. */
  readonly title: string
  /** Of the specification, or the number of the extension. */
  readonly section: string
  /** Which end it binds. */
  readonly side: "server" | "client"
  readonly protocol: RuleProtocol
}

/** A rule that binds servers; the kit is their client. */
export interface Rule extends RuleText {
  /** Runs after the others, and by itself: it changes what they see. */
  readonly alone?: boolean
  /** The session: succeeds where the rule was kept. */
  readonly check: (kit: Kit) => Effect.Effect<void, RuleBroken | RuleSkipped, Scope.Scope>
}

/** Makes rules for servers of the protocol. */
export const serverRule =
  (protocol: RuleProtocol) =>
  (id: string, section: string, title: string, check: Rule["check"]): Rule => ({
    id,
    section,
    title,
    side: "server",
    protocol,
    check
  })

/** "common" rules hold for every protocol. */
export type RuleProtocol = "common" | "mining" | "template-distribution"

/** What a session has to work with. */
export interface Kit {
  /** A new connection, open until the rule has its verdict; nothing has been sent on it. */
  readonly connect: Effect.Effect<Peer, RuleBroken, Scope.Scope>
  /** The same, with what is written altered from the first byte of the handshake on. */
  readonly connectWith: (
    change: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
  ) => Effect.Effect<Peer, RuleBroken, Scope.Scope>
  /** A new connection before any handshake, for what frames cannot say. */
  readonly connectRaw: Effect.Effect<Duplex, RuleBroken, Scope.Scope>
  /** Whether connections are encrypted (4). */
  readonly encrypted: boolean
  /** How long an answer may take, in milliseconds. */
  readonly answerMs: number
  /** How long to listen for what must not come, in milliseconds. */
  readonly quietMs: number
  /** `protocol` of SetupConnection. */
  readonly protocolId: 0 | 2
  readonly userIdentity: string
  readonly nominalHashRate: number
  /** Makes a new block on the chain that the endpoint follows, where there is a way. */
  readonly newBlock: Effect.Effect<void> | undefined
  /** Hashes that may be tried for one share. */
  readonly maxHashes: number
}

export interface RuleResult {
  readonly id: string
  readonly title: string
  readonly section: string
  readonly side: RuleText["side"]
  readonly verdict: Verdict
}
