/** The configuration of `sluice init`: each answer as a key, checked as the key of the program that it is written for. */
import { Schema } from "effect"
import { BLOCK_SCHEMES } from "../config/ledger.ts"
import { defaulted, optional } from "../config/key.ts"
import { directoryToWrite, fileOfAnother } from "../config/path.ts"
import { miningServerUrls, payoutAddress, serverUrls } from "../config/stratum.ts"
import { wholeNode } from "../server/node.ts"
import { choice, decimal, hostPort, hostPortOrNone, httpUrl, password, string, toggle } from "../config/value.ts"

export const ROLES = ["solo", "pool", "proxy", "declaration"] as const
export type Role = (typeof ROLES)[number]

const fields = Schema.Struct({
  role: optional(choice(ROLES), {
    description:
      "What to set up: solo (mine alone at home), pool, proxy (a farm's miners behind one connection to a pool), or declaration (mine for a pool with blocks of your own node).",
    example: "solo"
  }),
  folder: optional(directoryToWrite("the path of a folder"), {
    description: "The folder to write to. Default: sluice-ROLE in your home folder.",
    example: "sluice-solo"
  }),
  payoutAddress: optional(payoutAddress, {
    description:
      "The Bitcoin address that is paid: for solo and a pool by blocks, for declaration while no pool can be used.",
    example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
  }),
  payoutScheme: optional(choice([...BLOCK_SCHEMES, "none"]), {
    description:
      "How a pool divides a block among its miners (docs/operators/payouts.md); with none, payout-address gets all. Default: pplns.",
    example: "pplns"
  }),
  payoutFee: optional(decimal("PERCENT", 0, 100), {
    description: "The pool's part of a block, for payout-address. Default: 0.",
    example: 1.5
  }),
  upstream: optional(miningServerUrls, {
    description: "The pools to mine for, the preferred one first.",
    example: ["stratum2+tcp://pool.example:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  jobDeclarator: optional(serverUrls, {
    description: "The job declarators of the pools, in the same order.",
    example: ["stratum2+tcp://pool.example:3334/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  userIdentity: optional(string({ metavar: "NAME", expected: "a name of at most 255 bytes" }, 255), {
    description: "Your account at the pools.",
    example: "account"
  }),
  listen: optional(hostPort, {
    description: "The address for miners that speak Stratum V2. 0.0.0.0 stands for every address of this machine.",
    example: "0.0.0.0:3333"
  }),
  v1Listen: optional(hostPortOrNone, {
    description: "The address for miners that speak Stratum V1, as most do; or none.",
    example: "0.0.0.0:3336"
  }),
  httpListen: optional(hostPortOrNone, {
    description: "The address of the operators' page; or none. Default: 127.0.0.1:8080, or the next free port.",
    example: "127.0.0.1:8080"
  }),
  templateListen: optional(hostPort, {
    description:
      "The address of the template provider that is set up for the node. Default: 127.0.0.1:18447, or the next free port.",
    example: "127.0.0.1:18447"
  }),
  bitcoinFolder: optional(string({ metavar: "FOLDER", expected: "the path of a folder", path: true }), {
    description: "The data folder of Bitcoin Core, if it is not where Bitcoin Core has it by default.",
    example: "/srv/bitcoin"
  }),
  chain: optional(choice(["main", "test", "testnet4", "signet", "regtest"]), {
    description: "The chain of the node to use, where nodes of several chains run.",
    example: "main"
  }),
  nodeRpcUrl: optional(httpUrl, {
    description: "The address of the node's RPC, for a node that is not found by itself.",
    example: "http://127.0.0.1:8332"
  }),
  nodeRpcCookie: optional(fileOfAnother("the path of the node's .cookie file", { holdsSecret: true }), {
    description: "The node's cookie file, with node-rpc-url.",
    example: "/srv/bitcoin/.cookie"
  }),
  nodeRpcUser: optional(string({ metavar: "USER", expected: "a user name" }), {
    description: "The node's rpcuser, with node-rpc-url and without a cookie.",
    example: "sluice"
  }),
  nodeRpcPassword: optional(password, { description: "The node's rpcpassword." }),
  templateProvider: optional(serverUrls, {
    description: "A template provider that runs already, in place of a node.",
    example: ["stratum2+tcp://127.0.0.1:18447/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  yes: defaulted(toggle, {
    description: "Ask nothing: take the default of each answer that is not given. It replaces no file.",
    default: false
  }),
  replace: defaulted(toggle, {
    description: "Replace configuration files that exist. Keys are never replaced.",
    default: false
  }),
  noTrial: defaulted(toggle, {
    description: "Do not start the programs for a moment to try them.",
    default: false
  })
})

export const InitConfig = { program: "init", schema: fields.check(wholeNode) }

/** As `InitConfig`, without the check of how answers fit together: for one answer alone. */
export const AnswerConfig = { program: "init", schema: fields }

/** The names of the answers, as flags have them without the dashes. */
export type AnswerName =
  | "role"
  | "folder"
  | "payout-address"
  | "payout-scheme"
  | "payout-fee"
  | "upstream"
  | "job-declarator"
  | "user-identity"
  | "listen"
  | "v1-listen"
  | "http-listen"
  | "node-rpc-url"
  | "node-rpc-cookie"
  | "node-rpc-user"
  | "node-rpc-password"
  | "template-provider"
