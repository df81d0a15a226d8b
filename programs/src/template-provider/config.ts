/** The configuration of `sluice template-provider`. */
import { templateProviderDefaults } from "@sluice/template-provider"
import { Duration, Schema } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { directoryToWrite, fileOfAnother } from "../config/path.ts"
import {
  choice,
  hostPort,
  httpUrl,
  httpUrls,
  logins,
  password,
  secretFilePaths,
  string,
  toggle,
  whole,
  zmqEndpoints
} from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { metricsKeys } from "../server/metrics.ts"

export const TemplateProviderConfig = {
  program: "template-provider",
  schema: Schema.Struct({
    listen: defaulted(hostPort, { description: "The address for pools and proxies.", default: "127.0.0.1:18447" }),
    rpcUrl: required(httpUrl, { description: "The URL of the node's JSON-RPC.", example: "http://127.0.0.1:18443" }),
    rpcUser: optional(string({ metavar: "USER", expected: "a user name" }), {
      description: "The node's rpcuser; or give rpc-cookie.",
      example: "sluice",
      usual: true
    }),
    rpcPassword: optional(password, { description: "The node's rpcpassword.", usual: true }),
    rpcCookie: optional(fileOfAnother("the path of the node's .cookie file", { holdsSecret: true }), {
      description: "The file to which the node writes a new user and password at each start.",
      example: "/home/bitcoin/.bitcoin/.cookie"
    }),
    zmq: optional(zmqEndpoints, {
      description:
        "The endpoints at which the node publishes hashblock, rawblock and sequence (zmqpubhashblock, ...). Without them the provider polls the node.",
      example: "tcp://127.0.0.1:28332",
      usual: true
    }),
    spareRpcUrls: optional(httpUrls, {
      description:
        "Nodes to fall back on, the preferred one first. Blocks go to all nodes. Unless given, rpc-user and rpc-password hold for them too.",
      example: "http://192.0.2.7:8332,http://192.0.2.8:8332"
    }),
    spareRpcLogins: optional(logins, {
      description:
        "User and password of each node in spare-rpc-urls, in that order, if they differ from the first node's."
    }),
    spareRpcCookies: optional(secretFilePaths, {
      description: "The cookie file of each node in spare-rpc-urls, in that order, if they write one.",
      example: "/home/second/.bitcoin/.cookie"
    }),
    chain: optional(choice(["main", "test", "testnet4", "signet", "regtest"]), {
      description: "The chain that the node must be on. Default: any.",
      example: "main"
    }),
    feeDelta: defaulted(whole("SATOSHIS", 0, 2_100_000_000_000_000), {
      description: "Fees that a block must gain before clients get a new template for the same tip.",
      default: Number(templateProviderDefaults.feeDelta)
    }),
    interval: defaulted(whole("SECONDS", 1, 3_600), {
      description:
        "The interval at which the provider asks the node for better fees, and the least time between two templates of a tip.",
      default: Duration.toSeconds(templateProviderDefaults.interval)
    }),
    noEmptyTemplates: defaulted(toggle, {
      description:
        "Do not send templates without transactions, on which clients work after a new block until the node's template is there.",
      default: false
    }),
    maxTemplateAge: defaulted(whole("SECONDS", 60, 86_400), {
      description: "The time without a template from the node after which clients are sent away to other providers.",
      default: Duration.toSeconds(templateProviderDefaults.maxTemplateAge)
    }),
    blocksDirectory: optional(directoryToWrite("the path of a directory"), {
      description:
        "The directory for blocks that are found while no node can be reached. Without it they are kept in memory only.",
      option: "blockDirectory",
      example: "blocks"
    }),
    ...metricsKeys,
    ...securityKeys,
    ...loggingKeys
  }).check(
    oneSecurity,
    distinctAddresses("listen", "metricsListen"),
    Schema.makeFilter(({ spareRpcUrls, spareRpcLogins, spareRpcCookies, rpcCookie }) => {
      if (spareRpcLogins !== undefined && spareRpcCookies !== undefined) {
        return "give spare-rpc-logins or spare-rpc-cookies, not both"
      }
      const own = spareRpcLogins ?? spareRpcCookies
      const nodes = spareRpcUrls?.length ?? 0
      if (own === undefined) {
        return nodes > 0 && rpcCookie !== undefined
          ? "spare-rpc-urls needs spare-rpc-cookies or spare-rpc-logins beside rpc-cookie: each node has a cookie of its own"
          : undefined
      }
      const key = spareRpcLogins === undefined ? "spare-rpc-cookies" : "spare-rpc-logins"
      return own.length === nodes
        ? undefined
        : `${key} names ${own.length}, and spare-rpc-urls ${nodes}: one for each node`
    }),
    Schema.makeFilter(({ rpcUser, rpcPassword, rpcCookie }) => {
      if (rpcCookie !== undefined) {
        return rpcUser === undefined && rpcPassword === undefined
          ? undefined
          : "give rpc-cookie, or rpc-user and rpc-password, not both"
      }
      if (rpcUser !== undefined && rpcPassword !== undefined) return undefined
      return "--rpc-user with --rpc-password (or --rpc-password-file), or --rpc-cookie is missing: the node requires credentials"
    })
  )
}
