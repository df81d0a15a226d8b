/** The messages that a machine sends and the events that it emits, each in order. The shell empties it after each batch. */
export class Outbox<Message, Event> {
  /** Messages to send, in this order. A server gives all connections the same object for a group message: encode it once. */
  messages: Array<Message> = []
  events: Array<Event> = []

  takeMessages(): Array<Message> {
    const messages = this.messages
    this.messages = []
    return messages
  }

  takeEvents(): Array<Event> {
    const events = this.events
    this.events = []
    return events
  }
}
