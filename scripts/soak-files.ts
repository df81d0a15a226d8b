/** Files that only `npm run soak` runs: they start many programs, whose parts other files test. */
export const soakFiles = [
  "examples/test/pool-that-pays-others.test.ts",
  "examples/test/renaming-proxy.test.ts",
  "packages/conformance/test/own-servers.test.ts",
  "programs/test/custom-jobs.test.ts",
  "programs/test/declared-proxy.test.ts",
  "programs/test/full-disk.test.ts",
  "programs/test/per-miner-v1.test.ts",
  "programs/test/streams.test.ts",
  "programs/test/v1-sniff.test.ts",
  "programs/test/workers-v1.test.ts"
]
