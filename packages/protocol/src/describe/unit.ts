/** What the numbers of messages count, for people: in documentation and in what tools print. */

/** A field's unit, such as "seconds since 1970"; `undefined` for what has none, such as an id. */
export const unitOf = (field: string): string | undefined => UNITS[field]

const bytes = "bytes"
const seconds = "seconds since 1970"
const target = "256-bit number, little-endian"
const hash = "hash, as on the wire"

/** By name: no name stands for two units, whatever the message. */
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
