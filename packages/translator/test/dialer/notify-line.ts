import { NTIME } from "./honest-pool.ts"

/** A notify that parses around an extranonce of this size, unless told otherwise. */
export const notify = ({
  branches = 0,
  coinbase = undefined as readonly [string, string] | undefined,
  nbits = "1d00ffff",
  prevHash = "01".repeat(32),
  size = 12
}): string => {
  const script = (2 + size).toString(16).padStart(2, "0")
  const [prefix, suffix] = coinbase ?? [
    `02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff${script}5151`,
    "ffffffff0100f2052a01000000015100000000"
  ]
  const path = Array.from({ length: branches }, () => "03".repeat(32))
  const params = ["x", prevHash, prefix, suffix, path, "20000000", nbits, NTIME.toString(16), false]
  return JSON.stringify({ id: null, method: "mining.notify", params })
}
