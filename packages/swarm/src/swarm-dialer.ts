/** A `MiningDialer` for the swarm, which also sends what is no valid message of the protocol. */
import { type ForeignMessage, Mining, Protocol } from "@sluice/protocol"
import type { ConnectionDialer } from "@sluice/transport"
import { Context } from "effect"

/** A message of a miner, or with any number and content. */
export type SwarmMessage = Mining.ToServer | ForeignMessage

export class SwarmDialer extends Context.Service<SwarmDialer, ConnectionDialer<Mining.ToClient, SwarmMessage>>()(
  "sluice/swarm/SwarmDialer"
) {
  static readonly protocol = { ...Mining.protocol, toServer: Protocol.forwarding(Mining.protocol).toServer }
}
