/** The options of the layer for Stratum V1 miners. */
import { BIP320_MASK, BIP323_MASK } from "@sluice/stratum-v1"
import { Result, Schema } from "effect"

export interface ListenerOptions {
  /**
   * Bytes of extranonce that a miner rolls, 2 to 8. Default 4; a miner may get more where the channel has more. Cgminer takes 2
   * to 16, Whatsminers at most 8, Avalons at least 3, NiceHash at least 4, Braiins' rented hash power at least 7.
   */
  readonly extranonce2Size?: number
  /** Version bits that miners may roll, within BIP323's. Default those of BIP320, which all firmware rolls; 0 for none. */
  readonly versionMask?: number
  /**
   * Hashes a second that a miner is taken to have until its shares show more or less, where it says nothing itself (`d=` in the
   * password, mining.suggest_difficulty). Default 1e12, a small home miner.
   */
  readonly nominalHashRate?: number
  /** Lines a second of one miner; a miner that sends more is read from more slowly. Default 5,000. */
  readonly maxMessagesPerSecond?: number
  /** Lines a second that are refused before they are shares; a connection with more of them ends. Default 100. */
  readonly maxErrorsPerSecond?: number
}

export interface ListenerRules extends Required<ListenerOptions> {}

/** An option is out of its range. */
export class ListenerOptionError extends Schema.TaggedError<ListenerOptionError>(
  "sluice/translator/ListenerOptionError"
)("ListenerOptionError", { option: Schema.String, message: Schema.String }) {}

export const rulesOf = (options: ListenerOptions): Result.Result<ListenerRules, ListenerOptionError> => {
  const { extranonce2Size = 4, maxErrorsPerSecond = 100, maxMessagesPerSecond = 5_000 } = options
  const { nominalHashRate = 1e12, versionMask = BIP320_MASK } = options
  if (!(Number.isInteger(extranonce2Size) && extranonce2Size >= 2 && extranonce2Size <= MAX_EXTRANONCE2)) {
    return refuse("extranonce2Size", `a whole number from 2 to ${MAX_EXTRANONCE2}`, extranonce2Size)
  }
  if (!Number.isInteger(versionMask) || (versionMask & ~BIP323_MASK) !== 0) {
    return refuse("versionMask", `within ${BIP323_MASK.toString(16)} (BIP323)`, versionMask.toString(16))
  }
  if (!(nominalHashRate > 0 && nominalHashRate <= 1e24)) {
    return refuse("nominalHashRate", "a number of hashes a second above 0, at most 1e24", nominalHashRate)
  }
  if (!(maxMessagesPerSecond > 0)) return refuse("maxMessagesPerSecond", "a number above 0", maxMessagesPerSecond)
  if (!(maxErrorsPerSecond > 0)) return refuse("maxErrorsPerSecond", "a number above 0", maxErrorsPerSecond)
  return Result.succeed({ extranonce2Size, versionMask, nominalHashRate, maxMessagesPerSecond, maxErrorsPerSecond })
}

/** The most that Whatsminers and many others roll. */
export const MAX_EXTRANONCE2 = 8

const refuse = (option: string, expected: string, value: number | string) =>
  Result.fail(new ListenerOptionError({ option, message: `${option} is ${expected}; got ${value}` }))
