/**
 * BIP141's commitment to the witnesses of a block: an output of the coinbase that holds a hash of the witness merkle
 * root and a reserved value, which is 32 zero bytes here and everywhere else today.
 */
import { doubleSha256 } from "../hashing/hash.ts"
import { coinbaseMerklePath, coinbaseMerklePathFromDisplay, merkleRootFromPath } from "./merkle-path.ts"
import type { Output } from "./coinbase.ts"

/** The 32 bytes of the commitment. `wtxids` (internal order) are those of all transactions but the coinbase, which counts as zero. */
export const witnessCommitment = (wtxids: ReadonlyArray<Uint8Array>): Uint8Array =>
  commitmentTo(coinbaseMerklePath(wtxids))

/** The same from wtxids in display order, fast for thousands of them. Throws a `TypeError` for a text that is no hash. */
export const witnessCommitmentFromDisplay = (wtxids: ReadonlyArray<string>): Uint8Array =>
  commitmentTo(coinbaseMerklePathFromDisplay(wtxids))

const commitmentTo = (path: ReadonlyArray<Uint8Array>): Uint8Array => {
  const preimage = new Uint8Array(64)
  preimage.set(merkleRootFromPath(ZERO, path))
  return doubleSha256(preimage)
}

/** The coinbase output that carries a commitment: OP_RETURN, push of 36 bytes, `aa21a9ed`, commitment; value 0. */
export const witnessCommitmentOutput = (commitment: Uint8Array): Output => {
  const script = new Uint8Array(38)
  script.set(COMMITMENT_HEADER)
  script.set(commitment, COMMITMENT_HEADER.length)
  return { value: 0n, script }
}

/** Whether a scriptPubKey is a witness commitment. If a coinbase has several, the last one counts. */
export const isWitnessCommitment = (script: Uint8Array): boolean =>
  script.length >= 38 && COMMITMENT_HEADER.every((byte, index) => script[index] === byte)

const COMMITMENT_HEADER = new Uint8Array([0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed])
const ZERO = new Uint8Array(32)
