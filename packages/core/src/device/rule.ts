/**
 * Reasons why a device ends a connection: the rules that bind the server, each with its section, and other failures. The numbers
 * are part of the module's interface and never change their meaning. From 20 on they are the rules of the client in
 * packages/channels, whose names are in `SERVER_RULES`.
 */

export const RULE_NONE: i32 = 0
/** The handshake failed (4.5); the event's detail is a `HANDSHAKE_` code. */
export const RULE_HANDSHAKE: i32 = 1
/** A frame is not authentic, or the keys are used up (4.6). */
export const RULE_AUTHENTIC_FRAME: i32 = 2
/** A message that the device needs does not fit into its memory; the detail is its length (3.2). */
export const RULE_FRAME_SIZE: i32 = 3
/** A message ends before its fields do, or has a length that its type does not allow (3.1). */
export const RULE_WELL_FORMED: i32 = 4
/** The first message is SetupConnection.Success or .Error (3.6.1). */
export const RULE_SETUP_FIRST: i32 = 5
/** `used_version` is the offered version, 2 (3.6.2). */
export const RULE_USED_VERSION: i32 = 6
/** No REQUIRES_FIXED_VERSION for a client with REQUIRES_VERSION_ROLLING (5.3.1). */
export const RULE_VERSION_ROLLING_AGREED: i32 = 7
/** No answer came in time. */
export const RULE_TIMEOUT: i32 = 8
/** The server accepts extended channels only (REQUIRES_EXTENDED_CHANNELS, 5.3.1), but the device needs a standard one. */
export const RULE_STANDARD_CHANNELS: i32 = 9

/** An answer names a request that waits for this kind of channel (5.3.3). */
export const RULE_KNOWN_REQUEST_ID: i32 = 20
/** The target of a new channel is not above the requested `max_target` (5.3.2). */
export const RULE_TARGET_WITHIN_MAXIMUM: i32 = 21
/** An extended channel has at least the requested `min_extranonce_size` (5.3.4). */
export const RULE_MINIMUM_EXTRANONCE_SIZE: i32 = 22
/** Prefix and extranonce together have at most 32 bytes (5.1.2.1). */
export const RULE_FULL_EXTRANONCE_SIZE: i32 = 23
/** No two channels of a connection have the same id (5.2). */
export const RULE_UNIQUE_CHANNEL_ID: i32 = 24
/** Group ids and channel ids share one namespace (5.2.3). */
export const RULE_UNIQUE_GROUP_CHANNEL_ID: i32 = 25
/** A connection with REQUIRES_STANDARD_JOBS gets no SetGroupChannel (5.3.22). */
export const RULE_NO_GROUPS: i32 = 27
/** A connection with REQUIRES_STANDARD_JOBS gets no extended job (5.3.1). */
export const RULE_NO_EXTENDED_JOBS: i32 = 28
/** NewMiningJob goes to standard channels (5.3.15). */
export const RULE_STANDARD_JOB: i32 = 29
/** NewExtendedMiningJob goes to extended and group channels (5.3.16). */
export const RULE_EXTENDED_JOB: i32 = 30
/** A job id is not in use by another valid job of the channel (5.3.15). */
export const RULE_UNIQUE_JOB_ID: i32 = 31
/** A job to mine at once needs a previous hash: the first job of a channel is a future one (5.3.15). */
export const RULE_FIRST_JOB_IS_FUTURE: i32 = 32
/** SetNewPrevHash names a job that was sent as a future job, and not yet replaced (5.3.17). */
export const RULE_PREV_HASH_NAMES_FUTURE_JOB: i32 = 33
/** A client with REQUIRES_VERSION_ROLLING gets jobs that allow it (5.3.1). */
export const RULE_VERSION_ROLLING_REQUIRED: i32 = 34
/** A server with REQUIRES_FIXED_VERSION sends no job that allows version rolling (5.3.1). */
export const RULE_VERSION_IS_FIXED: i32 = 35
/** A coinbase that has BIP141 fields must be of the form that can be stripped (5.3.16). */
export const RULE_STRIPPABLE_COINBASE: i32 = 36
/** SetExtranoncePrefix is for channels, not for groups (5.3.10). */
export const RULE_EXTRANONCE_PREFIX_FOR_CHANNEL: i32 = 37
/** Prefix, extranonce and suffix are a coinbase to the last byte (5.3.16); the detail is a `COINBASE_` code. */
export const RULE_COINBASE: i32 = 38
