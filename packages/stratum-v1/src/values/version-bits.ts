/** Version rolling (BIP310): which bits of a job's version a miner may set, and how a submit says which it set. */

/** The bits that BIP320 gives to miners, which all firmware rolls. */
export const BIP320_MASK = 0x1fffe000
/** The bits that BIP323 gives to miners. */
export const BIP323_MASK = 0x1fffffe0

/**
 * The version of a share: (job & ~mask) | (bits & mask). Undefined where the bits are outside of the mask. Some miners
 * send the whole version in place of the bits: then the bits outside of the mask are the job's.
 */
export const versionOf = (jobVersion: number, mask: number, bits: number | undefined): number | undefined => {
  if (bits === undefined) return jobVersion
  const outside = bits & ~mask
  const fixed = jobVersion & ~mask
  if (outside !== 0 && outside !== fixed) return undefined
  return (fixed | (bits & mask)) >>> 0
}

/** The sixth parameter of a submit: the bits of the share's version that the mask lets a miner set. */
export const versionBitsOf = (version: number, mask: number): number => (version & mask) >>> 0
