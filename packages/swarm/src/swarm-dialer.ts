/** A `MiningDialer` for the swarm, which also sends what is no valid message of the protocol. */
import { type ForeignMessage, Mining, Protocol } from "@sluice/protocol"
import { type ConnectionDialer, MiningDialer } from "@sluice/transport"
import { Context, Effect, Layer } from "effect"

/** A message of a miner, or with any number and content. */
export type SwarmMessage = Mining.ToServer | ForeignMessage

export class SwarmDialer extends Context.Service<SwarmDialer, ConnectionDialer<Mining.ToClient, SwarmMessage>>()(
  "sluice/swarm/SwarmDialer"
) {
  /**
   * Of a `MiningDialer`, such as one over Stratum V1 (`Translator.dialer`): each member then speaks V1 with the server. Foreign
   * messages are not sent, because such a dialer has no bytes of V2 to send.
   */
  static readonly ofMining: Layer.Layer<SwarmDialer, never, MiningDialer> = Layer.effect(
    SwarmDialer,
    Effect.map(MiningDialer, ({ dial }) => ({
      dial: (server, setup) =>
        Effect.map(dial(server, setup), (connection) => {
          const { sendNow: _, ...others } = connection
          return { ...others, send: (messages) => connection.send(messages.filter(isMining)) }
        })
    }))
  )
  static readonly protocol = { ...Mining.protocol, toServer: Protocol.forwarding(Mining.protocol).toServer }
}

const isMining = (message: SwarmMessage): message is Mining.ToServer => message._tag !== "ForeignMessage"
