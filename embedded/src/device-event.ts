/** The device module's events as plain data (packages/core/src/device/event.ts), with copied bytes. */
import { MiningDevice } from "@sluice/core"

/** The names of rules, as in packages/channels and in the module's C header, and their sections. */
export const DEVICE_RULES: ReadonlyMap<number, { readonly name: string; readonly section: string }> = new Map([
  [MiningDevice.RULE_HANDSHAKE, { name: "noise-handshake", section: "4.5" }],
  [MiningDevice.RULE_AUTHENTIC_FRAME, { name: "authentic-frame", section: "4.6" }],
  [MiningDevice.RULE_FRAME_SIZE, { name: "frame-size", section: "3.2" }],
  [MiningDevice.RULE_WELL_FORMED, { name: "well-formed-message", section: "3.1" }],
  [MiningDevice.RULE_SETUP_FIRST, { name: "setup-answer-first", section: "3.6.1" }],
  [MiningDevice.RULE_USED_VERSION, { name: "used-version", section: "3.6.2" }],
  [MiningDevice.RULE_VERSION_ROLLING_AGREED, { name: "version-rolling-agreed", section: "5.3.1" }],
  [MiningDevice.RULE_TIMEOUT, { name: "timely-answer", section: "3.6.1" }],
  [MiningDevice.RULE_STANDARD_CHANNELS, { name: "standard-channels", section: "5.3.1" }],
  [MiningDevice.RULE_KNOWN_REQUEST_ID, { name: "known-request-id", section: "5.3.3" }],
  [MiningDevice.RULE_TARGET_WITHIN_MAXIMUM, { name: "target-within-maximum", section: "5.3.2" }],
  [MiningDevice.RULE_MINIMUM_EXTRANONCE_SIZE, { name: "minimum-extranonce-size", section: "5.3.4" }],
  [MiningDevice.RULE_FULL_EXTRANONCE_SIZE, { name: "full-extranonce-size", section: "5.1.2.1" }],
  [MiningDevice.RULE_UNIQUE_CHANNEL_ID, { name: "unique-channel-id", section: "5.2" }],
  [MiningDevice.RULE_UNIQUE_GROUP_CHANNEL_ID, { name: "unique-group-channel-id", section: "5.2.3" }],
  [MiningDevice.RULE_NO_GROUPS, { name: "no-groups-with-standard-jobs-only", section: "5.3.22" }],
  [MiningDevice.RULE_NO_EXTENDED_JOBS, { name: "no-extended-jobs-with-standard-jobs-only", section: "5.3.1" }],
  [MiningDevice.RULE_STANDARD_JOB, { name: "standard-job-for-standard-channel", section: "5.3.15" }],
  [MiningDevice.RULE_EXTENDED_JOB, { name: "extended-job-for-extended-or-group-channel", section: "5.3.16" }],
  [MiningDevice.RULE_UNIQUE_JOB_ID, { name: "unique-job-id", section: "5.3.15" }],
  [MiningDevice.RULE_FIRST_JOB_IS_FUTURE, { name: "first-job-is-future", section: "5.3.15" }],
  [MiningDevice.RULE_PREV_HASH_NAMES_FUTURE_JOB, { name: "prev-hash-names-future-job", section: "5.3.17" }],
  [MiningDevice.RULE_VERSION_ROLLING_REQUIRED, { name: "version-rolling-was-required", section: "5.3.1" }],
  [MiningDevice.RULE_VERSION_IS_FIXED, { name: "version-is-fixed", section: "5.3.1" }],
  [MiningDevice.RULE_STRIPPABLE_COINBASE, { name: "strippable-coinbase", section: "5.3.16" }],
  [MiningDevice.RULE_EXTRANONCE_PREFIX_FOR_CHANNEL, { name: "extranonce-prefix-for-channel", section: "5.3.10" }],
  [MiningDevice.RULE_COINBASE, { name: "coinbase-transaction", section: "5.3.16" }]
])

export type DeviceModuleEvent =
  | { readonly _tag: "Connected"; readonly flags: number; readonly version: number }
  | { readonly _tag: "SetupFailed"; readonly flags: number; readonly errorCode: string }
  | {
      readonly _tag: "ChannelOpen"
      readonly channelId: number
      readonly groupChannelId: number
      readonly target: Uint8Array
      readonly extranoncePrefix: Uint8Array
      /** Bytes that the device rolls; 0 on a standard channel. */
      readonly extranonceSize: number
    }
  | { readonly _tag: "OpenRefused"; readonly errorCode: string }
  /** A future job came. */
  | { readonly _tag: "JobQueued"; readonly channelId: number; readonly jobId: number }
  | {
      readonly _tag: "NewWork"
      readonly channelId: number
      readonly work: DeviceModuleWork
      /** There is a new previous hash: all earlier jobs are stale. */
      readonly newPrevHash: boolean
    }
  | { readonly _tag: "NewTarget"; readonly channelId: number; readonly target: Uint8Array }
  | {
      readonly _tag: "SharesAccepted"
      readonly channelId: number
      readonly lastSequenceNumber: number
      /** As the server counts. */
      readonly count: number
      /** Pending shares that this message answers. */
      readonly answered: number
      readonly difficultySum: bigint
    }
  | {
      readonly _tag: "ShareRefused"
      readonly channelId: number
      readonly sequenceNumber: number
      readonly jobId: number
      readonly errorCode: string
    }
  | { readonly _tag: "ExtranoncePrefix"; readonly channelId: number; readonly extranoncePrefix: Uint8Array }
  | { readonly _tag: "GroupChanged"; readonly channelId: number; readonly groupChannelId: number }
  | { readonly _tag: "UpdateRefused"; readonly channelId: number; readonly errorCode: string }
  | { readonly _tag: "ChannelClosed"; readonly channelId: number; readonly reasonCode: string }
  /** An empty host or port 0 mean the current one. */
  | { readonly _tag: "Reconnect"; readonly host: string; readonly port: number }
  | {
      readonly _tag: "Ignored"
      readonly messageType: number
      readonly reason: "unexpected-message" | "unknown-channel" | "unknown-share"
    }
  /** The connection has failed: the server broke a rule or did not answer. */
  | {
      readonly _tag: "Failed"
      /** RULE_ number. */
      readonly rule: number
      readonly ruleName: string
      readonly section: string
      /** msg_type of the message that broke the rule, if any. */
      readonly messageType: number | undefined
      /** A HANDSHAKE_ code, a length or a version: see the rule's comment. */
      readonly detail: number
    }

/** The work to hash. Bytes as in the block. */
export interface DeviceModuleWork {
  readonly jobId: number
  /** 80 bytes, with the first ntime and nonce 0. */
  readonly header: Uint8Array
  /** 32 bytes, least significant first. */
  readonly target: Uint8Array
  readonly version: number
  /** The bits of the version that may be changed. */
  readonly versionMask: number
  readonly minNtime: number
  /** ntime of the current previous hash, and when it came by the module's clock. */
  readonly prevHashNtime: number
  readonly prevHashReceivedAtMs: number
}
