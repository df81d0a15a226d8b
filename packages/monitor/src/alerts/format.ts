/** Numbers in messages. */

const PREFIXES = ["", "k", "M", "G", "T", "P", "E", "Z"]

/** `1.23 TH/s`. */
export const formatHashRate = (hashesPerSecond: number): string => {
  const index = hashesPerSecond < 1 ? 0 : Math.min(PREFIXES.length - 1, Math.floor(Math.log10(hashesPerSecond) / 3))
  return `${(hashesPerSecond / 1000 ** index).toPrecision(3)} ${PREFIXES[index]}H/s`
}
