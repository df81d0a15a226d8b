/** Parses a line for those that look at it. */
import type { Line } from "@sluice/stratum-v1"

/** The JSON object of a line; undefined if it is something else. */
export const parseLine = (bytes: Uint8Array): Line | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
