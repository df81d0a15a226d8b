/**
 * The rules for servers (specification, section 5), one name for each. After a violation the client cannot rely on a channel or
 * its work any more, so the connection ends. A message for a channel that is not open, or an acknowledgement of a share that
 * was never sent, is no violation: the client emits `Ignored` and goes on.
 */
import { Schema } from "effect"

/** The rules that the client checks, each with its section of the specification. */
export const SERVER_RULES = {
  /** An answer names a request that waits for this kind of channel. */
  "known-request-id": "5.3.3",
  /** A target is not above the requested `max_target`. */
  "target-within-maximum": "5.3.2",
  /** An extended channel has at least the requested `min_extranonce_size`. */
  "minimum-extranonce-size": "5.3.4",
  /** Prefix and extranonce together have at most 32 bytes. */
  "full-extranonce-size": "5.1.2.1",
  /** A channel has an id that no other channel, open or closed, and no group of the connection has or had. */
  "unique-channel-id": "5.2",
  /** A group has an id that no channel has or had. This holds even if the connection gets no group jobs. */
  "unique-group-channel-id": "5.2.3",
  /** All channels of a group have the same full extranonce size. */
  "equal-extranonce-size-in-group": "5.2.3",
  /** A connection with REQUIRES_STANDARD_JOBS gets no SetGroupChannel. */
  "no-groups-with-standard-jobs-only": "5.3.22",
  /** A connection with REQUIRES_STANDARD_JOBS gets no extended job. */
  "no-extended-jobs-with-standard-jobs-only": "5.3.1",
  /** NewMiningJob goes to standard channels. */
  "standard-job-for-standard-channel": "5.3.15",
  /** NewExtendedMiningJob goes to extended and group channels. */
  "extended-job-for-extended-or-group-channel": "5.3.16",
  /** A job id is not in use by another valid job of the channel. */
  "unique-job-id": "5.3.15",
  /** A job to mine at once needs a previous hash, so the first job of a channel is a future job. */
  "first-job-is-future": "5.3.15",
  /** SetNewPrevHash names a future job of the channel that no earlier SetNewPrevHash has made stale. */
  "prev-hash-names-future-job": "5.3.17",
  /** A client with REQUIRES_VERSION_ROLLING gets jobs that allow it, from a server that allows it. */
  "version-rolling-was-required": "5.3.1",
  /** A server with REQUIRES_FIXED_VERSION sends no job that allows version rolling. */
  "version-is-fixed": "5.3.1",
  /** No two members of a group have the same extranonces, because they would do the same work for a job of the group. */
  "unique-search-space": "5.1",
  /** A coinbase has no BIP141 fields. The client accepts them if it can strip them. */
  "strippable-coinbase": "5.3.16",
  /** Prefix, extranonce and suffix make a valid coinbase, because a block with an invalid one would be lost. */
  "coinbase-transaction": "5.3.16",
  /** SetExtranoncePrefix is for channels, not for groups. */
  "extranonce-prefix-for-channel": "5.3.10"
} as const

export type ServerRule = keyof typeof SERVER_RULES

/** The server broke a rule of the specification. The client has not applied the message that broke it. */
export class ProtocolViolation extends Schema.TaggedError<ProtocolViolation>("sluice/channels/ProtocolViolation")(
  "ProtocolViolation",
  {
    rule: Schema.Literals(Object.keys(SERVER_RULES) as ReadonlyArray<ServerRule>),
    /** The section of the specification. */
    section: Schema.String,
    /** The tag of the message that broke the rule. */
    messageTag: Schema.String,
    message: Schema.String
  }
) {}

/** Makes a `ProtocolViolation`. `detail` says what was expected and what came. */
export const protocolViolation = (rule: ServerRule, messageTag: string, detail: string): ProtocolViolation =>
  new ProtocolViolation({
    rule,
    section: SERVER_RULES[rule],
    messageTag,
    message: `${messageTag} breaks "${rule}" (section ${SERVER_RULES[rule]}): ${detail}`
  })
