/** Events of a server of miners, for logs, tables, ledgers and machines. Plain data. */
import type { ChannelEvent } from "@sluice/channels"
import type { Device, Endpoint } from "@sluice/transport"
import type { WorkSourceState } from "./work/work-source.ts"

export interface ConnectionOpened {
  readonly _tag: "ConnectionOpened"
  readonly connectionId: number
  readonly remote: Endpoint
  /** What the client says it is, but for control characters. */
  readonly device: Device
}

export interface ConnectionClosed {
  readonly _tag: "ConnectionClosed"
  readonly connectionId: number
  readonly remote: Endpoint
  readonly reason: string
}

/** A template came, and a job of it went to all channels. */
export interface JobSent {
  readonly _tag: "JobSent"
  readonly jobId: number
  /** Of the block to be found. */
  readonly height: number
  /** A future job waits for its previous hash; the others are mined at once. */
  readonly future: boolean
  readonly connections: number
  /** From the template's arrival until it was written to the connections that take it at once. */
  readonly latencyMs: number
}

/** A new block to build on came, and all channels were told. */
export interface PrevHashSent {
  readonly _tag: "PrevHashSent"
  readonly jobId: number
  readonly height: number
  /** 64 hex digits in display order. */
  readonly prevHash: string
  readonly connections: number
  readonly latencyMs: number
}

/** The source of work sent a message that makes no job. */
export interface TemplateIgnored {
  readonly _tag: "TemplateIgnored"
  readonly reason: string
}

/** The connection of the source of work changed. */
export interface UpstreamChanged {
  readonly _tag: "UpstreamChanged"
  readonly state: WorkSourceState
}

export type MiningServerEvent =
  | ConnectionOpened
  | ConnectionClosed
  | JobSent
  | PrevHashSent
  | TemplateIgnored
  | UpstreamChanged
  | ChannelEvent
