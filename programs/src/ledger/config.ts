/** The configuration of `sluice ledger` and its commands. */
import { Schema, Struct } from "effect"
import { BLOCK_SCHEMES, ledgerUrl } from "../config/ledger.ts"
import { defaulted, required } from "../config/key.ts"
import { fileToRead, newFile } from "../config/path.ts"
import { choice, decimal, string, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { nodeKeys, nodeUrlKey, wholeNode } from "../server/node.ts"

const ledger = required(ledgerUrl, { description: "The ledger.", example: "sqlite:pool.ledger" })
const json = defaulted(toggle, {
  description: "Print lines of JSON on a terminal too. Elsewhere they are printed in any case.",
  default: false
})

/** The configuration of a command that needs the ledger only. */
export const plainConfig = <Name extends string>(name: Name) => ({
  program: `ledger ${name}`,
  schema: Schema.Struct({ ledger, json, ...loggingKeys })
})

export const ImportConfig = {
  program: "ledger import",
  schema: Schema.Struct({
    ledger,
    shareLog: required(fileToRead("a share log that exists"), {
      description: "The share log to read, as share-log of a pool or a proxy wrote it.",
      example: "shares.ndjson"
    }),
    json,
    ...loggingKeys
  })
}

export const ExportConfig = {
  program: "ledger export",
  schema: Schema.Struct({
    ledger,
    table: defaulted(choice(["shares", "blocks", "entries"]), { description: "What to export.", default: "shares" }),
    format: defaulted(choice(["csv", "ndjson"]), {
      description: "CSV with a header, or lines of JSON.",
      default: "csv"
    }),
    fromShare: defaulted(whole("N", 1, Number.MAX_SAFE_INTEGER), {
      description: "The sequence number of the first share to export.",
      default: 1
    }),
    ...loggingKeys
  })
}

export const ReplayConfig = {
  program: "ledger replay",
  schema: Schema.Struct({
    ledger,
    scheme: required(choice([...BLOCK_SCHEMES, "fpps", "pps"]), {
      description: "The scheme by which rewards are divided again. Nothing is changed.",
      example: "pplns"
    }),
    fee: defaulted(decimal("PERCENT", 0, 100), { description: "The pool's fee.", default: 0 }),
    window: defaulted(decimal("N", 0.001, 1000), {
      description: "The window of pplns: this many times the work of a block.",
      default: 2
    }),
    minutes: defaulted(whole("N", 1, 1_000_000), { description: "The window of pplns-time.", default: 1440 }),
    from: defaulted(whole("HEIGHT", 0, 1_000_000_000), { description: "The height of the first block.", default: 0 }),
    halvingInterval: defaulted(whole("BLOCKS", 1, 1_000_000_000), {
      description: "Blocks after which the subsidy halves, for pps. Bitcoin's regtest has 150.",
      default: 210_000
    }),
    json,
    ...loggingKeys
  })
}

export const SettleConfig = {
  program: "ledger settle",
  schema: Schema.Struct({
    ledger,
    ...Struct.omit(nodeKeys, ["nodeZmq"]),
    nodeRpcUrl: nodeUrlKey("The URL of the JSON-RPC of the node whose chain decides."),
    json,
    ...loggingKeys
  }).check(
    wholeNode,
    Schema.makeFilter(({ nodeRpcUrl }) => (nodeRpcUrl === undefined ? "node-rpc-url is missing" : undefined))
  )
}

export const PayConfig = {
  program: "ledger pay",
  schema: Schema.Struct({
    ledger,
    dryRun: defaulted(toggle, { description: "Print what would be paid.", default: false }),
    minimum: defaulted(whole("SATOSHIS", 1, 2_100_000_000_000_000), {
      description: "The least amount that is paid.",
      default: 100_000
    }),
    json,
    ...loggingKeys
  })
}

export const AdjustConfig = {
  program: "ledger adjust",
  schema: Schema.Struct({
    ledger,
    user: required(string({ metavar: "NAME", expected: "a user" }), {
      description: "The user whose balance changes, without a worker's name.",
      example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    }),
    satoshis: required(whole("N", -2_100_000_000_000_000, 2_100_000_000_000_000), {
      description: "The amount that the user gets from the pool's account; negative if the pool gets it back.",
      example: 5000
    }),
    reason: required(string({ metavar: "TEXT", expected: "a text" }, 500), {
      description: "The reason, which the ledger keeps.",
      example: "paid by hand in transaction ..."
    }),
    json,
    ...loggingKeys
  })
}

export const BackupConfig = {
  program: "ledger backup",
  schema: Schema.Struct({
    ledger,
    to: required(newFile("the path of a new file"), {
      description: "The file to write, which must not exist.",
      example: "pool.ledger.backup"
    }),
    ...loggingKeys
  })
}
