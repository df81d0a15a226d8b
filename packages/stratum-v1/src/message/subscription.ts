/** The answer to mining.subscribe, which pools write in several forms. */
import { Schema } from "effect"
import { bytes, type Field, integer, Text } from "./field.ts"

export interface Subscription {
  /** What a client may send with its next subscribe, to get the same extranonce1 again. */
  readonly session: string | undefined
  readonly extranonce1: Uint8Array
  /** How many bytes of extranonce the miner rolls. */
  readonly extranonce2Size: number
}

/** Bitcoin's coinbase has 100 bytes for the height, tags and extranonce; V2 gives the extranonce 32 of them (5.1.2.1). */
export const Extranonce = bytes(32)
export const ExtranonceSize = integer(32)

/**
 * `[[["mining.notify", SESSION]], EXTRANONCE1, SIZE]`, as ckpool writes it. The list of subscriptions is also read empty,
 * flat (`["mining.notify", SESSION]`), null, or spread over the outer list; the last two values count.
 */
export const SubscriptionField: Field<Subscription> = {
  name: "subscriptions, extranonce1, size of extranonce2",
  schema: Schema.Struct({
    session: Schema.UndefinedOr(Text.schema),
    extranonce1: Extranonce.schema,
    extranonce2Size: ExtranonceSize.schema
  }),
  presence: "required",
  read: (value) => {
    if (!Array.isArray(value) || value.length < 3) return undefined
    const extranonce1 = Extranonce.read(value.at(-2))
    const extranonce2Size = ExtranonceSize.read(value.at(-1))
    if (extranonce1 === undefined || extranonce2Size === undefined) return undefined
    return { session: findSession(value.slice(0, -2)), extranonce1, extranonce2Size }
  },
  write: ({ extranonce1, extranonce2Size, session }) => [
    session === undefined ? [] : [["mining.notify", session]],
    Extranonce.write(extranonce1),
    extranonce2Size
  ],
  Type: undefined as unknown as Subscription
}

/** The text behind "mining.notify", at most three lists deep. */
const findSession = (list: ReadonlyArray<unknown>, depth = 0): string | undefined => {
  for (const [index, item] of list.entries()) {
    if (item === "mining.notify") return Text.read(list[index + 1])
    const found = Array.isArray(item) && depth < 2 ? findSession(item, depth + 1) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
