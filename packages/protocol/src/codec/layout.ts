/** The layout of a message or TLV on the wire, as data: its codec is compiled from it (codec.ts). */
import type { WireType } from "./wire.ts"

export interface Layout {
  readonly name: string
  /** extension_type of the frame's header, with the channel bit. */
  readonly extensionType: number
  readonly type: number
  readonly fields: ReadonlyArray<{ readonly name: string; readonly type: WireType }>
}
