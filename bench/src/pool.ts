/**
 * The pool's CPU time for an accepted share, over TCP with Noise, against its cryptography: the sum of opening the share's
 * frame, its SHA-256 work and its part of the acknowledgements, measured in the same process of the same run.
 */
import type { AsyncCase, Row } from "./case.ts"
import { type Load, loads, startShareServer } from "./share-load.ts"

const MEASURED_MS = 2000

export const asyncCases: ReadonlyArray<AsyncCase> = loads.map((load) => ({
  name: `pool: ${load.name}`,
  rows: () => run(load)
}))

const run = async (load: Load): Promise<ReadonlyArray<Row>> => {
  const server = await startShareServer(load, "./pool-server.ts")
  try {
    const { acknowledgementsPerShare, nsPerShare: value } = await server.underLoad(MEASURED_MS)
    const { cryptography } = await server.ask("Cryptography", { _tag: "Cryptography", channel: load.channel })
    const crypto = cryptography.open + cryptography.hash + cryptography.seal * acknowledgementsPerShare
    const row = { name: `pool: ${load.name}`, unit: "ns/share", value }
    const rows = [{ ...row, baseline: "its cryptography", baselineValue: crypto, ratio: value / crypto }]
    // A device sends one share for each read. Then the sockets cost most, so they are a second baseline.
    if (load.sharesAtOnce === 1) {
      const baselineValue = crypto + (await server.bareSockets(MEASURED_MS))
      rows.push({ ...row, baseline: "and bare sockets", baselineValue, ratio: value / baselineValue })
    }
    return rows
  } finally {
    await server.stop()
  }
}
