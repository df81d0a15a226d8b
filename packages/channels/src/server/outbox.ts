/** What the server's machine wants sent and told, in order; the shell empties it after each batch. */
import type { Mining } from "@sluice/protocol"
import type { ChannelEvent } from "./event.ts"

export class Outbox {
  /** To be sent in this order. Group messages are the same object for all connections: encode such an object once. */
  messages: Array<Mining.ToClient> = []
  events: Array<ChannelEvent> = []

  takeMessages(): Array<Mining.ToClient> {
    const messages = this.messages
    this.messages = []
    return messages
  }

  takeEvents(): Array<ChannelEvent> {
    const events = this.events
    this.events = []
    return events
  }
}
