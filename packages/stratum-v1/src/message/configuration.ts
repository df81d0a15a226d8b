/** What mining.configure asks for and what the pool grants, extension by extension (BIP310). */
import { Bool, HexU32, ignorable, integer, MinimumDifficulty, orElse, record, Text } from "./field.ts"

export const VERSION_ROLLING = "version-rolling"
export const MINIMUM_DIFFICULTY = "minimum-difficulty"
export const SUBSCRIBE_EXTRANONCE = "subscribe-extranonce"

/** An option that cannot be read costs at most its own extension: a mask that cannot is one without bits. */
export const ConfigureOptions = record("object of options", {
  versionRollingMask: { key: "version-rolling.mask", field: orElse(HexU32, 0) },
  versionRollingMinBitCount: { key: "version-rolling.min-bit-count", field: ignorable(integer(32)) },
  minimumDifficulty: { key: "minimum-difficulty.value", field: ignorable(MinimumDifficulty) },
  hardwareVersion: { key: "info.hw-version", field: ignorable(Text) },
  softwareVersion: { key: "info.sw-version", field: ignorable(Text) },
  hardwareId: { key: "info.hw-id", field: ignorable(Text) }
})
export type ConfigureOptions = typeof ConfigureOptions.Type

export const ConfigureResult = record("object of granted extensions", {
  versionRolling: { key: "version-rolling", field: Bool },
  versionRollingMask: { key: "version-rolling.mask", field: HexU32 },
  minimumDifficulty: { key: "minimum-difficulty", field: Bool },
  subscribeExtranonce: { key: "subscribe-extranonce", field: Bool }
})
export type ConfigureResult = typeof ConfigureResult.Type
