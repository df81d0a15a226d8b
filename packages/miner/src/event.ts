/**
 * What a miner tells of itself while it runs. Events are plain data that JSON can hold: hashes are hex in the order in
 * which people read them, other bytes are hex in the order of the wire. `at` is in milliseconds since 1970 with
 * fractions, from the Clock, so that events of several roles in one process can be compared.
 */

interface EventBase {
  readonly at: number
}

/** A connection is up, and a channel was asked for. */
export interface Connected extends EventBase {
  readonly _tag: "Connected"
  /** `host:port` */
  readonly server: string
}

/** There was no connection, and the miner tries again. */
export interface ConnectFailed extends EventBase {
  readonly _tag: "ConnectFailed"
  readonly server: string
  readonly reason: string
}

export interface ChannelOpened extends EventBase {
  readonly _tag: "ChannelOpened"
  readonly channelId: number
  readonly kind: "standard" | "extended"
  readonly difficulty: number
  readonly extranoncePrefix: string
  /** Bytes that the miner rolls. */
  readonly extranonceSize: number
}

/** A job came from the server. Its latency is `at` less the time at which the template or the pool's job was made. */
export interface JobReceived extends EventBase {
  readonly _tag: "JobReceived"
  readonly channelId: number
  readonly jobId: number
  /** It waits for a new previous hash. */
  readonly future: boolean
}

/** The workers have got this job. */
export interface JobStarted extends EventBase {
  readonly _tag: "JobStarted"
  readonly channelId: number
  readonly jobId: number
  readonly prevHash: string
  readonly newPrevHash: boolean
  readonly minNtime: number
  /** Of a share. */
  readonly difficulty: number
  /** From the arrival of the batch of messages that made it active until every worker was sent the work. */
  readonly latencyMs: number
}

export interface TargetChanged extends EventBase {
  readonly _tag: "TargetChanged"
  readonly channelId: number
  /** Of jobs that start from now on. */
  readonly difficulty: number
}

export interface ShareSubmitted extends EventBase {
  readonly _tag: "ShareSubmitted"
  readonly channelId: number
  readonly sequenceNumber: number
  readonly jobId: number
  readonly hash: string
  /** That the hash itself has, at least the target's. */
  readonly difficulty: number
  readonly version: number
  readonly ntime: number
  readonly nonce: number
  readonly extranonce: string
}

/** A share was found for a job that no longer counts, and was not submitted. */
export interface ShareStale extends EventBase {
  readonly _tag: "ShareStale"
  readonly jobId: number
}

export interface ShareAccepted extends EventBase {
  readonly _tag: "ShareAccepted"
  readonly channelId: number
  /** Shares that this acknowledgement is for. */
  readonly count: number
  /** All that were accepted so far. */
  readonly accepted: number
  /** Of these shares, as the server counts. */
  readonly difficultySum: number
}

export interface ShareRefused extends EventBase {
  readonly _tag: "ShareRefused"
  readonly channelId: number
  readonly sequenceNumber: number
  readonly jobId: number
  readonly errorCode: string
}

/** The hash meets the network's target: if the server accepts the share, it is a block. */
export interface BlockFound extends EventBase {
  readonly _tag: "BlockFound"
  readonly hash: string
  readonly prevHash: string
  readonly jobId: number
}

export interface HashRate extends EventBase {
  readonly _tag: "HashRate"
  /** Over the last half minute. */
  readonly hashesPerSecond: number
  readonly hashes: number
}

/** The server asks the miner to connect elsewhere (section 3.6.5). */
export interface Redirected extends EventBase {
  readonly _tag: "Redirected"
  /** `host:port` */
  readonly server: string
}

export interface Disconnected extends EventBase {
  readonly _tag: "Disconnected"
  readonly server: string
  readonly reason: string
  /** Shares that were submitted and never answered. They cannot be sent again: job ids are of one connection. */
  readonly unanswered: number
}

/** The wanted number of shares is accepted: the last event. */
export interface Finished extends EventBase {
  readonly _tag: "Finished"
  readonly accepted: number
}

export type MinerEvent =
  | Connected
  | ConnectFailed
  | ChannelOpened
  | JobReceived
  | JobStarted
  | TargetChanged
  | ShareSubmitted
  | ShareStale
  | ShareAccepted
  | ShareRefused
  | BlockFound
  | HashRate
  | Redirected
  | Disconnected
  | Finished
