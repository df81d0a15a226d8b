/** Version rolling: the bits of a header's version that a miner may change (BIP323). */

/** The 24 bits that BIP323 gives to miners (section 5.1). Stratum V1 miners may ask for fewer. */
export const VERSION_MASK: i32 = 0x1fffffe0
/** The 16 bits of BIP320, which older devices and Stratum V1 software still roll. */
export const BIP320_VERSION_MASK: i32 = 0x1fffe000

/** Whether `version` differs from the job's only in bits of the mask. */
export function isVersionRolledWithin(jobVersion: i32, version: i32, mask: i32): bool {
  return ((jobVersion ^ version) & ~mask) === 0
}

/** Increments the bits of the mask as a counter, from all ones back to all zeros. */
export function nextVersion(version: i32, mask: i32): i32 {
  return (((version | ~mask) + 1) & mask) | (version & ~mask) | 0
}
