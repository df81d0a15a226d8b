/**
 * The listener and the dialer of the Mining Protocol with messages of extensions that the proxy does not know: with a channel upstream
 * for each miner it passes those for a channel on, and changes only the channel's id (specification, sections 3.2.1 and 3.4.1). Give
 * them to `Setup.server` and `Setup.client` in place of `MiningListener` and `MiningDialer`, which they provide.
 */
import { Mining, Protocol } from "@sluice/protocol"
import { MiningDialer, MiningListener } from "@sluice/transport"

// Such messages are no part of the types of a mining connection: only the two ends of a relay look for them.
const protocol = Protocol.forwarding(Mining.protocol) as unknown as typeof Mining.protocol

export class RelayListener extends MiningListener {
  static override readonly protocol = protocol
}

export class RelayDialer extends MiningDialer {
  static override readonly protocol = protocol
}
