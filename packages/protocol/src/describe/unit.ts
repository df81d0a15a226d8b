/** Units of message fields, for documentation and the output of tools. */

/** A field's unit, such as "seconds since 1970". `undefined` for fields without a unit, such as ids. */
export const unitOf = (field: string): string | undefined => UNITS[field]

const bytes = "bytes"
const seconds = "seconds since 1970"
const target = "256-bit number, little-endian"
const hash = "hash, as on the wire"

/** By field name: a name has the same unit in all messages. */
const UNITS: Readonly<Record<string, string>> = {
  nominalHashRate: "hashes a second",
  maxTarget: target,
  maximumTarget: target,
  target,
  prevHash: hash,
  merkleRoot: hash,
  merklePath: "hashes, as on the wire",
  wtxidList: "hashes, as on the wire",
  ntime: seconds,
  minNtime: seconds,
  headerTimestamp: seconds,
  nbits: "compact target",
  newSharesSum: "difficulty",
  newSubmitsAcceptedCount: "shares",
  extranonceSize: bytes,
  minExtranonceSize: bytes,
  coinbaseOutputMaxAdditionalSize: bytes,
  coinbaseOutputMaxAdditionalSigops: "signature operations",
  coinbaseTxValueRemaining: "satoshis"
}
