/**
 * The rules for servers (specification, section 5), one name for each. After a violation a channel or its work is in doubt,
 * so the connection ends. A message for a channel that is not open, or an acknowledgement of a share that was never sent, is
 * no violation: the client goes on with the event `Ignored`.
 */
import { Schema } from "effect"

/** The rules that are checked, and the section that makes each. */
export const SERVER_RULES = {
  /** An answer names a request that waits for this kind of channel. */
  "known-request-id": "5.3.3",
  /** A target is not above the requested `max_target`. */
  "target-within-maximum": "5.3.2",
  /** An extended channel has at least the requested `min_extranonce_size`. */
  "minimum-extranonce-size": "5.3.4",
  /** Prefix and extranonce together have at most 32 bytes. */
  "full-extranonce-size": "5.1.2.1",
  /** No two channels of a connection have the same id, also if the first one is closed, and none has that of a group. */
  "unique-channel-id": "5.2",
  /** Group ids and channel ids are of one namespace, and neither becomes the other; whether group jobs may come or not. */
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
  /** A job to mine at once needs a previous hash: the first job of a channel is a future one. */
  "first-job-is-future": "5.3.15",
  /** SetNewPrevHash names a job that was sent as a future job on the channel, and not yet replaced. */
  "prev-hash-names-future-job": "5.3.17",
  /** A client with REQUIRES_VERSION_ROLLING gets jobs that allow it, from a server that allows it. */
  "version-rolling-was-required": "5.3.1",
  /** A server with REQUIRES_FIXED_VERSION sends no job that allows version rolling. */
  "version-is-fixed": "5.3.1",
  /** No two members of a group have the same extranonces: with the group's jobs they would do the same work. */
  "unique-search-space": "5.1",
  /** A coinbase without BIP141 fields; one that has them must at least be of the form that can be stripped. */
  "strippable-coinbase": "5.3.16",
  /** Prefix, extranonce and suffix are a coinbase to the last byte: a block with anything else would be lost. */
  "coinbase-transaction": "5.3.16",
  /** SetExtranoncePrefix is for channels, not for groups. */
  "extranonce-prefix-for-channel": "5.3.10"
} as const

export type ServerRule = keyof typeof SERVER_RULES

/** The server broke a rule of the specification; the message that did is not applied. */
export class ProtocolViolation extends Schema.TaggedError<ProtocolViolation>("sluice/channels/ProtocolViolation")(
  "ProtocolViolation",
  {
    rule: Schema.Literals(Object.keys(SERVER_RULES) as ReadonlyArray<ServerRule>),
    /** Of the specification. */
    section: Schema.String,
    /** The tag of the message that broke it. */
    messageTag: Schema.String,
    message: Schema.String
  }
) {}

/** `detail` says what was expected and what came. */
export const protocolViolation = (rule: ServerRule, messageTag: string, detail: string): ProtocolViolation =>
  new ProtocolViolation({
    rule,
    section: SERVER_RULES[rule],
    messageTag,
    message: `${messageTag} breaks "${rule}" (section ${SERVER_RULES[rule]}): ${detail}`
  })
