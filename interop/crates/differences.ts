/** The intended differences between Sluice and the crates; docs/interop.md explains them under the same names. */
import type { Message } from "@sluice/protocol"

/** How often each difference occurred. */
export interface Explained {
  readonly explained: Map<string, number>
}

/** The name of the difference; undefined if it is not intended. */
export const explain = (message: Message, payload: Uint8Array, ours: string, theirs: string): string | undefined => {
  if (message.name === "SetupConnection" && payload[0]! > 2 && theirs.includes("ValueIsNotAValidProtocol")) {
    return "a protocol without a name"
  }
  if (withoutNaN(ours) === withoutNaN(theirs)) return "the bits of a NaN"
  return undefined
}

/** A view in which all NaN hash rates look the same. */
const withoutNaN = (view: string): string =>
  view.replace(/"nominal_hash_rate":(\d+)/, (field, bits: string) =>
    (Number(bits) & 0x7fffffff) > 0x7f800000 ? "" : field
  )
