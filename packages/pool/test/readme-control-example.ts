import { Pool } from "@sluice/pool"
import { type ValidateUser } from "@sluice/mining-server"
import { Effect, Option } from "effect"

const banned = new Set<string>()

/** For the pool's option of this name. */
export const validateUser: ValidateUser = ({ user }) => Effect.succeed(banned.has(user) ? "unknown-user" : undefined)

/** Closes all channels of a user, who opens no other. */
export const ban = Effect.fn("ban")(function* (name: string) {
  const { closeChannel, user } = yield* Pool
  banned.add(name)
  const found = yield* user(name, { limit: Infinity, offset: 0 })
  if (Option.isNone(found)) return
  // One that is closed meanwhile needs nothing more.
  for (const { channel } of found.value.openChannels) yield* Effect.ignore(closeChannel(channel, "banned"))
})
