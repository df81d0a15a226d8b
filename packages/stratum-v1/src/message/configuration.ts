/** What mining.configure asks for and what the pool grants, extension by extension (BIP310). */
import { Bool, Difficulty, HexU32, integer, record, Text } from "./field.ts"

export const VERSION_ROLLING = "version-rolling"
export const MINIMUM_DIFFICULTY = "minimum-difficulty"
export const SUBSCRIBE_EXTRANONCE = "subscribe-extranonce"

export const ConfigureOptions = record("object of options", {
  versionRollingMask: { key: "version-rolling.mask", field: HexU32 },
  versionRollingMinBitCount: { key: "version-rolling.min-bit-count", field: integer(32) },
  minimumDifficulty: { key: "minimum-difficulty.value", field: Difficulty },
  hardwareVersion: { key: "info.hw-version", field: Text },
  softwareVersion: { key: "info.sw-version", field: Text },
  hardwareId: { key: "info.hw-id", field: Text }
})
export type ConfigureOptions = typeof ConfigureOptions.Type

export const ConfigureResult = record("object of granted extensions", {
  versionRolling: { key: "version-rolling", field: Bool },
  versionRollingMask: { key: "version-rolling.mask", field: HexU32 },
  minimumDifficulty: { key: "minimum-difficulty", field: Bool },
  subscribeExtranonce: { key: "subscribe-extranonce", field: Bool }
})
export type ConfigureResult = typeof ConfigureResult.Type
