/** Events of the connections that a sniffer watches, in order for each connection. Plain data. */
import type { ProtocolName } from "@sluice/protocol"
import type { Line } from "@sluice/stratum-v1"
import type { Endpoint } from "@sluice/transport"

/** The receiver of a message. */
export type Side = "server" | "client"

export interface Opened {
  readonly _tag: "Opened"
  /** 1 for a sniffer's first connection, then counted up. */
  readonly connectionId: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** Absent if the client is in this process. */
  readonly client?: Endpoint
  readonly server: Endpoint
}

/**
 * - `passed`: the sniffer forwarded it byte for byte
 * - `dropped`: the sniffer did not forward it
 * - `replaced`: the sniffer forwarded the `added` messages that follow in its place
 * - `added`: the sniffer sent it; it came from neither end
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
  /** The protocol that SetupConnection asked for; absent before SetupConnection. */
  readonly protocol?: ProtocolName
  /** The decoded message. Absent if it is unknown, does not decode, or is not needed. */
  readonly message?: M
}

/** A message that `waitFor` found. */
export interface MessageFound<M> extends MessageSeen<M> {
  readonly message: M
}

/** A line of Stratum V1 (`relayLines`). */
export interface LineSeen {
  readonly _tag: "Line"
  /** 1 for a relay's first line, then counted up, over all its connections. */
  readonly index: number
  readonly connectionId: number
  readonly at: number
  readonly to: Side
  readonly fate: Fate
  /** As it was sent, with its line feed. */
  readonly bytes: Uint8Array
  /** Absent if it is not a JSON object. */
  readonly line?: Line
}

export interface Closed {
  readonly _tag: "Closed"
  readonly connectionId: number
  readonly at: number
  /** The end that closed the connection; `here` if this process closed it. */
  readonly by: Side | "here"
  readonly reason: string
}

export type SnifferEvent = Opened | MessageSeen | Closed
export type LineEvent = Opened | LineSeen | Closed
