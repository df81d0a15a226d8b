/**
 * Events of a running miner. Events are plain data that JSON can hold: hashes are hex in display order, other bytes are hex in
 * the order of the wire. `at` is in milliseconds since 1970, with fractions, from the Clock, so that events of several roles in
 * one process can be compared.
 */

interface EventBase {
  readonly at: number
}

/** The miner has connected and requested a channel. */
export interface Connected extends EventBase {
  readonly _tag: "Connected"
  /** `host:port` */
  readonly server: string
}

/** The miner could not connect, and tries again. */
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
  /** Bytes of extranonce that the miner rolls. */
  readonly extranonceSize: number
}

/** A job came from the server. Its latency is `at` minus the time at which the template or the pool's job was made. */
export interface JobReceived extends EventBase {
  readonly _tag: "JobReceived"
  readonly channelId: number
  readonly jobId: number
  /** The job waits for a new previous hash. */
  readonly future: boolean
}

/** The workers have started this job. */
export interface JobStarted extends EventBase {
  readonly _tag: "JobStarted"
  readonly channelId: number
  readonly jobId: number
  readonly prevHash: string
  readonly newPrevHash: boolean
  readonly minNtime: number
  /** The target of its shares. */
  readonly difficulty: number
  /** Milliseconds from the arrival of the messages that made the job active until every worker was sent the work. */
  readonly latencyMs: number
}

export interface TargetChanged extends EventBase {
  readonly _tag: "TargetChanged"
  readonly channelId: number
  /** The target of jobs that start from now on. */
  readonly difficulty: number
}

export interface ShareSubmitted extends EventBase {
  readonly _tag: "ShareSubmitted"
  readonly channelId: number
  readonly sequenceNumber: number
  readonly jobId: number
  readonly hash: string
  /** The difficulty of the hash itself: at least that of the target. */
  readonly difficulty: number
  readonly version: number
  readonly ntime: number
  readonly nonce: number
  readonly extranonce: string
}

/** A worker found a share for a job that is no longer valid. It was not submitted. */
export interface ShareStale extends EventBase {
  readonly _tag: "ShareStale"
  readonly jobId: number
}

export interface ShareAccepted extends EventBase {
  readonly _tag: "ShareAccepted"
  readonly channelId: number
  /** Number of shares that this message acknowledges. */
  readonly count: number
  /** Number of all accepted shares so far. */
  readonly accepted: number
  /** The sum of their difficulties, as the server counts. */
  readonly difficultySum: number
}

export interface ShareRefused extends EventBase {
  readonly _tag: "ShareRefused"
  readonly channelId: number
  readonly sequenceNumber: number
  readonly jobId: number
  readonly errorCode: string
}

/** A hash meets the network's target: the share is a block if the server accepts it. */
export interface BlockFound extends EventBase {
  readonly _tag: "BlockFound"
  readonly hash: string
  readonly prevHash: string
  readonly jobId: number
}

export interface HashRate extends EventBase {
  readonly _tag: "HashRate"
  /** Hashes a second over the last half minute. */
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
  /** Number of submitted shares without an answer. They cannot be sent again: job ids belong to one connection. */
  readonly unanswered: number
}

/** The requested number of shares was accepted. The last event. */
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
