/**
 * The outbox of a step of a channel server. All connections share one, because memory of its own would be slow; a step that causes
 * another one, for another connection, borrows a second.
 */
import { type ChannelEvent, Outbox, type ServerOutbox } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"

let spare: ServerOutbox | undefined

/** Lends an empty outbox. */
export const borrow = (): ServerOutbox => {
  const out = spare ?? new Outbox<Mining.ToClient, ChannelEvent>()
  spare = undefined
  return out
}

/** Takes an outbox back, which must be empty. */
export const giveBack = (out: ServerOutbox): void => {
  spare = out
}
