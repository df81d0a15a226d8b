/**
 * Reads the bytes behind a message's fields as TLVs (specification, section 3.4.3): type U16 and U8, length U16, value.
 *
 * All numbers of the specification are little-endian, and Sluice writes them so. But the page of extension 0x0002 prints its
 * example big-endian, and some peers send that, so both orders are read. The order is chosen in three steps: the order in which
 * more known TLVs are found, then the order in which the TLVs end exactly with the payload, then little-endian.
 */

/** One TLV in a payload: its value is the `size` bytes from `at`. */
export interface TlvBytes {
  readonly extension: number
  readonly type: number
  readonly at: number
  readonly size: number
}

export interface TlvTail {
  readonly tlvs: ReadonlyArray<TlvBytes>
  readonly byteOrder: "little" | "big"
  /** The offset at which the TLVs end. Bytes behind it are not a TLV. */
  readonly end: number
  /** A known TLV whose length exceeds the rest of the payload. */
  readonly cut: TlvBytes | undefined
}

/** The size of a TLV's type and length, in bytes. */
export const TLV_HEADER_SIZE = 5

/** Reads the TLVs of the payload from `at` on. */
export const readTail = (
  payload: Uint8Array,
  at: number,
  isKnown: (extension: number, type: number) => boolean
): TlvTail => {
  const little = walk(payload, at, "little", isKnown)
  if (little.known === little.tlvs.length && little.end === payload.length) return little
  const big = walk(payload, at, "big", isKnown)
  if (big.known !== little.known) return big.known > little.known ? big : little
  return big.end === payload.length && little.end < payload.length ? big : little
}

/** Writes a TLV's header, little-endian, for a value of `size` bytes. Returns the offset at which the value begins. */
export const writeTlvHeader = (
  out: Uint8Array,
  at: number,
  tlv: { readonly extension: number; readonly type: number },
  size: number
): number => {
  out[at] = tlv.extension
  out[at + 1] = tlv.extension >> 8
  out[at + 2] = tlv.type
  out[at + 3] = size
  out[at + 4] = size >> 8
  return at + TLV_HEADER_SIZE
}

const walk = (
  payload: Uint8Array,
  start: number,
  byteOrder: TlvTail["byteOrder"],
  isKnown: (extension: number, type: number) => boolean
): TlvTail & { readonly known: number } => {
  const [low, high] = byteOrder === "little" ? [0, 1] : [1, 0]
  const tlvs: Array<TlvBytes> = []
  let known = 0
  let end = start
  while (payload.length - end >= TLV_HEADER_SIZE) {
    const extension = payload[end + low]! | (payload[end + high]! << 8)
    const type = payload[end + 2]!
    const at = end + TLV_HEADER_SIZE
    const size = payload[at - 2 + low]! | (payload[at - 2 + high]! << 8)
    const found = isKnown(extension, type)
    if (found) known++
    const tlv = { extension, type, at, size }
    if (payload.length - at < size) return { tlvs, byteOrder, end, cut: found ? tlv : undefined, known }
    tlvs.push(tlv)
    end = at + size
  }
  return { tlvs, byteOrder, end, cut: undefined, known }
}
