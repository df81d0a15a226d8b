/**
 * The bytes behind a message's fields as TLVs (specification, section 3.4.3): type U16 and U8, length U16, value.
 *
 * All numbers of the specification are little-endian, and so are ours here; but the page of extension 0x0002 prints its
 * example big-endian, so there are peers that send that. Both orders are read. What a tail is read as is decided by what
 * it names: the order that finds more TLVs which are known; then the one that comes out even; then little-endian.
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
  /** Where the TLVs end; what follows them is none. */
  readonly end: number
  /** A TLV that is known and says that it is longer than what there is. */
  readonly cut: TlvBytes | undefined
}

/** A TLV's type and length, in bytes. */
export const TLV_HEADER_SIZE = 5

/** Reads the payload's bytes from `at`. */
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

/** The size of a TLV and where its bytes go: header and value, little-endian. Returns where the value begins. */
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
