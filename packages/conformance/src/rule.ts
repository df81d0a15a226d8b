/**
 * A rule of the specification as data, with the scripted session that checks whether an endpoint keeps it, and the result.
 * A rule is about one thing. If its session does not get something that it needs on the way, the rule fails too, and the
 * verdict says why.
 */
import type { Duplex } from "@sluice/transport"
import type { Effect, Scope } from "effect"
import type { Peer } from "./peer.ts"
import type { RuleBroken, RuleSkipped, Verdict } from "./verdict.ts"

/** The text of a rule, without the session that checks it. */
export interface RuleText {
  /** Stable, for people and scripts: "shares.duplicate". */
  readonly id: string
  /** A sentence that says what the endpoint must do. */
  readonly title: string
  /** The section of the specification, or the number of the extension. */
  readonly section: string
  /** The end that the rule binds. */
  readonly side: "server" | "client"
  readonly protocol: RuleProtocol
}

/** A rule that binds servers; the kit is their client. */
export interface Rule extends RuleText {
  /** Runs alone, after the others, because it changes what the others would see. */
  readonly alone?: boolean
  /** Runs the session. Succeeds if the endpoint kept the rule. */
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

/** "common" rules apply to every protocol. */
export type RuleProtocol = "common" | ServedProtocol

/** The protocols whose servers and clients the kit checks. */
export type ServedProtocol = "mining" | "job-declaration" | "template-distribution"

/** Tools and settings of a session. */
export interface Kit {
  /** Opens a connection that stays open until the rule has its verdict. Sends nothing on it. */
  readonly connect: Effect.Effect<Peer, RuleBroken, Scope.Scope>
  /** As `connect`; `change` alters all written bytes, from the first byte of the handshake on. */
  readonly connectWith: (
    change: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
  ) => Effect.Effect<Peer, RuleBroken, Scope.Scope>
  /** Opens a connection and does no handshake, for bytes that are not frames. */
  readonly connectRaw: Effect.Effect<Duplex, RuleBroken, Scope.Scope>
  /** Whether connections are encrypted (4). */
  readonly encrypted: boolean
  /** The time limit for an answer, in milliseconds. */
  readonly answerMs: number
  /** The time for which a session listens for messages that must not come, in milliseconds. */
  readonly quietMs: number
  /** `protocol` of SetupConnection. */
  readonly protocolId: 0 | 1 | 2
  /** `flags` of SetupConnection where a session does not choose others: some declarators refuse connections without theirs. */
  readonly flags: number
  readonly userIdentity: string
  readonly nominalHashRate: number
  /** Makes a new block on the chain that the endpoint follows; undefined if the kit cannot. */
  readonly newBlock: Effect.Effect<void> | undefined
  /** The most hashes to try for one share. */
  readonly maxHashes: number
  /** The other one of a pool and its job declarator, for rules about both. */
  readonly beside: Kit | undefined
}

export interface RuleResult {
  readonly id: string
  readonly title: string
  readonly section: string
  readonly side: RuleText["side"]
  readonly verdict: Verdict
}
