/** The changes that the source of work makes to channels of one connection, where a channel of the source stands behind each. */
import type { Mining } from "@sluice/protocol"
import type { SourceChange, SourceChannels } from "../jobs/source-channel.ts"
import type { Channel } from "./channel.ts"
import type { ConnectionState } from "./connection-state.ts"
import type { ServerOutbox } from "./event.ts"
import { announceTo } from "./job-messages.ts"
import type { Shares } from "./shares.ts"

/** Closes channels, as `ChannelServer` does. */
interface ChannelCloser {
  readonly closeChannel: (channelId: number, reasonCode: string, now: number, out: ServerOutbox) => boolean
}

export class SourceChanges {
  readonly #source: SourceChannels
  readonly #state: ConnectionState
  readonly #shares: Shares
  readonly #server: ChannelCloser
  /** Channels whose source has changes. */
  readonly #changed = new Set<Channel>()

  constructor(source: SourceChannels, state: ConnectionState, shares: Shares, server: ChannelCloser) {
    this.#source = source
    this.#state = state
    this.#shares = shares
    this.#server = server
  }

  /** Follows a new channel from its first changes on. */
  add(channel: Channel, now: number, out: ServerOutbox): void {
    channel.source!.channel.onChange = () => {
      this.#changed.add(channel)
      this.#source.onChange()
    }
    this.#follow(channel, now, out)
  }

  /** Forgets a channel that is closed. */
  remove(channel: Channel): void {
    channel.source!.channel.onChange = () => {}
    this.#changed.delete(channel)
  }

  /** Tells the client of all changes since the last call. */
  follow(now: number, out: ServerOutbox): void {
    for (const channel of this.#changed) {
      this.#changed.delete(channel)
      this.#follow(channel, now, out)
    }
  }

  #follow(channel: Channel, now: number, out: ServerOutbox): void {
    for (const change of channel.source!.channel.takeChanges()) this.#tell(channel, change, now, out)
  }

  /** Tells the client of a change that the channel's source made. */
  #tell(channel: Channel, change: SourceChange, now: number, out: ServerOutbox): void {
    const { info } = channel
    const { channelId } = info
    const { channel: source } = channel.source!
    switch (change._tag) {
      case "FutureJob":
      case "NewJob":
        return announceTo(this.#state, [channel], change, out)
      case "NewPrevHash":
        announceTo(this.#state, [channel], change, out)
        channel.takeUnusedLeases(source.jobs)
        return
      case "NewTarget": {
        const { difficulty, target } = channel.setTarget(change.target, change.since, source.jobs)
        out.messages.push({ _tag: "SetTarget", channelId, maximumTarget: target })
        out.events.push({ _tag: "TargetChanged", channel: info, difficulty })
        return
      }
      case "NewPrefix":
        channel.changeLease({ ...source.lease, prefix: change.prefix }, change.fromJobId)
        out.messages.push(channel.prefixMessage)
        return
      case "SharesAccepted":
        return this.#shares.acceptWaiting(channel, change.keys, now, out)
      case "ShareRefused":
        return this.#shares.refuseWaiting(channel, change, now, out)
      case "UpdateRefused":
        out.messages.push({ _tag: "UpdateChannel.Error", channelId, errorCode: change.errorCode })
        return
      case "Closed":
        this.#server.closeChannel(channelId, change.reasonCode, now, out)
        return
      case "Forwarded":
        // A connection whose protocol is `Protocol.forwarding` encodes it.
        out.messages.push({ ...change.message, channelId } as unknown as Mining.ToClient)
        return
      case "EndpointChanged":
        out.messages.push({ _tag: "ChannelEndpointChanged", channelId })
    }
  }
}
