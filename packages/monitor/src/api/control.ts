/** What an operator may change. */
import { Schema } from "effect"

const connectionId = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
const u32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
const host = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(255))
const port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))

export const CloseChannel = Schema.Struct({
  connectionId,
  channelId: u32,
  /** Sent to the miner. */
  reason: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(64)))
})

/** Sends a miner to another server with the same authority key, or without `to` to this one again. */
export const Reconnect = Schema.Struct({
  connectionId,
  to: Schema.optionalKey(Schema.Struct({ host, port }))
})

/** Sends all miners to another server with the same authority key, so many a second. */
export const Drain = Schema.Struct({
  to: Schema.Struct({ host, port }),
  perSecond: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })))
})

export const Done = Schema.Struct({ done: Schema.Literal(true) })
export const DrainStarted = Schema.Struct({ connections: Schema.Finite })
