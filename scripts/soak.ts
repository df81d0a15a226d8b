/**
 * `npm run soak`: the tests of random inputs and of crowds with their full numbers, which take minutes. `npm test` runs the
 * same files with smaller numbers, and leaves out those of soak-files.ts. A variable of the environment wins: `SLUICE_SEQUENCES=100000 npm run soak`.
 */
import { spawnSync } from "node:child_process"
import { soakFiles } from "./soak-files.ts"

const soaks: ReadonlyArray<{ readonly file: string; readonly variable: string; readonly number: number }> = [
  { file: "packages/channels/test/state-machine.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  { file: "packages/channels/test/custom-state-machine.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  {
    file: "packages/job-declaration/test/server/declaration-session.test.ts",
    variable: "SLUICE_SEQUENCES",
    number: 10_000
  },
  { file: "packages/translator/test/listener/state-machine.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  { file: "packages/translator/test/back-to-back.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  { file: "packages/proxy/test/state-machine.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  { file: "packages/proxy/test/declared/state-machine.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  { file: "packages/proxy/test/fail-over-sockets.test.ts", variable: "SLUICE_FAIL_OVERS", number: 10 },
  { file: "packages/proxy/test/conformance.test.ts", variable: "SLUICE_ALL_RULES", number: 1 },
  { file: "packages/pool/test/crowd.test.ts", variable: "SLUICE_CROWD", number: 2_000 },
  { file: "packages/translator/test/listener/crowd.test.ts", variable: "SLUICE_CROWD", number: 2_000 },
  { file: "packages/ledger/test/scheme.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  { file: "packages/ledger/test/spool.test.ts", variable: "SLUICE_SPOOL_CUTS", number: 1_000 },
  { file: "packages/ledger/test/chain.test.ts", variable: "SLUICE_LEDGER_BLOCKS", number: 200 },
  { file: "packages/ledger/test/pay-killed.test.ts", variable: "SLUICE_PAY_KILLS", number: 18 },
  { file: "packages/mining-server/test/recording-state-machine.test.ts", variable: "SLUICE_SEQUENCES", number: 10_000 },
  { file: "packages/core/test/parity.test.ts", variable: "SLUICE_INPUTS", number: 10_000 },
  { file: "programs/test/chaos.test.ts", variable: "SLUICE_CHAOS_SECONDS", number: 60 },
  { file: "programs/test/declared-ledger.test.ts", variable: "SLUICE_DECLARED_LEDGER", number: 1 },
  { file: "examples/test/sessions.test.ts", variable: "SLUICE_ALL_SESSIONS", number: 1 },
  { file: "programs/test/workers.test.ts", variable: "SLUICE_WORKER_SECONDS", number: 60 },
  { file: "programs/test/init-terminal.test.ts", variable: "SLUICE_TERMINAL_RUNS", number: 1 }
]

const { status } = spawnSync("vitest", ["run", ...soaks.map(({ file }) => file), ...soakFiles], {
  stdio: "inherit",
  env: {
    SLUICE_SOAK: "1",
    ...Object.fromEntries(soaks.map(({ number, variable }) => [variable, String(number)])),
    ...process.env
  },
  shell: process.platform === "win32"
})
process.exitCode = status ?? 1
