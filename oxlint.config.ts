import { defineConfig } from "oxlint"

/** The house, floor by floor (docs/architecture.md). A package imports only from the floors below its own. */
const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["core"],
  ["protocol", "noise", "bitcoin", "stratum-v1"],
  ["transport", "channels", "node", "dev-node", "embedded"],
  ["translator", "template-provider", "job-declaration", "sniffer"],
  ["mining-server", "ledger"],
  ["pool", "proxy", "miner", "monitor", "conformance"],
  ["swarm", "simulation"]
]

/**
 * Neighbours on one floor that a package may import all the same: the development node stands in for a node, and the ledger
 * implements services of the server of miners.
 */
const neighbours: Readonly<Record<string, ReadonlyArray<string>>> = {
  "dev-node": ["node", "transport"],
  ledger: ["mining-server"]
}

/** Entries beside a package's main one, for programs that must start without loading all of it. */
const lightEntries = [
  "@sluice/monitor/log-line",
  "@sluice/monitor/receiver",
  "@sluice/noise/authority-key",
  "@sluice/protocol/printable"
]

const publicEntryOnly = {
  group: ["@sluice/*/**", "!@sluice/testing/*", ...lightEntries.map((entry) => `!${entry}`)],
  message: "Import a package through its public entry only."
}
const ownPackageOnly = { group: ["**/packages/**"], message: "Import another package by its name." }

const packageRules = floors.flatMap((packages, floor) =>
  packages.map((name) => {
    const below = [...floors.slice(0, floor).flat(), ...(neighbours[name] ?? [])]
    const barred = floors.flat().filter((other) => other !== name && !below.includes(other))
    const group = [...barred.map((other) => `@sluice/${other}`), "@sluice/testing/*", "sluice"]
    const home = name === "embedded" ? name : `packages/${name}`
    const message = `${home} is on floor ${floor}; it imports only from the floors below (docs/architecture.md).`
    return {
      files: [`${home}/src/**`],
      rules: {
        "no-restricted-imports": ["error", { patterns: [{ group, message }, publicEntryOnly, ownPackageOnly] }] as const
      }
    }
  })
)

export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "oxc"],
  categories: { correctness: "error", suspicious: "warn" },
  rules: {
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "import/no-unassigned-import": "off",
    "no-restricted-imports": ["error", { patterns: [publicEntryOnly] }],
    "no-shadow": "off",
    "no-underscore-dangle": "off",
    "require-yield": "off",
    "typescript/no-explicit-any": "error",
    "unicorn/consistent-function-scoping": "off"
  },
  overrides: [...packageRules],
  ignorePatterns: ["node_modules", "build"]
})
