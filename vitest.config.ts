import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { soakFiles } from "./scripts/soak-files.ts"

/** Files that measure the memory of their process: each has a process of its own. */
const measuring = ["packages/{pool/test/crowd,template-provider/test/soak,translator/test/listener/crowd}.test.ts"]

export default defineConfig({
  test: {
    // Two more than there are cores: many files wait for sockets, processes and clocks.
    maxWorkers: availableParallelism() + 2,
    projects: [
      {
        extends: true,
        test: {
          name: "shared",
          include: ["{packages/*,programs,bench,embedded,examples}/test/**/*.test.ts"],
          exclude: process.env["SLUICE_SOAK"] === undefined ? [...measuring, ...soakFiles] : measuring,
          // Importing Effect and the packages anew takes longer than most files' tests. So files share a process, one after
          // the other: a test must put back what it changes of a module or of the process.
          isolate: false
        }
      },
      { extends: true, test: { name: "alone", include: measuring } }
    ],
    // Spies and variables of the environment are put back after each test.
    restoreMocks: true,
    unstubEnvs: true,
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
