/** What happens on the connections that a sniffer watches, in the order of each. Plain data. */
import type { ProtocolName } from "@sluice/protocol"
import type { Endpoint } from "@sluice/transport"

/** Who receives a message. */
export type Side = "server" | "client"

export interface Opened {
  readonly _tag: "Opened"
  /** 1 for a sniffer's first connection, then counted up. */
  readonly connectionId: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** Absent where the client is in this process. */
  readonly client?: Endpoint
  readonly server: Endpoint
}

/**
 * - `passed`: it went on as it came, byte for byte
 * - `dropped`: it came, and went no further
 * - `replaced`: it came, and the `added` ones that follow went in its place
 * - `added`: it came from neither end
 */
export type Fate = "passed" | "dropped" | "replaced" | "added"

export interface MessageSeen<M = unknown> {
  readonly _tag: "Message"
  /** 1 for a sniffer's first message, then counted up, over all its connections. */
  readonly index: number
  readonly connectionId: number
  readonly at: number
  readonly to: Side
  readonly fate: Fate
  /** Header and payload, not encrypted. */
  readonly frame: Uint8Array
  /** What the connection's SetupConnection asked for; absent before it came. */
  readonly protocol?: ProtocolName
  /** Absent where it is not known or does not decode, or where nobody asked for it. */
  readonly message?: M
}

/** One that was waited for. */
export interface MessageFound<M> extends MessageSeen<M> {
  readonly message: M
}

export interface Closed {
  readonly _tag: "Closed"
  readonly connectionId: number
  readonly at: number
  /** Who ended it; `here` where it was closed in this process. */
  readonly by: Side | "here"
  readonly reason: string
}

export type SnifferEvent = Opened | MessageSeen | Closed
