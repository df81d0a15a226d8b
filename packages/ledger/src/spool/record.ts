/**
 * The format of a spool file: a line of text, then records. A record is the length of its payload, the CRC-32 of that, both 4 bytes with the
 * least significant first, and the payload: a JSON array of shares.
 */
import { Schema } from "effect"
import { crc32 } from "node:zlib"
import { type NewShare, shareFields } from "../store/share.ts"

/** The first bytes of a spool file. */
export const HEADER = new TextEncoder().encode("sluice spool 1\n")
/** The length and the checksum before each payload. */
export const RECORD_HEADER = 8

/** What each payload begins and ends with. */
const BEGIN = Buffer.from("[[")
const END = Buffer.from("]]")
/** No text of JavaScript is as long, in bytes. Four characters of a share, read as a length, are more. */
const MAX_LENGTH = 2 ** 29
/** The bytes of a record by which `recordPlaces` finds it. */
export const RECORD_START = RECORD_HEADER + BEGIN.length

const Shares = Schema.fromJsonString(Schema.Array(Schema.Tuple(shareFields)))
const decodeShares = Schema.decodeSync(Shares)
const encodeShares = Schema.encodeSync(Shares)

export const encodeRecord = (shares: ReadonlyArray<NewShare>): Uint8Array => {
  const rows = shares.map(
    ({ at, hash, height, isBlock, user, work, worker }) => [at, user, worker, work, height, hash, isBlock] as const
  )
  const payload = new TextEncoder().encode(encodeShares(rows))
  const record = new Uint8Array(RECORD_HEADER + payload.length)
  const view = new DataView(record.buffer)
  view.setUint32(0, payload.length, true)
  view.setUint32(4, crc32(payload), true)
  record.set(payload, RECORD_HEADER)
  return record
}

/** What stands at the beginning of these bytes, which reach to the end of the file or beyond the record. */
export type Read =
  | { readonly _tag: "Record"; readonly length: number; readonly shares: ReadonlyArray<NewShare> }
  /** More bytes are needed to decide: this many in all. */
  | { readonly _tag: "Short"; readonly length: number }
  /** The record is not what was written. It has this length by its own account, and `hasEnd` says that its end is there. */
  | { readonly _tag: "Damaged"; readonly length: number; readonly hasEnd: boolean }

export const readRecord = (bytes: Uint8Array): Read => {
  if (bytes.length < RECORD_HEADER) return { _tag: "Short", length: RECORD_HEADER }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const length = RECORD_HEADER + view.getUint32(0, true)
  // Zeros are what a file system may leave where a write was cut off.
  if (length === RECORD_HEADER) return { _tag: "Damaged", length, hasEnd: false }
  if (bytes.length < length) return { _tag: "Short", length }
  const payload = bytes.subarray(RECORD_HEADER, length)
  if (crc32(payload) !== view.getUint32(4, true)) {
    return { _tag: "Damaged", length, hasEnd: Buffer.compare(payload.subarray(-END.length), END) === 0 }
  }
  const shares = decodeShares(new TextDecoder().decode(payload)).map(
    ([at, user, worker, work, height, hash, isBlock]): NewShare => ({ at, user, worker, work, height, hash, isBlock })
  )
  return { _tag: "Record", length, shares }
}

/** Where a record may begin in these bytes that ends within `size`: by its length and its first characters alone. */
export const recordPlaces = (bytes: Uint8Array, size: number): ReadonlyArray<number> => {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const places: Array<number> = []
  for (let at = view.indexOf(BEGIN, RECORD_HEADER); at !== -1; at = view.indexOf(BEGIN, at + 1)) {
    const place = at - RECORD_HEADER
    if (view.readUInt32LE(place) <= Math.min(size - at, MAX_LENGTH)) places.push(place)
  }
  return places
}
