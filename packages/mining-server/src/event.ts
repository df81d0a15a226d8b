/** Events of a server of miners: plain data for logs, tables, ledgers and other programs. */
import type { ChannelEvent } from "@sluice/channels"
import type { Device, Endpoint } from "@sluice/transport"
import type { WorkSourceState } from "./work-source/work-source.ts"

export interface ConnectionOpened {
  readonly _tag: "ConnectionOpened"
  readonly connectionId: number
  readonly remote: Endpoint
  /** The device as the client describes itself, without control characters. */
  readonly device: Device
}

export interface ConnectionClosed {
  readonly _tag: "ConnectionClosed"
  readonly connectionId: number
  readonly remote: Endpoint
  readonly reason: string
}

/** The source made a job, and the server announced it to all channels. */
export interface JobSent {
  readonly _tag: "JobSent"
  readonly jobId: number
  /** Of the block to be found. */
  readonly height: number
  /** Whether the job waits for its previous hash; miners begin other jobs at once. */
  readonly future: boolean
  readonly connections: number
  /** From the arrival of the source's message until the job was handed to the sockets of all connections. */
  readonly latencyMs: number
}

/** The source sent a new previous hash, and the server announced it to all channels. */
export interface PrevHashSent {
  readonly _tag: "PrevHashSent"
  readonly jobId: number
  readonly height: number
  /** 64 hex digits in display order. */
  readonly prevHash: string
  /** The network's target in the compact form of a header. */
  readonly nbits: number
  readonly connections: number
  readonly latencyMs: number
}

/** The source of work sent a message that makes no job. */
export interface WorkIgnored {
  readonly _tag: "WorkIgnored"
  readonly reason: string
}

/** The connection of the source of work changed its state. */
export interface SourceChanged {
  readonly _tag: "SourceChanged"
  readonly state: WorkSourceState
}

export type MiningServerEvent =
  | ConnectionOpened
  | ConnectionClosed
  | JobSent
  | PrevHashSent
  | WorkIgnored
  | SourceChanged
  | ChannelEvent
