/** What one end's machine wants its shell to send and to know, each in order. The shell empties it after each batch. */
export class Outbox<Message, Event> {
  /** To be sent in this order. A server's group messages are the same object for all connections: encode each once. */
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
