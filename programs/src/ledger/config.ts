/** The configuration of `sluice ledger` and its commands. */
import { Schema, Struct } from "effect"
import { ledgerUrl, SCHEMES } from "../config/ledger.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { fileToRead, fileToWrite, newFile } from "../config/path.ts"
import { payoutAddress } from "../config/stratum.ts"
import { choice, decimal, string, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { chainKey } from "../server/payout.ts"
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
    scheme: required(choice(SCHEMES), {
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
    dryRun: defaulted(toggle, {
      description: "Print what would be paid, and pay nothing. Give --no-dry-run to pay.",
      default: true
    }),
    minimum: defaulted(whole("SATOSHIS", 1_000, 2_100_000_000_000_000), {
      description: "The least amount that is paid.",
      default: 100_000
    }),
    nodeWallet: optional(string({ metavar: "NAME", expected: "the name of a wallet" }), {
      description: "The wallet of the node that pays. It chooses the coins, and signs if it has the keys.",
      example: "pool"
    }),
    from: optional(payoutAddress, {
      description:
        "The address of segwit that pays, in place of node-wallet, if its key is elsewhere. Its coins with 100 confirmations are spent, and it gets the change.",
      example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    }),
    psbt: optional(fileToWrite("the path of a file"), {
      description: "The file for the transaction if it has to be signed elsewhere, as a PSBT in base64.",
      example: "payment.psbt"
    }),
    signed: optional(fileToRead("a file that exists"), {
      description: "Send this signed transaction of a payment: hex, or a PSBT in base64. Nothing else is paid.",
      example: "payment.signed"
    }),
    cancel: optional(whole("PAYMENT", 1, Number.MAX_SAFE_INTEGER), {
      description:
        "Give the amounts of this payment back to balances. Another transaction must have spent one of its coins, and have 6 confirmations.",
      example: 1
    }),
    confTarget: defaulted(whole("BLOCKS", 1, 1_008), {
      description: "Pay the fee that the node estimates for a confirmation within this many blocks.",
      default: 6
    }),
    feeRate: optional(decimal("SATOSHIS", 0.1, 10_000), {
      description: "Pay this fee for each virtual byte, in place of conf-target.",
      example: 2.5
    }),
    ...chainKey,
    ...Struct.omit(nodeKeys, ["nodeZmq"]),
    nodeRpcUrl: nodeUrlKey("The URL of the JSON-RPC of the node that shows the chain and sends payments."),
    json,
    ...loggingKeys
  }).check(
    wholeNode,
    Schema.makeFilter(({ cancel, dryRun, from, nodeRpcUrl, nodeWallet, signed }) => {
      if (dryRun)
        return cancel === undefined && signed === undefined ? undefined : "cancel and signed need --no-dry-run"
      if (nodeRpcUrl === undefined) return "node-rpc-url is missing: a payment needs a node"
      return (from === undefined) === (nodeWallet === undefined)
        ? "give node-wallet, the wallet of the node that pays, or from, the address that pays"
        : undefined
    })
  )
}

export const AddressConfig = {
  program: "ledger address",
  schema: Schema.Struct({
    ledger,
    user: required(string({ metavar: "NAME", expected: "a user" }), {
      description: "The user whose address it is, without a worker's name.",
      example: "alice"
    }),
    address: required(string({ metavar: "ADDRESS", expected: "an address" }), {
      description: "The address that payments from the wallet go to.",
      example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    }),
    delayHours: defaulted(decimal("HOURS", 0, 10_000), {
      description: "The hours after which a change takes effect. The first address of a user does at once.",
      default: 24
    }),
    reason: defaulted(string({ metavar: "TEXT", expected: "a text" }, 500), {
      description: "The reason, which the ledger keeps.",
      default: "asked for by the user"
    }),
    ...chainKey,
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
